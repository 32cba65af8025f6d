"""The whole gateway as processes: keys end everywhere, workers are replaced, nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from dd0c.base.home import Home
from dd0c.kernel.parts.part import State
from dd0c.products.route.api import probes
from tests.products.route.gateway.conftest import PROVIDER_KEY
from tests.products.route.gateway.running import Running, ask, running_gateway, wait_for
from tests.products.route.gateway.tenant import MANY_KEYS, Tenant, as_owner
from tests.support import processes
from tests.support.database import Database

QUEUED = 200
CONNECTIONS = 24  # the kernel picks a worker for each: that one of two gets none is 1 in 8 million
REVOCATION_MAX_S = 1.0
GONE_MAX_S = 5.0
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
def gateway(database: Database, place: Home, registered: None, tmp_path: Path) -> Iterator[Running]:
    """A gateway with two workers."""
    with running_gateway(database, place, tmp_path / "log") as gateway:
        gateway.wait_ready()
        yield gateway


@contextmanager
def connections(gateway: Running, count: int = CONNECTIONS) -> Iterator[list[HTTPConnection]]:
    """Connections that stay open, spread over the workers."""
    with ExitStack() as stack:
        opened = [gateway.connect() for _ in range(count)]
        for connection in opened:
            stack.callback(connection.close)
        yield opened


def all_answer(opened: list[HTTPConnection], key: str, status: int) -> bool:
    """Whether every connection gets the status for the key."""
    return all(ask(connection, key) == status for connection in opened)


def ask_slowly(connection: HTTPConnection, key: str) -> None:
    """Begin a request that takes longer than any test."""
    body = json.dumps({"model": "gpt-5-mini", "messages": MESSAGES})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    headers["x-sim-fault"] = "latency=60000"
    connection.request("POST", "/v1/chat/completions", body, headers)


def test_a_revoked_key_ends_on_every_worker_within_a_second(
    gateway: Running, database: Database, acme: Tenant, runner: asyncio.Runner
) -> None:
    """Among 100,000 keys as among a few, counted in refused requests on each worker (K-20)."""
    with connections(gateway) as opened:
        for many in (0, 100_000):
            as_owner(database, MANY_KEYS, many, acme.org)
            made = runner.run(acme.create())
            key = made.text.reveal()
            wait_for(partial(all_answer, opened, key, 200), 15)
            runner.run(acme.revoke(made.key))
            began = time.monotonic()
            wait_for(partial(all_answer, opened, key, 401), 15)
            assert time.monotonic() - began < REVOCATION_MAX_S
        wait_for(lambda: gateway.metric("dd0c_route_keys") == 100_000, 15)


def test_a_killed_worker_is_replaced_and_loses_no_queued_connection(
    gateway: Running, acme: Tenant, runner: asyncio.Runner
) -> None:
    """200 connections that wait in dead workers' sockets are served by others (R-15, K-6)."""
    key = runner.run(acme.create()).text.reveal()
    with connections(gateway, 1) as (probe,):
        wait_for(lambda: ask(probe, key) == 200, 15)
    before = gateway.workers()
    for pid in before:
        os.kill(pid, signal.SIGSTOP)  # from now on connections queue
    with connections(gateway, QUEUED) as queued:
        for connection in queued:
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert [connection.getresponse().status for connection in queued] == [200] * QUEUED
    gateway.wait_ready()
    assert not set(before) & set(gateway.workers())
    assert gateway.metric("dd0c_route_worker_restarts_total") == 2


def test_a_worker_that_keeps_crashing_is_named(gateway: Running) -> None:
    """Health, and with it `dd0c doctor`, says which worker dies, how often and of what (K-6)."""
    for _ in range(3):
        gateway.wait_ready()
        os.kill(gateway.workers()[1], signal.SIGKILL)
        wait_for(lambda: not gateway.readiness()["ready"], 15)
    gateway.wait_ready()
    facts = gateway.readiness()
    assert facts["workers"][0]["crash_loop"] is None
    verdict = probes.judge_gateway(probes.Gateway("h/1", State.ALIVE, facts))
    assert verdict.status == "degraded"
    assert "worker 1 crashes: 3 deaths in " in verdict.detail
    assert "the last by signal 9" in verdict.detail


