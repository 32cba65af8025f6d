"""`dd0c doctor` asks the running dd0c: what is broken there turns red by its name."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

import dd0c
from dd0c.base import ids
from dd0c.base.clock import SystemClock
from dd0c.base.errors import Conflict, NotFound
from dd0c.cli import doctor
from dd0c.cli import main as cli
from dd0c.cli.checks import api
from dd0c.cli.checks.api import Answers
from dd0c.cli.checks.finding import Bounds, Finding
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Transaction, open_pool
from dd0c.kernel.parts import part, register
from dd0c.kernel.parts.part import Part
from dd0c.products.route.store import providers
from tests.support.control import Served, serving
from tests.support.database import Cluster

GATEWAY_URL = "http://127.0.0.1:18080"
OPENAI = uuid.UUID(int=9)


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server alone: no cache, no gateway, no job worker; a provider nobody listens at."""
    with serving(cluster) as served:
        change(served, roles.OWNER, lambda tx: provide(tx, "http://127.0.0.1:1/v1"))
        yield served


def change(served: Served, role: str, what: Callable[[Transaction], Any]) -> None:
    """Change the server's database as this role."""

    async def run() -> None:
        pool = await open_pool(served.database.conninfo(role), role, 1)
        try:
            async with tenancy.system(pool) as tx:
                await what(tx)
        finally:
            await pool.close()

    asyncio.run(run())


async def provide(tx: Transaction, url: str) -> None:
    found = providers.Sealed(OPENAI, None, "openai", "openai", url, "openai", False, None, None)
    await providers.save(tx, found)


@pytest.fixture
def ask(served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Answers]:
    """What that server says to its first owner."""
    monkeypatch.setenv("DD0C_URL", served.url)
    monkeypatch.setenv("DD0C_KEY", served.platform)
    return lambda: Answers.ask(Bounds(), GATEWAY_URL)


def forget(one: Part) -> tuple[int, str]:
    """The exit status of `dd0c parts forget`, and what it says."""
    done = CliRunner().invoke(cli.dd0c, ["parts", "forget", ids.text(ids.Kind.PART, one.id)])
    return getattr(done.exception, "exit_status", done.exit_code), done.stdout


def wrong(said: Answers, *, deep: bool = False) -> dict[str, Finding]:
    """What is not well, by name."""
    found = list(doctor.look({**api.CHECKS, **(api.DEEP_CHECKS if deep else {})}, said))
    known = [one for one in found if one.state not in ("ok", "unknown")]
    assert all(one.remedy for one in known)
    return {one.name: one for one in known}


AWAY = {"cache", "worker", "gateway"}
"""What does not run beside a control server alone."""


def test_each_part_that_is_away_is_named(ask: Callable[[], Answers]) -> None:
    """Cache, gateway and job worker away: each is a problem with a remedy of its own, and what
    cannot be known without a gateway is unknown, not well."""
    said = ask()
    found = wrong(said)
    assert found.keys() == AWAY
    assert {one.state for one in found.values()} == {"problem"}
    assert len({one.remedy for one in found.values()}) == len(AWAY)
    everything = {one.name: one.state for one in doctor.look(api.CHECKS, said)}
    assert everything["database"] == everything["providers"] == everything["keys"] == "ok"
    assert everything["spool"] == "unknown"


def test_a_silent_part_and_another_version_are_named(
    served: Served, ask: Callable[[], Answers]
) -> None:
    """A part not heard of for 20 s, and one of another version, are told with host and process;
    `dd0c parts forget` ends the warning for good."""
    old = replace(part.this("control", SystemClock()), version="0.0.9", host="elsewhere")
    change(served, roles.APP, lambda tx: register.beat(tx, old, {}))
    assert forget(old)[0] == Conflict.exit_status  # it reports
    versions = wrong(ask())["versions"]
    assert f"this is dd0c {dd0c.__version__}, but control on elsewhere 0.0.9" in versions.cause
    with served.database.cluster.admin(served.database.name) as admin:
        admin.execute(
            "UPDATE kernel.parts SET seen_at = now() - interval '1 minute' WHERE id = %s", (old.id,)
        )
    found = wrong(ask())
    assert forget(old) == (0, f"forgot control on elsewhere (process {old.pid})\n")
    assert wrong(ask()).keys() == AWAY
    assert forget(old)[0] == NotFound.exit_status
    assert found.keys() - AWAY == {"parts"}
    assert f"control on elsewhere (process {old.pid}) was not heard of" in found["parts"].cause


