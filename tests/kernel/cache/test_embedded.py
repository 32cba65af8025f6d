"""The embedded Valkey and its client: closed, gone with its parent, its counters kept (K-6)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dd0c.base import process
from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as clients
from dd0c.kernel.cache.embedded import SOCKET, EmbeddedValkey, read_password
from tests.support import processes, servers


@pytest.fixture
def folder() -> Iterator[Path]:
    with servers.temporary_folder() as folder:
        yield folder


@pytest.fixture
def place(folder: Path) -> Home:
    return servers.open_home(folder)[0]


@pytest.fixture
def settings(folder: Path) -> Settings:
    return servers.open_home(folder)[1]


@pytest.fixture
def server(place: Home) -> Iterator[EmbeddedValkey]:
    """A started server."""
    server = EmbeddedValkey(place)
    server.start()
    yield server
    server.stop()


def pid_of(server: EmbeddedValkey) -> int:
    assert server.child is not None
    return server.child.pid


def command(place: Home, *lines: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(place.sockets / SOCKET))
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return connection.recv(4096)


def count(place: Home) -> bytes:
    """Increment a counter and return what the server answers."""
    password = read_password(place).reveal()
    return command(place, f"AUTH {password}", "INCR counted").removeprefix(b"+OK\r\n")


def test_it_keeps_its_counters(server: EmbeddedValkey, place: Home) -> None:
    """K-6: what was counted before a stop is counted on after the next start."""
    assert count(place) == b":1\r\n"
    server.stop()
    server.start()
    assert count(place) == b":2\r\n"


def test_nobody_enters_without_the_password(server: EmbeddedValkey, place: Home) -> None:
    """K-6: no command without it, and neither arguments nor environment show it."""
    assert command(place, "PING").startswith(b"-NOAUTH")
    assert command(place, "AUTH wrong").startswith(b"-WRONGPASS")
    seen = " ".join(processes.argv(pid_of(server))) + processes.environment(pid_of(server))
    assert read_password(place).reveal() not in seen
    assert stat.S_IMODE(place.valkey.stat().st_mode) == 0o700
    assert stat.S_IMODE((place.sockets / SOCKET).stat().st_mode) == 0o700


def test_full_memory_refuses_writes(server: EmbeddedValkey, place: Home) -> None:
    """K-6: at its bound the server says so; it never forgets a counter to make room."""
    password = read_password(place).reveal()
    answer = command(place, f"AUTH {password}", "CONFIG GET maxmemory-policy")
    assert b"noeviction" in answer


def test_it_has_an_account_without_rights(server: EmbeddedValkey) -> None:
    """K-6: root's server is not root's."""
    account = process.service_account()
    uid = os.getuid() if account is None else account.uid
    assert uid != 0
    assert f"Uid:\t{uid}\t{uid}" in Path(f"/proc/{pid_of(server)}/status").read_text()


def test_kill_9_of_the_server(server: EmbeddedValkey, place: Home) -> None:
    """K-6: the next start needs nobody; counters are there, at most a second of them is lost."""
    assert count(place) == b":1\r\n"
    time.sleep(1.2)  # the promise is about what is older than a second
    servers.kill(pid_of(server))
    server.start()
    assert count(place) == b":2\r\n"


def test_kill_9_of_the_parent(folder: Path) -> None:
    """K-6: nothing is left after 5 s, and a start right away works with what was counted."""
    with servers.parent_of("valkey", folder) as (parent, pid):
        place, _ = servers.open_home(folder)
        assert count(place) == b":1\r\n"
        parent.kill()
        server = EmbeddedValkey(place)
        server.start()
        try:
            assert servers.gone([pid], within_s=0), "two servers on one file would spoil it"
            assert count(place) == b":2\r\n"
        finally:
            server.stop()


def test_a_home_that_the_account_cannot_reach(folder: Path) -> None:
    """K-6: below a closed folder of root's it works all the same, or says what to do."""
    folder.chmod(0o700)
    place, _ = servers.open_home(folder / "home")
    server = EmbeddedValkey(place)
    if not servers.reaches_closed_folders():
        with pytest.raises(SetupError, match="private mount namespace"):
            server.start()
        return
    server.start()
    try:
        assert count(place) == b":1\r\n"
        assert list((place.valkey / "appendonlydir").iterdir()) != []
    finally:
        server.stop()


async def test_the_client_answers_in_time(server: EmbeddedValkey, settings: Settings) -> None:
    """K-5: a ping goes through; a server that is stopped or gone is Unavailable within seconds."""
    client = clients.open_client(settings, 2)
    try:
        await clients.write_and_read(client)
        os.kill(pid_of(server), signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await clients.write_and_read(client)
        assert time.monotonic() - began < 4
        os.kill(pid_of(server), signal.SIGCONT)
        server.stop()
        with pytest.raises(Unavailable):
            await clients.write_and_read(client)
        server.start()
        await clients.write_and_read(client)
    finally:
        await client.aclose()


async def test_the_client_waits_for_a_free_connection(
    server: EmbeddedValkey, settings: Settings
) -> None:
    """K-5: more callers than connections wait their turn; none gets another's answer."""
    client = clients.open_client(settings, 2)
    try:
        found = await asyncio.gather(*(client.incr("turn") for _ in range(100)))
        assert sorted(found) == list(range(1, 101))
    finally:
        await client.aclose()


def test_a_wrong_address_shows_no_password(settings: Settings) -> None:
    """K-2: a DD0C_VALKEY_URL that is no address is named, without what it holds."""
    wrong = replace(settings, valkey_url=Secret("http://:hunter2@host"))
    with pytest.raises(SetupError, match="DD0C_VALKEY_URL") as error:
        clients.open_client(wrong, 1)
    assert "hunter2" not in error.value.message + error.value.hint
