"""Fixtures of the whole suite: a real PostgreSQL, pools as the runtime roles, two tenants.

A test that is an `async def` runs on the loop of the fixture `runner`; a fixture that needs the
loop asks for `runner` and calls `runner.run(...)`.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass

import hypothesis
import pytest
import uvloop

from dd0c.base import ids
from dd0c.kernel.db import pool as pools
from dd0c.kernel.db import roles, tenancy
from tests.support import missing, outcome
from tests.support.database import Cluster, Database, running_cluster
from tests.support.product import product

__all__ = ["product"]

POOL_SIZE = 4
TEST_WITHIN_S = 110


@dataclass(frozen=True, slots=True)
class TwoOrgs:
    """Two organisations that must never see each other."""

    acme: uuid.UUID
    globex: uuid.UUID


def pytest_configure(config: pytest.Config) -> None:
    """Run in the background, a shell has it ignore Ctrl-C, and so would all that tests start.
    How long an example takes depends on what else the machine does."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(outcome.Recorder())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile("dd0c", deadline=None)
    hypothesis.settings.load_profile("dd0c")


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Give each asynchronous test the loop that it runs on."""
    if name.startswith("test_") and inspect.iscoroutinefunction(obj):
        pytest.mark.usefixtures("runner")(obj)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an asynchronous test on its fixtures' loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    runner = pyfuncitem.funcargs["runner"]
    assert isinstance(runner, asyncio.Runner)
    runner.run(_bounded(pyfuncitem.obj(**arguments)))
    return True


async def _bounded(test: Coroutine[object, object, None]) -> None:
    """The timeout plugin's alarm does not get through uvloop: this one does, and just before it."""
    async with asyncio.timeout(TEST_WITHIN_S):
        await test


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line says what this machine could not run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    reasons = [r.longrepr[2] for r in skipped if isinstance(r.longrepr, tuple)]
    hows = [r.partition(missing.MARK)[2] for r in reasons if missing.MARK in r]
    if hows:
        reporter.write_line(f"{missing.MARK}{len(hows)} ({'; '.join(sorted(set(hows)))})")


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of one test."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The PostgreSQL server of this test process."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A database of this test's own."""
    with cluster.clone() as database:
        yield database


@pytest.fixture
def pool_as(database: Database, runner: asyncio.Runner) -> Iterator[Callable[[str], pools.Pool]]:
    """Opens pools on the test's database: `pool_as(roles.GATEWAY)`."""
    opened: list[pools.Pool] = []

    def open_one(role: str, size: int = POOL_SIZE) -> pools.Pool:
        opened.append(runner.run(pools.open_pool(database.conninfo(role), role, size)))
        return opened[-1]

    yield open_one
    for pool in opened:
        runner.run(pool.close())


@pytest.fixture
def app_pool(pool_as: Callable[[str], pools.Pool]) -> pools.Pool:
    """A pool as the control server's role."""
    return pool_as(roles.APP)


@pytest.fixture
def two_orgs(app_pool: pools.Pool, runner: asyncio.Runner) -> TwoOrgs:
    """Two organisations in the test's database."""
    found = TwoOrgs(ids.new(), ids.new())

    async def create() -> None:
        for org, name in ((found.acme, "acme"), (found.globex, "globex")):
            async with tenancy.tenant(app_pool, org) as tx:
                await tx.execute(
                    "INSERT INTO kernel.organisations (id, name) VALUES (%s, %s)", (org, name)
                )

    runner.run(create())
    return found
