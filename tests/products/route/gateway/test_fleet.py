"""The fleet with real workers and with children that are none."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from dd0c.base import process
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.gateway.fleet import Fleet, Hear, Spawn
from dd0c.products.route.gateway.handover import FORMAT, Handover
from dd0c.products.route.gateway.listeners import open_listeners
from dd0c.products.route.gateway.member import Member, Process
from dd0c.products.route.hotpath import limits
from dd0c.products.route.hotpath.frames import Frames
from dd0c.products.route.hotpath.snapshot import PROTOCOL, Drain, FromWorker, Stale

DEADLINE_S = 20.0
PATIENT = 0.1  # of a second between checks: a worker is silent after 1.5 s, it reports each second


def child(command: Sequence[str]) -> Spawn:
    """Starts the command; `{slot}` and `{control}` in it are filled in."""

    def spawn(slot: int, control: int, listening: Sequence[int]) -> subprocess.Popen[bytes]:
        found = [part.format(slot=slot, control=control) for part in command]
        if "--control-fd" in command:
            found += [f"--listen-fd={listener}" for listener in listening]
        return process.spawn(
            found,
            death_signal=signal.SIGTERM,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            pass_fds=(control, *listening),
        )

    return spawn


def worker(spool: Path) -> Spawn:
    """Starts real workers."""
    bounds = msgspec.json.encode(limits.of(Settings())).decode()
    command = [sys.executable, "-m", "dd0c.app.gateway_worker", "--slot", "{slot}"]
    command += ["--control-fd", "{control}"]
    escaped = bounds.replace("{", "{{").replace("}", "}}")
    return child([*command, "--spool", str(spool), "--limits", escaped])


@asynccontextmanager
async def running(
    spawn: Spawn,
    slots: int = 1,
    *,
    doors: Sequence[socket.socket] = (),
    before: Handover | None = None,
    hear: Hear = lambda worker, message: None,
) -> AsyncIterator[Fleet]:
    """A fleet for the block; its workers have an empty snapshot."""
    configuration = Configuration(Secret("00" * 32))
    configuration.loaded = True
    doors = doors or open_listeners("127.0.0.1", 0, slots)
    fleet = Fleet(
        doors,
        spawn,
        configuration.greeting,
        hear,
        count=slots,
        before=before,
        check_every_s=PATIENT,
    )
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


async def test_a_crash_loop_is_named_and_new_connections_avoid_it(tmp_path: Path) -> None:
    """Callers are served by the workers that live, while one slot cannot keep any (K-6)."""
    good, bad = worker(tmp_path), child([sys.executable, "-c", "raise SystemExit(3)"])

    def spawn(slot: int, control: int, listening: Sequence[int]) -> Process:
        return (bad if slot == 1 else good)(slot, control, listening)

    async with running(spawn, slots=3) as fleet:
        await until(lambda: fleet.slots[0].ready and fleet.slots[2].ready and fleet.crash_loops())
        (how,) = fleet.crash_loops().values()
        assert set(fleet.crash_loops()) == {1}
        assert "3 deaths in " in how
        assert how.endswith("the last by exit status 3")
        port = fleet.slots[0].listeners[0].getsockname()[1]
        answers = await asyncio.wait_for(asyncio.gather(*map(alive, [port] * 40)), DEADLINE_S)
        assert set(answers) == {b"HTTP/1.1 200 OK"}


async def test_fewer_workers_serve_all_sockets(tmp_path: Path) -> None:
    """A socket that has lost its worker keeps its queue, and gets no new connections (K-7)."""
    doors = open_listeners("127.0.0.1", 0, 3)
    port = doors[0].getsockname()[1]
    queued = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
    before = Handover(FORMAT, "", 1, "127.0.0.1", port, 0, 0, (), b"", 0)
    async with running(worker(tmp_path), slots=1, doors=doors, before=before) as fleet:
        await until(lambda: fleet.ready)
        answers = await asyncio.gather(*(ask_alive(*one) for one in queued))
        assert set(answers) == {b"HTTP/1.1 200 OK"}
        slot = fleet.slots[0]
        assert slot.pid is not None
        os.kill(slot.pid, signal.SIGSTOP)
        later = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        waiting = [await asyncio.to_thread(queue_length, door) for door in doors]
        assert waiting == [40, 0, 0]
        for _, writer in later:
            writer.close()


async def test_a_worker_of_another_version_is_only_told_to_drain() -> None:
    """What it would misread it does not get; what it says is not read, its end is seen (K-7)."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(DEADLINE_S)
    sleeper = process.spawn(["sleep", "60"], death_signal=signal.SIGKILL, env=os.environ)
    heard: list[FromWorker] = []
    member = Member(sleeper, lambda _, message: heard.append(message), protocol=PROTOCOL + 1)
    await member.join(ours)
    member.tell(Stale(stale=True))
    member.tell(Drain(5, handed_over=True))
    theirs.sendall(b"\x00\x00\x00\x01\xff")
    frames = Frames()
    (told,) = frames.feed(await asyncio.to_thread(theirs.recv, 4096))
    assert msgspec.msgpack.decode(told) == {"type": "drain", "seconds": 5.0, "handed_over": True}
    theirs.close()
    sleeper.kill()
    assert await member.until_gone(PATIENT) == -signal.SIGKILL
    assert heard == []


def test_a_worker_refuses_a_parent_of_another_version(tmp_path: Path) -> None:
    """After an upgrade on disk an old parent's new worker says what to do, and ends (K-7)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [
                *[sys.executable, "-m", "dd0c.app.gateway_worker", "--slot", "0"],
                *["--spool", str(tmp_path), "--limits", "{}", "--protocol", str(PROTOCOL + 1)],
                *["--control-fd", str(theirs.fileno()), "--listen-fd", str(theirs.fileno())],
            ],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert done.returncode == 3
    assert "of another version than its gateway" in done.stderr
    assert "dd0c reload" in done.stderr


async def alive(port: int) -> bytes:
    """The status line of `/livez` over a connection of its own."""
    return await ask_alive(*await asyncio.open_connection("127.0.0.1", port))


async def ask_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The status line of `/livez` over this connection."""
    writer.write(b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    line = await asyncio.wait_for(reader.readline(), DEADLINE_S)
    writer.close()
    return line.rstrip()


def queue_length(door: socket.socket) -> int:
    """How many connections wait in a listening socket (tcpi_unacked of linux/tcp.h)."""
    info = door.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(info[24:28], sys.byteorder)
