"""End users who ask to be forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx

from dd0c.base import ids
from dd0c.kernel.db import roles
from dd0c.products.route.models import AttemptOpened
from tests.products.route import records
from tests.products.route.api.ledger import rated, request_id, ship, tenant_of
from tests.support.control import Served
from tests.support.told import told

NOW_US = int(datetime.now(UTC).timestamp() * 1_000_000)
MINUTE_US = 60_000_000
WHOSE = ("end_user", "idempotency_key")
CHILD = """
import asyncio, sys
from dd0c.base.clock import SystemClock
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.jobs.job import Work
from dd0c.products.route import jobs

async def main():
    pool = await open_pool(Secret(sys.stdin.readline().strip()), "dd0c_jobs", 1)
    await jobs.erase_end_users(Work(Settings(), pool, SystemClock()))
    await pool.close()

asyncio.run(main())
"""


def whose(client: httpx.Client, one: AttemptOpened) -> list[str | None]:
    """What a request says of whose it was."""
    found = client.get(f"/api/v1/route/requests/{request_id(one)}").json()
    return [found[name] for name in WHOSE]


def work_off(served: Served, crash_at: str = "") -> int:
    """How the job ends in a process that is killed at that point."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=served.database.conninfo(roles.JOBS).reveal() + "\n",
        env={**os.environ, "DD0C_CRASH_AT": crash_at},
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode


def test_an_erased_end_user_is_in_no_request_of_before(served: Served) -> None:
    """Requests no longer say whose they were, those too that a gateway brings late, while what they
    cost stays; the same name elsewhere, others, and what comes after stay. Killed between two
    batches the job goes on (K-14, proofs 2, 4)."""
    (acme, _), (globex, _) = (tenant_of(served, key) for key in (served.acme, served.globex))
    mine = {"end_user": "customer-4711", "caller_key": "order-1", "conversation": "c"}
    past = [records.opened(acme, at_us=NOW_US - MINUTE_US + n, **mine) for n in range(5)]
    other = records.opened(acme, at_us=NOW_US, end_user="customer-4712", caller_key="o")
    theirs = records.opened(globex, at_us=NOW_US - MINUTE_US, **mine)
    after = records.opened(acme, at_us=NOW_US + 60 * MINUTE_US, **mine)
    late = records.opened(acme, at_us=NOW_US - 2 * MINUTE_US, **mine)
    ship(served, [rated(one) for one in (*past, other, theirs, after)])
    with served.client(served.acme) as owner, served.client(served.globex) as stranger:
        cost = owner.get("/api/v1/route/usage").json()
        asked = owner.post("/api/v1/route/end-users/erase", json={"end_user": "customer-4711"})
        assert asked.status_code == 202, asked.text
        operator = served.key(served.acme, roles=["operator"], scopes=["api"])
        with served.client(operator) as lesser:
            body = {"end_user": "x"}
            assert lesser.post("/api/v1/route/end-users/erase", json=body).status_code == 403
        assert work_off(served, "route.erasing") == -signal.SIGKILL
        assert work_off(served) == 0
        assert owner.get("/api/v1/route/usage").json() == cost
        assert [whose(owner, one) for one in past] == [[None, None]] * 5
        assert whose(owner, other) == ["customer-4712", "o"]
        assert whose(stranger, theirs) == whose(owner, after) == ["customer-4711", "order-1"]
        ship(served, [rated(late)])
        assert whose(owner, late) == ["customer-4711", "order-1"]
        assert work_off(served) == 0
        assert whose(owner, late) == [None, None]
    with served.database.cluster.admin(served.database.name) as admin:
        (listed,) = admin.execute("SELECT e::text FROM route.erasures e").fetchall()
    assert "customer" not in str(listed)
    blanked = [each for each in told(served.database) if each.name == "EndUsersBlanked"]
    assert [each.facts for each in blanked] == [{"attempts": 5}, {"attempts": 1}]
    assert {each.org for each in blanked} == {ids.text(ids.Kind.ORGANISATION, acme)}