def test_a_silent_worker_is_not_waited_for(gateway: Running) -> None:
    """Ready means that every slot has a worker that serves (K-5)."""
    victim = gateway.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: not gateway.readiness()["ready"], 15)
    gateway.wait_ready()


def test_workers_do_not_outlive_a_killed_parent_and_the_next_start_works(
    gateway: Running, database: Database, tmp_path: Path, acme: Tenant, runner: asyncio.Runner
) -> None:
    """kill -9 of the parent amid a request: nothing is left after 5 s, nobody cleans up (K-6)."""
    key = runner.run(acme.create()).text.reveal()
    workers, facts = gateway.workers(), gateway.facts
    port = facts["gateway_url"].rpartition(":")[2]
    with connections(gateway, 1) as (connection,):
        wait_for(lambda: ask(connection, key) == 200, 15)
        ask_slowly(connection, key)
        wait_for(lambda: gateway.metric("dd0c_route_requests_open") == 1, 15)
        gateway.process.kill()
        gateway.process.wait()
        wait_for(lambda: not any(processes.lives(pid) for pid in workers), GONE_MAX_S)
    log = tmp_path / "next"
    with running_gateway(database, gateway.home, log, DD0C_GATEWAY_PORT=port) as following:
        wait_for(lambda: following.facts["pid"] == following.process.pid, 10)
        following.wait_ready()
        assert following.facts["gateway_id"] == facts["gateway_id"]


def test_the_next_gateway_waits_for_the_last_worker_of_a_killed_one(
    gateway: Running, database: Database, tmp_path: Path
) -> None:
    """It begins when nobody writes any more to the spool that it finds (R-15)."""
    last = gateway.workers()[0]
    os.kill(last, signal.SIGSTOP)  # slow to end
    gateway.process.kill()
    gateway.process.wait()
    with running_gateway(database, gateway.home, tmp_path / "next") as following:
        time.sleep(3)  # it starts in one
        assert gateway.facts["pid"] == gateway.process.pid
        os.kill(last, signal.SIGCONT)
        wait_for(lambda: following.facts["pid"] == following.process.pid, 10)
        assert not processes.lives(last)


def test_a_stop_ends_everything_in_order(gateway: Running) -> None:
    """SIGTERM drains, ends with 0 and leaves neither a process nor a stale address (K-6)."""
    workers = gateway.workers()
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(10) == 0
    assert not any(processes.lives(pid) for pid in workers)
    assert not (gateway.home.run / "gateway.json").exists()


def test_a_second_signal_cuts(gateway: Running, acme: Tenant, runner: asyncio.Runner) -> None:
    """A request that would take longer than anybody waits ends at the second signal (K-6)."""
    key = runner.run(acme.create()).text.reveal()
    with connections(gateway, 1) as (connection,):
        wait_for(lambda: ask(connection, key) == 200, 15)
        ask_slowly(connection, key)
        wait_for(lambda: gateway.metric("dd0c_route_requests_open") == 1, 15)
        gateway.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            gateway.process.wait(1)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(4) == 0


def test_without_postgresql_known_keys_work_and_unknown_ones_get_503(
    gateway: Running, database: Database, acme: Tenant, runner: asyncio.Runner
) -> None:
    """Serving goes on; one line tells that it went, one that it is back (R-32)."""
    key = runner.run(acme.create()).text.reveal()
    with connections(gateway) as opened:
        wait_for(partial(all_answer, opened, key, 200), 15)
        with database.cluster.admin() as admin:
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (database.name,),
            )
            wait_for(partial(all_answer, opened, key + "x", 503), 15)
            assert all_answer(opened, key, 200)
            time.sleep(1.0)  # several attempts to reconnect
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())
        wait_for(partial(all_answer, opened, key + "x", 401), 10)
    lines = gateway.log.read_text().splitlines()
    began, went, came = [line for line in lines if "PostgreSQL" in line]
    others = [line for line in lines if "PostgreSQL" not in line]
    rest = [line for line in others if "news of panics" not in line]  # which is told by itself
    assert len(rest) in (0, 2), rest  # the shipper's own two, where it had rows in hand
    assert all("the ledger takes" in line for line in rest)
    assert "following PostgreSQL" in began
    assert "PostgreSQL is away" in went
    assert "following PostgreSQL" in came


