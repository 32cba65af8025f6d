"""`dd0c doctor` on the host: what is broken turns red, by its name, and nothing else does."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dd0c.base import home as homes
from dd0c.base import settings
from dd0c.base.home import Home
from dd0c.cli import doctor
from dd0c.cli.checks import host, running
from dd0c.cli.checks.finding import Bounds, Finding
from dd0c.cli.checks.host import Host
from tests.support.product import free_port

ENOUGH = Bounds(disk_problem_bytes=0, disk_warning_bytes=0, memory_warning_bytes=0)
MUCH = 2**62
GONE = 2**22 + 1  # more than Linux numbers processes
RUNNING = 'import time; time.sleep(60)  # "dd0c up"'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home as `dd0c up` leaves it."""
    home = homes.create(tmp_path / "home")
    for path in (home.owner_key, home.secrets / "pepper"):
        homes.write_atomically(path, "secret\n")
    return home


@pytest.fixture
def well(home: Home) -> Host:
    """A host on which nothing is wrong, except that nothing runs."""
    flags = {"home": home.path, "gateway_port": free_port(), "console_port": free_port()}
    return Host(settings.load(flags, {}), home, {}, None, ENOUGH)


@pytest.fixture
def supervisor() -> Iterator[int]:
    """The number of a process that looks like a supervisor."""
    with subprocess.Popen([sys.executable, "-c", RUNNING]) as process:
        yield process.pid
        process.kill()


def wrong(at: Host) -> dict[str, Finding]:
    """What is not well, by name, after a look at everything."""
    found = list(doctor.look(doctor.ON_HOST, at))
    assert {one.name for one in found} >= {"modes", "room", "supervisor", "ports"}
    assert all(one.remedy for one in found if one.state != "ok")
    return {one.name: one for one in found if one.state != "ok"}


def test_a_sound_host_is_found_so(well: Host) -> None:
    """Every check finds a closed, roomy home well; that nothing runs is said with the verb."""
    found = wrong(well)
    assert found.keys() == {"supervisor"}
    assert (found["supervisor"].remedy, found["supervisor"].state) == ("dd0c up", "problem")


def with_open_key(well: Host) -> Host:
    well.home.owner_key.chmod(0o644)
    return well


def with_open_secret(well: Host) -> Host:
    (well.home.secrets / "pepper").chmod(0o640)
    return well


def of_another_user(well: Host) -> Host:
    if os.geteuid() == 0:
        os.chown(well.home.path, 65534, -1)
        return well
    return replace(well, home=replace(well.home, path=Path("/")))


def with_bounds(**bounds: Any) -> Callable[[Host], Host]:
    return lambda well: replace(well, bounds=replace(ENOUGH, **bounds))


def in_a_loop(well: Host) -> Host:
    url = f"http://localhost:{well.settings.gateway_port}/v1"
    return replace(well, environ={"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-real"})


