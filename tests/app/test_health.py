"""Deep health over real parts: each one broken in turn, and only its own item turns red (K-5)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dd0c.app import control
from dd0c.base.clock import SystemClock
from dd0c.base.outbound import Outcome
from dd0c.kernel.auth import pepper, permissions
from dd0c.kernel.auth.last_used import Uses
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.autonomy.flag_publishing import Publisher
from dd0c.kernel.cache import client
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.content import configured as places
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.guard.circuit import Rules
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.flags import Flags
from dd0c.kernel.guard.rates import Rates
from dd0c.kernel.parts.part import State
from dd0c.kernel.plans.catalogue import UNLIMITED
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.web import dependencies
from dd0c.kernel.web.paging import Cursors
from dd0c.kernel.web.probes import Health, Status
from dd0c.kernel.web.resources import Resources
from dd0c.products.route.api import probes
from tests.products.route.gateway.running import running_gateway
from tests.support.database import Database, cut_off

WITHIN_S = 20.0
CANNOT_BE_ASKED: dict[str, Status] = dict.fromkeys(
    ("worker", "audit log", "breakers", "gateway", "spool", "snapshot", "prices"), "unknown"
)
ITEMS = (
    *("database", "cache", "worker", "audit log", "disk", "breakers"),
    *("gateway", "spool", "snapshot", "prices"),
)

TELL_LATE = """
    INSERT INTO kernel.audit_outbox (id, at, name, actor, subject, facts)
    VALUES (gen_random_uuid(), now() - interval '1 hour', 'Told', 'system', 'it', '{}')
