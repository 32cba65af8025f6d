"""Liveness, readiness, deep health."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from dd0c.base.errors import Unavailable
from dd0c.kernel.web.probes import Finding, Health, Probe, Status, Verdict
from tests.support.control import Served, serving
from tests.support.database import Cluster

NOW = datetime(2026, 11, 3, tzinfo=UTC)


def wait_for(happened: Callable[[], bool], within_s: float = 15.0) -> None:
    """Ask again and again until it is so."""
    until = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


class FixedClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def now_us(self) -> int:
        return int(NOW.timestamp()) * 1_000_000


def test_health_is_the_platforms_and_honest(served: Served) -> None:
    """Each dependency is named with what was seen: here only the database is there (K-5)."""
    with served.client(served.acme) as client:
        assert client.get("/api/v1/health").status_code == 403
    with served.client(served.platform) as client:
        report = client.get("/api/v1/health").json()
        again = client.get("/api/v1/health").json()
    found = {item["name"]: item["status"] for item in report["items"]}
    away = dict.fromkeys(("cache", "worker", "gateway"), "failing")
    cannot_be_asked = dict.fromkeys(("spool", "snapshot", "prices"), "unknown")
    fine = dict.fromkeys(("database", "audit log", "disk", "breakers"), "ok")
    assert found == fine | away | cannot_be_asked
    assert report["status"] == "failing"
    assert all(item["remedy"] for item in report["items"] if item["status"] == "failing")
    assert again == report
    assert all(item["detail"] for item in report["items"])


def test_without_its_database_the_server_lives_but_is_not_ready(cluster: Cluster) -> None:
    """Cut off from PostgreSQL it stays alive, says 503 and why, and recovers by itself (K-5)."""
    with serving(cluster) as served, served.client(served.acme) as client, cluster.admin() as admin:
        assert client.get("/readyz").json() == {"status": "ready"}
        name = served.database.name
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        with ThreadPoolExecutor() as caller:  # it is told only when its deadline is over
            data = caller.submit(client.get, "/api/v1/me")
            wait_for(lambda: client.get("/readyz").status_code == 503)
            ready = client.get("/readyz")
        assert client.get("/livez").json()["status"] == "alive"
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        for answer in (ready, data.result()):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert "password" not in answer.text
        wait_for(lambda: client.get("/readyz").status_code == 200)


async def test_one_round_is_shared() -> None:
    """However many ask at once, each probe runs once in its time; then again (K-5)."""
    runs: list[int] = []

    async def check() -> Verdict:
        runs.append(1)
        await asyncio.sleep(0.01)
        return Verdict("ok", "seen")

    health = Health([Probe("one", check)], FixedClock(), shared_s=0.2)
    reports = await asyncio.gather(*(health.report() for _ in range(20)))
    assert len(runs) == 1
    assert all(report is reports[0] for report in reports)
    await asyncio.sleep(0.21)
    await health.report()
    assert len(runs) == 2


async def test_one_bad_probe_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A probe that is refused, breaks or hangs is named; the others say what they saw (K-5)."""

    async def refused() -> Verdict:
        raise Unavailable("it is away", hint="look for it")

    async def broken() -> Verdict:
        raise ValueError("secret detail")

    async def hangs() -> Verdict:
        await asyncio.sleep(60)
        return Verdict("ok", "")

    async def fine() -> Verdict:
        return Verdict("ok", "fine")

    probes = [Probe(p.__name__, p) for p in (refused, broken, hangs, fine)]
    report = await Health(probes, FixedClock(), shared_s=1).report()
    found = {item.name: item for item in report.items}
    assert report.status == "failing"
    assert isinstance(found["fine"], Finding)
    assert {name: item.status for name, item in found.items()} == {
        "refused": "failing",
        "broken": "failing",
        "hangs": "failing",
        "fine": "ok",
    }
    assert (found["refused"].detail, found["refused"].remedy) == ("it is away", "look for it")
    assert "no answer within 3 s" in found["hangs"].detail
    assert "secret detail" not in found["broken"].detail
    assert "secret detail" in caplog.text


async def test_it_says_since_when_and_how_bad() -> None:
    """A state keeps its beginning until it changes; the whole is as bad as the worst (K-5)."""
    told: tuple[Status, ...] = ("ok", "unknown", "degraded", "degraded", "failing", "ok")
    verdicts = iter(told)

    async def check() -> Verdict:
        return Verdict(next(verdicts), "seen")

    class Ticking(FixedClock):
        def now(self) -> datetime:
            return NOW + timedelta(minutes=next(minutes))

    minutes = itertools.count()
    health = Health([Probe("one", check)], Ticking(), shared_s=0)
    reports = [await health.report() for _ in range(6)]
    assert [report.status for report in reports] == [r.items[0].status for r in reports]
    since = [(report.items[0].since - NOW).total_seconds() / 60 for report in reports]
    assert since == [0, 1, 2, 2, 4, 5]
