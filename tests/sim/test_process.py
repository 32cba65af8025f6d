"""The simulator as a process: how it starts, what it takes over, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence

import pytest

from dd0c.base.errors import SetupError
from dd0c.base.process import LIFELINE_FD
from dd0c.sim import server
from tests.support.simulator import running_simulator

START = "from dd0c.sim import server; raise SystemExit(server.main('127.0.0.1', 0{more}))"
MEMORY_BYTES_MAX = 80 * 1024 * 1024


def started(
    more: str = "", env: dict[str, str] | None = None, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[str]:
    """A simulator that has said where it listens."""
    command = [sys.executable, "-c", START.format(more=more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, pass_fds=pass_fds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the simulator at once, even amid a stream, with status 0."""
    with started() as child:
        assert child.stdout is not None
        port = int(child.stdout.readline().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            body = b'{"model":"m","stream":true,"messages":[{"role":"user"}]}'
            head = b"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer k\r\n"
            head += b"X-Sim-Fault: stall_after=1\r\nContent-Length: %d\r\n\r\n" % len(body)
            sock.sendall(head + body)
            assert sock.recv(15) == b"HTTP/1.1 200 OK"
            child.send_signal(number)
            assert child.wait(1) == 0


def test_it_ends_with_its_supervisor() -> None:
    """When the lifeline's other end closes, the simulator is gone within a second."""
    ours, theirs = os.pipe()[::-1]
    environment = os.environ | {LIFELINE_FD: str(theirs)}
    with started(env=environment, pass_fds=[theirs]) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.poll() is None
        os.close(ours)
        assert child.wait(1) == 0
    os.close(theirs)


def test_it_takes_an_inherited_socket() -> None:
    """With listen_fd the socket of the parent is served, and its address told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        number = listener.fileno()
        with started(f", listen_fd={number}", pass_fds=[number]) as child:
            assert child.stdout is not None
            assert child.stdout.readline().strip().endswith(f":{port}")
            child.terminate()


def test_a_taken_port_is_a_setup_error() -> None:
    """A port that is taken is said in words, before anything is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"cannot listen on 127.0.0.1:{port}"):
            server.main("127.0.0.1", port)


def test_standing_faults_hold_for_all_who_ask_for_none() -> None:
    """Faults given at the start apply to every request without a header of its own."""
    with running_simulator("latency=100") as sim:
        waits = []
        for fault in ("", "latency=1"):
            request = urllib.request.Request(f"{sim.url}/v1/models")
            request.add_header("Authorization", "Bearer k")
            if fault:
                request.add_header("x-sim-fault", fault)
            begun = time.monotonic()
            with urllib.request.urlopen(request, timeout=5):
                waits.append(time.monotonic() - begun)
    assert waits[1] < 0.1 <= waits[0]


def test_memory_stays_bounded() -> None:
    """After bodies of 140 MB in all, the process is as small as a tokenizer allows."""
    with running_simulator() as sim:
        body = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"x":"%d%b"}'
        for number in range(500):
            size = 60_000 if number % 2 else 500_000  # held, and too large to be held
            request = urllib.request.Request(
                f"{sim.url}/v1/chat/completions", body % (number, b"x" * size)
            )
            request.add_header("Authorization", "Bearer k")
            with urllib.request.urlopen(request, timeout=5) as answer:
                answer.read()
        with open(f"/proc/{sim.pid}/statm") as statm:
            resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident < MEMORY_BYTES_MAX