"""


@contextmanager
def running_worker(database: Database, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dd0c worker` on the database."""
    given = {
        "DD0C_HOME": str(database.cluster.home.path),
        "DD0C_DATABASE_URL": database.settings.database_url.reveal(),
    }
    with log.open("ab") as output:
        command = [sys.executable, "-m", "dd0c.cli.main", "worker"]
        process = subprocess.Popen(
            command, env={**os.environ, **given}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until(health: Health, wanted: dict[str, Status]) -> None:
    """Until exactly these items are not ok."""
    found: dict[str, tuple[Status, str]] = {}
    try:
        async with asyncio.timeout(WITHIN_S):
            while {name: status for name, (status, _) in found.items()} != (
                dict.fromkeys(ITEMS, "ok") | wanted
            ):
                report = await health.report()
                found = {item.name: (item.status, item.detail) for item in report.items}
                await asyncio.sleep(0.05)  # the parts need the processor as well
    except TimeoutError:
        pytest.fail(f"wanted {wanted}, not {found}")


def use(database: Database, pool: Pool, keys: Pepper, cache: client.Client) -> Resources:
    """What the control server has, with a breaker that opens at once and rests for no time."""
    vault, clock = Vault(local.load(database.cluster.home)), SystemClock()
    return Resources(
        settings=database.settings,
        pool=pool,
        queue=pool,
        clock=clock,
        pepper=keys,
        grants=permissions.KERNEL,
        cursors=Cursors(b"x" * 32),
        uses=Uses(clock),
        vault=vault,
        contents=Contents(pool, vault, places.places(database.settings, pool), clock),
        breakers=Breakers(None, Rules(failures=1, rest_ms=0)),
        plan=UNLIMITED,
        flags=Flags(),
        publisher=Publisher(pool, cache),
        panic_cache=cache,
        counters=Counters(cache, "test"),
        rates=Rates(Counters(cache, "test")),
    )


def test_only_what_is_broken_is_red(
    runner: asyncio.Runner, app_pool: Pool, database: Database, tmp_path: Path
) -> None:
    """Cache, worker, gateway, audit log, what is left alone, what the database takes, and the
    database: each alone (proofs 18)."""
    place = database.cluster.home
    keys = pepper.ensure(place)
    local.ensure(place)
    valkey = EmbeddedValkey(place)
    valkey.start()
    cache = client.open_client(database.settings, 1)
    resources = use(database, app_pool, keys, cache)
    health = Health(
        [
            dependencies.database_probe(app_pool, writes=True),
            *control.list_probes(resources, cache),
        ],
        SystemClock(),
        shared_s=0,
    )

    async def see(wanted: dict[str, Status]) -> None:
        await until(health, wanted)

    try:
        with (
            database.cluster.admin(database.name) as admin,
            running_worker(database, tmp_path / "worker.log") as worker,
            running_gateway(database, place, tmp_path / "gateway.log", workers=1) as gateway,
        ):
            gateway.wait_ready()
            runner.run(see({}))
            valkey.stop()
            runner.run(see({"cache": "failing"}))
            valkey.start()
            runner.run(see({}))
            gateway.process.send_signal(signal.SIGSTOP)
            runner.run(see({"gateway": "failing"}))
            gateway.process.send_signal(signal.SIGCONT)
            runner.run(see({}))
            admin.execute("REVOKE INSERT ON kernel.parts FROM dd0c_app")
            runner.run(see({"database": "failing"}))
            admin.execute("GRANT INSERT ON kernel.parts TO dd0c_app")
            admin.execute(TELL_LATE)
            runner.run(see({"audit log": "failing"}))
            admin.execute("DELETE FROM kernel.audit_outbox")
            runner.run(resources.breakers.hear("kms", Outcome.FAILURE, 0))
            runner.run(see({"breakers": "degraded"}))
            probe = runner.run(resources.breakers.ask("kms"))
            runner.run(resources.breakers.hear("kms", Outcome.SUCCESS, probe.epoch))
            runner.run(see({}))
            worker.terminate()
            runner.run(see({"worker": "failing"}))
            with cut_off(database):
                runner.run(see({"database": "failing", **CANNOT_BE_ASKED}))
    finally:
        runner.run(cache.aclose())
        valkey.stop()


FACTS: dict[str, Any] = {
    "workers": [{"ready": True}, {"ready": True}],
    "spool": {"backlog_bytes": 4096, "lag_s": 0.1, "full": False},
    "snapshot": {"age_s": 0.4, "expired": False, "source": "database", "unkept_s": 2.0},
    "disk_free_bytes": 50_000_000_000,
    "prices": {"as_of": "2026-11-09"},
}


class November:
    """Shortly after the prices."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC)

    def now_us(self) -> int:
        return int(self.now().timestamp()) * 1_000_000


JUDGES: dict[str, probes.Judge] = {
    "gateway": probes.judge_gateway,
    "spool": probes.judge_spool,
    "snapshot": probes.judge_snapshot,
    "prices": lambda gateway: probes.judge_prices(gateway, November().now(), 45),
}


@pytest.mark.parametrize(
    ("change", "item", "status"),
    [
        ({}, "gateway", "ok"),
        ({"workers": [{"ready": True}, {"ready": False}]}, "gateway", "degraded"),
        ({"workers": [{"ready": False}]}, "gateway", "failing"),
        ({"spool": {"backlog_bytes": 2**31, "lag_s": 3.0, "full": True}}, "spool", "failing"),
        ({"spool": {"backlog_bytes": 9, "lag_s": 11.0, "full": False}}, "spool", "degraded"),
        ({"spool": {"backlog_bytes": 9, "lag_s": 0.1, "unrecorded": 3}}, "spool", "degraded"),
        ({"disk_free_bytes": 999_999_999}, "spool", "degraded"),
        ({"snapshot": {"age_s": 11.0}}, "snapshot", "degraded"),
        ({"snapshot": {"age_s": 90_000.0, "expired": True}}, "snapshot", "failing"),
        ({"snapshot": {"age_s": None}}, "snapshot", "unknown"),
        ({"snapshot": {"age_s": 2.0, "source": "disk"}}, "snapshot", "degraded"),
        ({"snapshot": {"age_s": 0.2, "unkept_s": 61.0}}, "snapshot", "degraded"),
        ({"prices": {"as_of": "2026-09-01"}}, "prices", "degraded"),
        ({"prices": {"as_of": None}}, "prices", "unknown"),
    ],
)
def test_what_a_gateway_says_turns_one_item(
    change: dict[str, Any], item: str, status: Status
) -> None:
    """Each thing that a gateway may report turns its own item, with a remedy, and no other."""
    gateway = probes.Gateway("here/1", State.ALIVE, FACTS | change)
    found = {name: judge(gateway) for name, judge in JUDGES.items()}
    assert {name: verdict.status for name, verdict in found.items()} == (
        dict.fromkeys(JUDGES, "ok") | {item: status}
    )
    assert all(verdict.detail and verdict.remedy for verdict in found.values())


@pytest.mark.parametrize(("free", "status"), [(600, "ok"), (49, "degraded"), (9, "failing")])
async def test_a_disk_that_fills_is_seen(tmp_path: Path, free: int, status: Status) -> None:
    """Under 5 % free is degraded, under 1 % failing (K-5)."""

    def measure(_: Path) -> Any:
        return SimpleNamespace(total=1000, free=free)

    assert (await dependencies.disk_probe(tmp_path, measure).check()).status == status
    assert not os.listdir(tmp_path)


async def test_a_disk_that_takes_nothing_is_seen() -> None:
    """Where no file can be made the item is red, whatever room there is (K-5)."""
    verdict = await dependencies.disk_probe(Path("/proc/self")).check()
    assert verdict.status == "failing"
