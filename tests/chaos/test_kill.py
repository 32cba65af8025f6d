"""kill -9 of each part under traffic: it comes back, and the ledger is complete (K-6, R-15)."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.traffic import Traffic, check_complete
from tests.support import processes
from tests.support.product import Product, kill_at, running, start, until

pytestmark = pytest.mark.chaos

PARTS = (
    "gateway_worker-0",
    "gateway_worker-1",
    "gateway",
    "control",
    "worker",
    "sim",
    "valkey",
    "postgres",
)


@pytest.fixture(scope="module")
def victim() -> Iterator[Product]:
    """A dd0c that only this module ill-treats."""
    with running() as one:
        yield one


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_and_no_row_is_lost(victim: Product, part: str) -> None:
    """K-6, R-15: after a kill -9 the part runs again, traffic goes on, the ledger is complete."""
    _, key = victim.new_org()
    with Traffic(victim, key) as traffic:
        traffic.goes_on()
        before = victim.parts()
        os.kill(before[part], signal.SIGKILL)
        until(lambda: _is_back(victim, part, before), f"{part} is back")
        until(victim.is_ready, "gateway and console are ready")
        traffic.goes_on()
    check_complete(victim, key, traffic.answered)
    assert {"postgres", "valkey", "sim", "gateway", "control", "worker"} <= victim.parts().keys()


def _is_back(product: Product, part: str, before: dict[str, int]) -> bool:
    """Whether a new process stands for the killed one, and as many parts run as before."""
    now = product.parts()
    return before[part] not in now.values() and len(now) == len(before)


def test_a_killed_supervisor_leaves_nothing_behind(victim: Product) -> None:
    """K-6: 5 s after a kill -9 of the supervisor nothing of it runs; the next start just works."""
    _, key = victim.new_org()
    with Traffic(victim, key) as traffic:
        traffic.goes_on()
        everything = processes.descendants(victim.process.pid)
        assert len(everything) >= len(PARTS)
        victim.process.kill()
        victim.process.wait()
        until(
            lambda: not any(processes.lives(pid) for pid in everything),
            "nothing is left",
            within_s=5.0,
        )
    victim.restart()
    check_complete(victim, key, traffic.answered)


def test_a_start_right_after_the_kill_works(victim: Product) -> None:
    """K-6, K-7: whoever starts again at once, while the killed one's children still end, succeeds;
    even if it was killed in the middle of a reload, with two control servers on one socket."""
    _, key = victim.new_org()
    with Traffic(victim, key) as traffic:
        traffic.goes_on()
        victim.process.send_signal(signal.SIGHUP)
        until(lambda: _controls(victim) == 2, "a second control server starts")
        victim.process.kill()
        victim.process.wait()
    victim.restart()
    with Traffic(victim, key) as later:
        later.goes_on()
    check_complete(victim, key, traffic.answered + later.answered)


def test_a_supervisor_killed_while_it_starts_leaves_no_trouble(unborn: Path) -> None:
    """K-6: kill -9 in each step of a first start: each next start gets further, the last one up."""
    for step in ("starting PostgreSQL", "preparing", "starting gateway"):
        kill_at(unborn, step)
    later = start(unborn)
    try:
        assert later.chat().status_code == 200
    finally:
        assert later.stop() == 0


@pytest.fixture
def unborn() -> Iterator[Path]:
    """A home that is not there yet, in a folder that the database's account may pass."""
    with tempfile.TemporaryDirectory(prefix="dd0c-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)
        yield Path(folder) / "home"


def test_postgres_standing_still_harms_no_known_key(victim: Product) -> None:
    """R-32: while PostgreSQL hangs for 4 s known keys go on working; the rows arrive afterwards."""
    _, key = victim.new_org()
    with Traffic(victim, key) as traffic:
        traffic.goes_on()
        postmaster = victim.parts()["postgres"]
        frozen = [postmaster, *processes.descendants(postmaster)]
        failed = traffic.failed
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            while time.monotonic() - begun < 4.0:
                traffic.goes_on(within_s=10.0)
        finally:
            for pid in reversed(frozen):
                os.kill(pid, signal.SIGCONT)
        assert traffic.failed == failed
    check_complete(victim, key, traffic.answered)


def _controls(victim: Product) -> int:
    return sum("control" in processes.argv(pid) for pid in processes.children(victim.process.pid))
