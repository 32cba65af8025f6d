"""A worker is killed while it sends: nothing is lost, and the log says what is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from dd0c.kernel.db import roles
from dd0c.kernel.hooks import deliveries, dispatcher
from tests.kernel.hooks.receiver import receiving
from tests.kernel.hooks.worker import add, happen, told, working
from tests.support.control import Served, serving
from tests.support.database import Cluster

EXPECTED = {"hooks.claimed": 1, "hooks.sent": 2}
"""How often the receiver hears of it, by where the first worker is killed."""


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """An installation that lets webhooks go to this machine."""
    with serving(cluster, outbound_allow="127.0.0.0/8") as served:
        yield served


def test_every_point_is_tried() -> None:
    """A point in the code that no drill hits fails here (proofs 4)."""
    assert set(EXPECTED) == set(dispatcher.POINTS)


@pytest.mark.parametrize("point", EXPECTED)
def test_a_killed_worker_loses_nothing(served: Served, acme: httpx.Client, point: str) -> None:
    """Killed after it took a delivery, and after it was sent: another sends it, under the same id,
    when the claim is over, and the try that was cut stands there without an outcome (K-71)."""
    with receiving() as receiver, working(served) as worker:
        endpoint = add(acme, receiver.url, events=["TeamCreated"])
        happen(acme, f"killed at {point}")
        worker.chain()
        command = [sys.executable, "-m", "tests.kernel.hooks.sender_child"]
        child = subprocess.Popen(
            [*command, str(served.settings.home)],
            stdin=subprocess.PIPE,
            env=os.environ | {"DD0C_CRASH_AT": point, "PYTHONPATH": "src:."},
        )
        child.communicate(served.database.conninfo(roles.JOBS).reveal().encode(), timeout=60)
        assert child.returncode == -signal.SIGKILL
        worker.work()
        assert len(receiver.got) == EXPECTED[point] - 1, "somebody has it, for all we know"
        worker.later(seconds=deliveries.CLAIMED_FOR.total_seconds() + 1)
        worker.work()
        assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
        assert len(receiver.got) == EXPECTED[point]
        (delivery,) = told(acme, endpoint)
        detail = acme.get(f"/api/v1/hooks/deliveries/{delivery['id']}").json()
        assert (detail["state"], detail["tries"]) == ("delivered", 2)
        assert [attempt["status"] for attempt in detail["attempts"]] == [204, None]
        assert detail["attempts"][1]["took_ms"] is None
    acme.delete(f"/api/v1/hooks/endpoints/{endpoint['id']}")
