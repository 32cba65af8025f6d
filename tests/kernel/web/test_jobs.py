"""Runs of background jobs over HTTP: who may see them, what may be done to one, what is told."""

from __future__ import annotations

import asyncio
import re

import pytest

from dd0c.base import ids
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.jobs import queue, runs
from dd0c.kernel.web.console import jobs
from tests.cli import terminal
from tests.support.control import Served

JOB, ERROR = "test.fails", "ValueError: no such month"


@pytest.fixture
def dead(served: Served) -> str:
    """The id of a run that gave up."""

    async def give_up() -> str:
        conninfo = served.database.conninfo(roles.JOBS)
        app, pool = queue.open_queue(conninfo, 1), await open_pool(conninfo, roles.JOBS, 1)
        async with app.open_async(), pool, runs.queue(pool) as tx:
            await queue.defer(app, JOB)
            (run,) = [run for run in await runs.list_runs(tx, 100) if run.job == JOB]
            await tx.execute("UPDATE procrastinate_jobs SET status = 'failed', attempts = 3")
            await runs.note_failure(tx, run.id.int, ERROR)
        return run.text

    return asyncio.run(give_up())


def test_a_dead_run_is_seen_retried_and_taken_away(served: Served, dead: str) -> None:
    """Whoever runs the installation finds it with its error, and puts it back once; owners of
    organisations are refused (K-80)."""
    with served.client(served.acme) as client:
        assert client.get("/api/v1/jobs").status_code == 403
        assert client.post(f"/api/v1/jobs/{dead}/retry").status_code == 403
    with served.client(served.platform) as client:
        found = client.get("/api/v1/jobs", params={"state": "dead"}).json()
        assert [(run["id"], run["error"]) for run in found["items"]] == [(dead, ERROR)]
        assert found["counts"]["dead"] == 1
        env = {"DD0C_URL": served.url, "DD0C_KEY": served.platform}
        assert ERROR in terminal.call("job", "list", "--state", "dead", env=env).stdout
        assert client.post(f"/api/v1/jobs/{dead}/retry").json()["state"] == "queued"
        assert client.post(f"/api/v1/jobs/{dead}/retry").status_code == 409
        assert client.post(f"/api/v1/jobs/{dead}/cancel").json()["id"] == dead
        assert client.post(f"/api/v1/jobs/{dead}/cancel").status_code == 404
        nobodys = ids.text(ids.Kind.JOB, ids.new())
        assert client.post(f"/api/v1/jobs/{nobodys}/retry").status_code == 404
    with served.database.cluster.admin(served.database.name) as admin:
        told = admin.execute(
            "SELECT name, org FROM kernel.audit_outbox WHERE subject = %s ORDER BY id", (dead,)
        ).fetchall()
    assert told == [("JobRetried", None), ("JobRemoved", None)]


def test_the_page_says_what_gave_up_and_tries_it_again(served: Served, dead: str) -> None:
    """The page leads with what needs somebody, and its button needs no script (K-80)."""
    with served.client() as client:
        client.headers["origin"] = served.url
        client.post("/console/sign-in", data={"key": served.platform})
        text = client.get("/console/jobs").text
        assert "1 job gave up" in text
        assert ERROR in text
        csrf = re.findall(r'name="csrf" value="([0-9a-f]+)"', text)[0]
        refused = client.post(f"/console/jobs/{dead}/retry", data={"csrf": "0"})
        assert refused.status_code == 403
        for verb, status in (("retry", 303), ("retry", 409), ("cancel", 303), ("cancel", 404)):
            answer = client.post(f"/console/jobs/{dead}/{verb}", data={"csrf": csrf})
            assert answer.status_code == status, verb
        assert client.get("/console/jobs.json").json()["counts"]["dead"] == 0


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/10 * * * *", "every 10 min"),
        ("7 * * * *", "hourly at :07"),
        ("17 3 * * *", "daily at 03:17 UTC"),
        ("* * * * * */5", "every 5 s"),
        ("* * * * * *", "every second"),
        ("0 6 * * 1", "0 6 * * 1"),
    ],
)
def test_a_schedule_is_said_in_words(cron: str, words: str) -> None:
    """Nobody has to read five fields to know when a job runs (K-80)."""
    assert jobs.in_words(cron) == words
