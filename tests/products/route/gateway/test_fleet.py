"""The fleet with real workers and with children that are none."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from dd0c.base import process
from dd0c.base.settings import Settings
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.fleet import Fleet, Spawn
from dd0c.products.route.gateway.listeners import open_listeners
from dd0c.products.route.hotpath import limits

DEADLINE_S = 20.0
PATIENT = 0.1  # of a second between checks: a worker is silent after 1.5 s, it reports each second


def child(command: Sequence[str]) -> Spawn:
    """Starts the command; `{control}` and `{listener}` in it become a worker's descriptors."""

    def spawn(slot: int, control: int, listening: Sequence[int]) -> subprocess.Popen[bytes]:
        (listener,) = listening
        return process.spawn(
            [part.format(slot=slot, control=control, listener=listener) for part in command],
            death_signal=signal.SIGTERM,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            pass_fds=(control, listener),
        )

    return spawn


def worker(spool: Path) -> Spawn:
    """Starts real workers."""
    bounds = msgspec.json.encode(limits.of(Settings())).decode()
    command = [sys.executable, "-m", "dd0c.app.gateway_worker", "--slot", "{slot}"]
    command += ["--control-fd", "{control}", "--listen-fd", "{listener}"]
    escaped = bounds.replace("{", "{{").replace("}", "}}")
    return child([*command, "--spool", str(spool), "--limits", escaped])


@asynccontextmanager
async def running(spawn: Spawn, slots: int = 1) -> AsyncIterator[Fleet]:
    """A fleet for the block; its workers have an empty snapshot."""
    configuration = Configuration(bytes(32))
    configuration.loaded = True
    doors = open_listeners("127.0.0.1", 0, slots)
    fleet = Fleet(doors, spawn, configuration.greeting, lambda _: None, check_every_s=PATIENT)
    task = asyncio.create_task(fleet.run())
    try:
        yield fleet
    finally:
        fleet.kill()
        await asyncio.wait_for(task, DEADLINE_S)
    assert fleet.living() == set()


def was_replaced(fleet: Fleet) -> bool:
    """Whether a worker was."""
    return fleet.restarts > 0


async def until(condition: Callable[[], object], within_s: float = DEADLINE_S) -> None:
    """Wait for the condition, not for ever."""
    async with asyncio.timeout(within_s):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    """A worker that says nothing any more holds its share of the connections no longer (K-5)."""
    async with running(worker(tmp_path), slots=2) as fleet:
        await until(lambda: fleet.ready)
        stuck, other = (slot.pid for slot in fleet.slots if slot.pid)
        os.kill(stuck, signal.SIGSTOP)
        await until(lambda: fleet.ready and stuck not in fleet.living())
        assert other in fleet.living()
        assert fleet.restarts == 1


async def test_counters_do_not_fall_when_a_worker_is_replaced(tmp_path: Path) -> None:
    """A sum over workers counts the dead ones too, so a rate is never negative (K-5)."""
    name = 'dd0c_route_requests_total{endpoint="none",status="200"}'
    async with running(worker(tmp_path)) as fleet:
        await until(lambda: fleet.ready)
        port = fleet.slots[0].listeners[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
        writer.close()
        await until(lambda: fleet.counters().get(name) == 1)
        (pid,) = fleet.living()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: fleet.ready and fleet.restarts == 1)
        assert fleet.counters()[name] == 1


async def test_a_worker_that_cannot_start_is_tried_ever_more_rarely() -> None:
    """A broken worker costs neither the processor nor the parent (K-6)."""
    async with running(child([sys.executable, "-c", "raise SystemExit(3)"])) as fleet:
        await until(lambda: fleet.restarts >= 3)
        await asyncio.sleep(1)
        assert fleet.restarts <= 6
        assert not fleet.ready


async def test_a_program_that_is_not_there_does_not_end_the_parent() -> None:
    """A failed start is retried like a death (K-6)."""
    async with running(child(["/nonexistent/python"])) as fleet:
        await until(lambda: fleet.restarts >= 2)


async def test_a_worker_that_talks_nonsense_is_replaced() -> None:
    """No bytes on the control socket harm the parent, however many it announces (K-6)."""
    for nonsense in (b"\x00\x00\x00\x01\xff", b"\xff\xff\xff\xff"):
        code = f"import os, time; os.write({{control}}, {nonsense!r}); time.sleep(60)"
        async with running(child([sys.executable, "-c", code])) as fleet:
            await until(partial(was_replaced, fleet), within_s=4)  # sooner than for its silence
