"""Readiness, told as systemd wants it and heard by our own supervisor (K-7)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dd0c.base import notify


@pytest.fixture
def listener() -> Iterator[notify.Listener]:
    with closing(notify.Listener()) as one:
        yield one


def tell(address: str) -> int:
    """Another process says that it is ready; its number."""
    with subprocess.Popen(
        [sys.executable, "-c", "from dd0c.base import notify; notify.ready()"],
        env=os.environ | {notify.NOTIFY_SOCKET: address},
    ) as child:
        assert child.wait(10) == 0
    return child.pid


def test_a_ready_child_is_heard_once(listener: notify.Listener) -> None:
    """K-7: it is known which process is ready, and an old word is not taken for a new one."""
    first, second = tell(listener.address), tell(listener.address)
    assert listener.is_ready(second)
    assert listener.is_ready(first)
    assert not listener.is_ready(first)
    assert not listener.is_ready(os.getpid())


def test_noise_is_nobody(listener: notify.Listener) -> None:
    """Anybody on the machine may send to that socket: nothing follows from it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        for text in (b"", b"READY=1", b"READY=1\nMAINPID=x", b"\xff", b"MAINPID=7"):
            out.sendto(text, "\0" + listener.address[1:])
    assert not listener.is_ready(7)


def test_a_unit_of_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The datagrams of sd_notify(3), to a socket with a path; without one nothing happens."""
    notify.ready()
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv(notify.NOTIFY_SOCKET, path)
        notify.ready()
        notify.reloading()
        notify.stopping()
        assert manager.recv(4096) == f"READY=1\nMAINPID={os.getpid()}".encode()
        assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(4096) == b"STOPPING=1"
    notify.stopping()  # nobody listens any more