BREAKS: dict[str, tuple[Callable[[Host], Host], str, str, str]] = {
    "open key": (with_open_key, "modes", "owner.key", "chmod go= "),
    "open secret": (with_open_secret, "modes", "pepper", "make new keys"),
    "owner": (of_another_user, "owner", "another user", "DD0C_HOME"),
    "no room": (with_bounds(disk_problem_bytes=MUCH), "room", "MB free", "make room"),
    "little room": (with_bounds(disk_warning_bytes=MUCH), "room", "MB free", "make room"),
    "memory": (with_bounds(memory_warning_bytes=MUCH), "memory", "MB of memory", "DD0C_MEMORY_MB"),
    "loop": (in_a_loop, "environment", "OPENAI_BASE_URL", "unset OPENAI_BASE_URL"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_one_break_is_one_finding(well: Host, how: str) -> None:
    """Break one thing: its check alone turns, and says what was seen and what to do."""
    break_it, name, cause, remedy = BREAKS[how]
    found = wrong(break_it(well))
    assert found.keys() == {"supervisor", name}
    assert cause in found[name].cause
    assert remedy in found[name].remedy


@pytest.mark.parametrize("url", ["http://127.0.0.1:x/v1", "http://[", "nonsense", ""])
def test_an_address_that_is_none_breaks_no_check(well: Host, url: str) -> None:
    """The environment may hold anything: it is `dd0c up` that refuses what it cannot use."""
    assert wrong(replace(well, environ={"OPENAI_BASE_URL": url})).keys() == {"supervisor"}


def test_a_program_pointed_at_the_gateway_is_no_loop(well: Host) -> None:
    """Whoever works with dd0c has both variables set, and nothing is wrong with that."""
    own = replace(
        in_a_loop(well), environ={**in_a_loop(well).environ, "OPENAI_API_KEY": "dd0c_sk_"}
    )
    assert wrong(own).keys() == {"supervisor"}


def test_a_taken_port_names_who_took_it(well: Host) -> None:
    """Not running, and a port is taken: by which process, as far as the system tells."""
    with socket.create_server(("127.0.0.1", well.settings.gateway_port)):
        found = wrong(well)
    assert found.keys() == {"supervisor", "ports"}
    assert f"process {os.getpid()} (" in found["ports"].cause
    assert f"port {well.settings.gateway_port}, which the gateway wants" in found["ports"].cause
    assert "--gateway-port" in found["ports"].remedy


@pytest.mark.parametrize("pid", [GONE, 1, "nonsense", None])
def test_what_a_crash_left_is_no_running_dd0c(well: Host, pid: object) -> None:
    """A killed supervisor's file is told from a running one's, also when its number is reused."""
    found = wrong(replace(well, facts={"pid": pid}))
    assert found.keys() == {"supervisor"}
    assert "was killed" in found["supervisor"].cause
    assert "cleans up" in found["supervisor"].remedy


def child(**changes: object) -> dict[str, object]:
    """A child as its supervisor writes it down."""
    same = {"name": "gateway", "state": "running", "restarts": 0, "failures": 0}
    return {**same, "last_exit": "", "last_words": "", "log": "log/gateway.log", **changes}


ENDED = {"last_exit": "ended with status 2", "last_words": "no pepper"}


@pytest.mark.parametrize(
    ("facts", "state", "cause"),
    [
        ([child()], "ok", "no part ended"),
        ([child(restarts=3, failures=1, **ENDED)], "ok", "started again 3 times"),
        ([child(restarts=3, failures=3, **ENDED)], "problem", "3 times in a row: no pepper"),
        (
            [child(state="waiting", restarts=1, **ENDED)],
            "problem",
            "ended with status 2: no pepper",
        ),
    ],
)
def test_a_part_that_ends_again_and_again_is_named(
    well: Host, supervisor: int, facts: list[dict[str, object]], state: str, cause: str
) -> None:
    """A crash loop is told with how the part ended and what it said last; one restart is none."""
    at = replace(well, facts={"pid": supervisor, "children": facts})
    assert [one.state for one in running.look_at_supervisor(at)] == ["ok"]
    first, *_ = running.look_at_children(at)
    assert first.state == state
    assert cause in first.cause
    assert state == "ok" or "log/gateway.log" in first.remedy


def test_a_failed_reload_is_told(well: Host, supervisor: int) -> None:
    """After a reload that did not work the old settings hold, which nobody sees otherwise."""
    reload = {"number": 1, "state": "failed", "problem": "workers must be between 0 and 256"}
    at = replace(well, facts={"pid": supervisor, "children": [child()], "reload": reload})
    first, *_ = running.look_at_children(at)
    assert (first.state, first.remedy) == ("warning", "mend it, then `dd0c reload`")
    assert "between 0 and 256" in first.cause


def test_few_open_files_are_a_warning(well: Host) -> None:
    """A process that may open 1000 files says for how many requests that is enough."""
    done = subprocess.run(
        ["prlimit", "--nofile=1000", sys.executable, "-m", "dd0c.cli.main", "doctor", "--json"],
        env={**os.environ, "DD0C_HOME": str(well.home.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1  # nothing runs
    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert found["open files"]["state"] == "warning"
    assert "about 400 requests at once" in found["open files"]["cause"]
    assert "LimitNOFILE=" in found["open files"]["remedy"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 1000


@pytest.mark.parametrize(
    ("file", "text", "cause"),
    [
        (None, "", "is not a home of dd0c"),
        ("home.json", "", "home.json"),
        ("home.json", '{"format": 99, "installation": "x"}', "made by a newer dd0c"),
        ("dd0c.toml", "moon = 1", "unknown setting 'moon'"),
        ("dd0c/config.toml", "profiles = 1", "is not what it should be"),
    ],
)
def test_an_unusable_home_is_the_only_finding(
    tmp_path: Path, file: str | None, text: str, cause: str
) -> None:
    """A foreign, emptied, newer or misconfigured home: one finding, as nothing else can be said."""
    if file is not None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    environ = {"DD0C_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    [only] = doctor.examine(environ)
    assert cause in only.cause
    assert (only.state, only.name) in {("problem", "home"), ("problem", "profiles")}


def test_every_check_of_the_host_is_in_the_table() -> None:
    """A check that is written is looked at."""
    written = {
        look
        for module in (host, running)
        for name, look in vars(module).items()
        if name.startswith("look_at_")
    }
    assert written == {*host.CHECKS.values(), *running.CHECKS.values()}