def test_workers_that_die_again_and_again_are_named(ask: Callable[[], Answers]) -> None:
    """A gateway goes on with its other workers, so that only its own word shows the loop."""
    workers = [
        {"slot": 0, "ready": True, "crash_loop": None},
        {"slot": 1, "ready": False, "crash_loop": "3 deaths in 4 s, the last by SIGSEGV"},
    ]
    one = {
        "kind": "gateway",
        "host": "a",
        "pid": 7,
        "state": "alive",
        "facts": {"workers": workers},
    }
    first, *_ = api.look_at_parts(replace(ask(), parts=[one]))
    assert first.state == "problem"
    assert "worker 1 of the gateway on a (process 7)" in first.cause
    assert "3 deaths in 4 s, the last by SIGSEGV" in first.cause


def test_a_key_that_ends_soon_is_named(served: Served, ask: Callable[[], Answers]) -> None:
    """A key ends within two weeks: who it is and when, before it stops working."""
    soon = datetime.now(UTC) + timedelta(days=3)
    served.key(served.platform, name="nightly", expires_at=soon.isoformat())
    found = wrong(ask())
    assert found.keys() - AWAY == {"keys"}
    assert "nightly (key_" in found["keys"].cause
    assert soon.date().isoformat() in found["keys"].cause


def test_a_provider_that_is_this_gateway_is_named(
    served: Served, ask: Callable[[], Answers]
) -> None:
    """A provider whose address is the gateway's own would be asked in a circle."""
    change(served, roles.OWNER, lambda tx: provide(tx, "http://localhost:18080/v1"))
    said = ask()
    change(served, roles.OWNER, lambda tx: provide(tx, "http://127.0.0.1:1/v1"))
    found = {one.name: one for one in api.look_at_providers(said) if one.state != "ok"}
    assert len(found) == 1
    assert "is this gateway itself" in found[""].cause


def test_deep_connects_to_providers(served: Served, ask: Callable[[], Answers]) -> None:
    """--deep finds a provider's port closed, or open, and sends nothing."""
    closed = wrong(ask(), deep=True)["provider addresses"]
    assert "openai at 127.0.0.1 port 1" in closed.cause
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        change(served, roles.OWNER, lambda tx: provide(tx, url))
        assert "provider addresses" not in wrong(ask(), deep=True)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b""
    change(served, roles.OWNER, lambda tx: provide(tx, "http://127.0.0.1:1/v1"))


@pytest.mark.parametrize(
    ("offered", "state"),
    [([], "problem"), ([{"enabled": True, "simulated": True}], "warning")],
)
def test_no_real_provider_is_told(
    ask: Callable[[], Answers], offered: list[dict[str, Any]], state: str
) -> None:
    """Without a provider nothing works; simulated ones are told from real ones."""
    named = [{"name": "sim", "base_url": None, **one} for one in offered]
    found = wrong(replace(ask(), providers=named))["providers"]
    assert (found.state, "OPENAI_API_KEY" in found.remedy) == (state, True)


def test_a_weak_key_still_gets_an_answer(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that may not see parts is told so, and what it may see is judged all the same."""
    monkeypatch.setenv("DD0C_URL", served.url)
    monkeypatch.setenv("DD0C_KEY", served.acme)
    said = Answers.ask(Bounds(), None)
    [untold] = api.look_at_health(said)
    assert (untold.state, untold.remedy) == ("unknown", "use a key with the role platform")
    assert wrong(said) == {}


def test_nobody_there_and_a_wrong_key_are_told_apart(served: Served) -> None:
    """The last line of a remote doctor: who was asked, with whose key, and what to do."""
    nobody = {"DD0C_URL": "http://127.0.0.1:9", "DD0C_KEY": "k"}
    stranger = {"DD0C_URL": served.url, "DD0C_KEY": "dd0c_sk_" + "x" * 43}
    for environ, cause in (
        (nobody, "no dd0c answers"),
        (stranger, "no such key here (key of DD0C_KEY"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            [only] = doctor.examine(environ)
        assert (only.name, only.state) == ("api", "problem")
        assert cause in only.cause
        assert only.remedy
