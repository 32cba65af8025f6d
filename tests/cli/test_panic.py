"""`dd0c panic` where the API answers, answers late, refuses, or is not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from dd0c.base import home as homes
from dd0c.kernel.autonomy import local
from dd0c.kernel.autonomy.local import Said
from dd0c.kernel.autonomy.states import Panic, State
from tests.cli import terminal
from tests.support import web
from tests.support.product import free_port, until

WITHIN_S = 20.0
ON = ("panic", "on", "--mode", "halt", "--reason", "odd answers")
CALM: dict[str, object] = {"mode": None, "organisation": None, "everywhere": None, "channels": []}
HALT = CALM | {"mode": "halt"}
PROBLEM = {"detail": "this needs the permission `autonomy:write`", "hint": ""}

Verb = Callable[..., CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of a dd0c that does not run."""
    place = homes.create(tmp_path / "home")
    place.owner_key.write_text("dd0c_sk_" + "A" * 43)
    return place.path


def on_host(home: Path, port: int) -> Verb:
    """Verbs of who is on the host, where the console has this port."""
    env = {"DD0C_HOME": str(home), "DD0C_CONSOLE_PORT": str(port)}
    return lambda *words: terminal.call(*words, env=env)


def says(home: Path) -> State:
    """What the local file says."""
    said = local.read(home)
    return None if said is None else said.panic


@contextmanager
def answering(status: int, body: object, *, after: threading.Event | None = None) -> Iterator[int]:
    """An API that answers like that; its port."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if after is not None:
            after.wait(WITHIN_S)
        panic = {"x-dd0c-panic": "halt"} if status < 300 else {}
        web.give(handler, status, json.dumps(body).encode(), **panic)

    with web.serve(answer) as found:
        yield found.port


def test_without_a_server_the_local_file_holds(home: Path) -> None:
    """K-63: on the host a brake is put on though nothing answers; the file's verbs need no server,
    and their exit status says whether it is on."""
    verb = on_host(home, free_port())
    pressed = verb(*ON)
    assert (pressed.returncode, says(home)) == (0, Panic.HALT)
    assert "the local file holds instead" in pressed.stderr
    assert "dd0c panic off --local" in pressed.stdout
    shown = verb("panic", "status", "--local", "--json")
    assert (shown.returncode, json.loads(shown.stdout)["mode"]) == (1, "halt")
    assert verb("panic", "status").returncode == 7
    assert verb("panic", "off", "--reason", "x").returncode == 7
    assert says(home) is Panic.HALT, "a release is nothing that happens by itself"
    assert verb("panic", "off", "--local", "--reason", "well").returncode == 0
    assert verb("panic", "status", "--local").returncode == 0
    assert json.loads((home / local.FILE).read_text())["mode"] == "off"


def test_another_machines_brake_is_not_this_ones(home: Path) -> None:
    """K-63: who speaks to a server elsewhere, which does not answer, stops nothing here."""
    env = {"DD0C_HOME": str(home), "DD0C_URL": f"http://127.0.0.1:{free_port()}"}
    assert terminal.call(*ON, env=env).returncode == 7
    assert local.read(home) is None


@pytest.mark.parametrize("before", [None, Said(Panic.PASSTHROUGH, "mine", "")])
def test_an_answer_that_is_late_takes_the_file_back(home: Path, before: Said | None) -> None:
    """K-63: the file holds while the API thinks, and then says again what it said before."""
    if before is not None:
        local.write(home, before)
    late = threading.Event()
    with answering(200, HALT, after=late) as port:
        env = {"DD0C_HOME": str(home), "DD0C_CONSOLE_PORT": str(port)}
        pressing = threading.Thread(target=terminal.run, args=ON, kwargs={"env": env})
        pressing.start()
        until(lambda: says(home) is Panic.HALT, "the file holds")
        late.set()
        pressing.join(WITHIN_S)
    said = local.read(home)
    assert said is not None
    assert said == (before or Said(None, "", said.at))


def test_a_refusal_stops_nothing(home: Path) -> None:
    """K-63: who may not press the brake does not get round that by the file."""
    with answering(403, PROBLEM) as port:
        assert on_host(home, port)(*ON).returncode == 3
    assert local.read(home) is None


def test_what_is_left_after_a_release_is_named(home: Path) -> None:
    """K-63: the exit status is 1 while somebody says that it is on, and who and what to do."""
    said = {"mode": "halt", "answers": True}
    file, cache = said | {"channel": "file"}, said | {"channel": "cache", "answers": False}
    with answering(200, HALT | {"channels": [file, cache]}) as port:
        left = on_host(home, port)("panic", "off", "--reason", "well")
    assert left.returncode == 1
    assert "`dd0c panic off --local` on the server's machine" in left.stderr
    assert "Valkey could not be told" in left.stderr


def test_every_verb_says_it_in_one_line(home: Path) -> None:
    """K-63: what asks several things says it once, on stderr; the verbs of the brake show it."""
    with answering(200, {"items": [], "next_cursor": None} | HALT) as port:
        listed, shown = (
            on_host(home, port)(*words) for words in (("team", "list"), ("panic", "status"))
        )
    note = "panic: halt is on: `dd0c panic status` says since when and why\n"
    assert (listed.returncode, listed.stderr) == (0, note)
    assert (shown.returncode, shown.stderr) == (1, "")