def test_without_a_first_snapshot_nothing_is_ready(
    database: Database, place: Home, registered: None, tmp_path: Path
) -> None:
    """A gateway that never saw PostgreSQL does not pretend, and begins when it comes (K-5)."""
    with database.cluster.admin() as admin:
        admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
        with running_gateway(database, place, tmp_path / "log") as gateway:
            wait_for((place.run / "gateway.json").exists, 10)
            time.sleep(1.5)
            assert not gateway.readiness()["ready"]
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())
            gateway.wait_ready()


def test_a_model_that_the_table_lacks_is_priced_from_the_second_request(
    gateway: Running, acme: Tenant, runner: asyncio.Runner
) -> None:
    """A worker asks for a price it lacks, and every worker has it soon after (R-12)."""
    key = runner.run(acme.create()).text.reveal()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = json.dumps({"model": "gpt-5-nano-of-ours", "messages": MESSAGES})

    def cost(connection: HTTPConnection) -> str | None:
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        return answer.headers["x-dd0c-cost-usd"]

    with connections(gateway) as opened:
        wait_for(lambda: ask(opened[0], key) == 200, 15)
        assert cost(opened[0]) is None
        wait_for(lambda: all(cost(connection) is not None for connection in opened), 15)


def test_a_full_spool_refuses_requests_until_it_is_shipped(
    database: Database,
    place: Home,
    registered: None,
    acme: Tenant,
    runner: asyncio.Runner,
    tmp_path: Path,
) -> None:
    """What cannot be booked is not served, and serving goes on by itself after it was (R-15)."""
    key = runner.run(acme.create()).text.reveal()
    body = json.dumps({"model": "gpt-5-mini", "messages": MESSAGES})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def status(connection: HTTPConnection) -> int:
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    with running_gateway(database, place, tmp_path / "log", DD0C_SPOOL_BYTES_MAX="1000") as gateway:
        gateway.wait_ready()
        with connections(gateway) as opened, database.cluster.admin() as admin:
            assert {status(connection) for connection in opened[:2]} == {200}
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false".encode())
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (database.name,),
            )
            wait_for(lambda: all(status(connection) == 503 for connection in opened), 10)
            admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true".encode())
            wait_for(lambda: all(status(connection) == 200 for connection in opened), 20)


def test_secrets_are_in_no_command_line_environment_or_log(
    database: Database, place: Home, registered: None, tmp_path: Path
) -> None:
    """Workers get secrets by the socketpair only, whatever the environment holds (K-32)."""
    canary = "sk-canary-of-the-environment-987654"
    pepper = (place.secrets / "pepper").read_text().strip()
    kek = (place.secrets / "kek.key").read_text().strip()
    with running_gateway(
        database, place, tmp_path / "log", OPENAI_API_KEY=canary, SOME_TOKEN=canary
    ) as gateway:
        gateway.wait_ready()
        assert canary in processes.environment(gateway.process.pid)  # the test can see it
        shown = "".join(
            " ".join(processes.argv(pid)) + processes.environment(pid) for pid in gateway.workers()
        )
        assert "gateway_worker" in shown
        parent = " ".join(processes.argv(gateway.process.pid))
        written = (tmp_path / "log").read_text() + json.dumps(gateway.readiness())
    url = database.settings.database_url.reveal()
    for secret in (canary, PROVIDER_KEY, pepper, kek, url, "not-a-secret"):
        assert secret not in shown + parent + written
