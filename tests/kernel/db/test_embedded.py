"""The embedded PostgreSQL: closed, gone with its parent, back after any kill (K-1, K-6)."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from dd0c.base import process
from dd0c.base.errors import SetupError
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, roles
from dd0c.kernel.db.embedded import EmbeddedPostgres
from tests.support import processes, servers


@pytest.fixture
def folder() -> Iterator[Path]:
    with servers.temporary_folder() as folder:
        yield folder


def conninfo(settings: Settings) -> str:
    return address.conninfo(settings, roles.ADMIN, database="postgres").reveal()


def ask(settings: Settings, query: str) -> object:
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def pid_of(server: EmbeddedPostgres) -> int:
    assert server.child is not None
    return server.child.pid


def test_it_starts_stops_and_keeps_what_it_has(folder: Path) -> None:
    """K-6: what was committed is there after a stop; the second start takes less than 3 s (K-1)."""
    place, settings = servers.open_home(folder, memory_mb=1024)
    server = EmbeddedPostgres(place, settings)
    server.start()
    try:
        with psycopg.connect(conninfo(settings)) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        assert ask(settings, "SHOW shared_buffers") == "128MB"
        pids = servers.family(pid_of(server))
        assert len(pids) > 3
    finally:
        server.stop()
    assert servers.gone(pids, within_s=0)
    began = time.monotonic()
    server.start()
    took = time.monotonic() - began
    try:
        assert ask(settings, "SELECT count(*) FROM kept") == 0
    finally:
        server.stop()
    assert took < 3


def test_nobody_enters_without_a_password(folder: Path) -> None:
    """K-6: no account is trusted, and neither arguments nor environment hold what opens it."""
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings, durable=False)
    os.environ["DD0C_CANARY"] = "canary-of-the-environment"
    try:
        server.start()
        with pytest.raises(psycopg.OperationalError, match="no password"):
            psycopg.connect(f"host={place.sockets} user={roles.ADMIN} dbname=postgres")
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(conninfo(settings), password="wrong")
        password = psycopg.conninfo.conninfo_to_dict(conninfo(settings))["password"]
        for pid in servers.family(pid_of(server)):
            seen = " ".join(processes.argv(pid)) + processes.environment(pid)
            assert str(password) not in seen
            assert "canary-of-the-environment" not in seen
        assert ask(settings, "SHOW listen_addresses") == ""
    finally:
        del os.environ["DD0C_CANARY"]
        server.stop()


def test_what_it_makes_is_closed(folder: Path) -> None:
    """K-6: data, sockets and secrets are for their owner only; nothing outside the home changes."""
    before = stat.S_IMODE(folder.parent.stat().st_mode)
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings, durable=False)
    server.start()
    try:
        account = process.service_account()
        uid = os.getuid() if account is None else account.uid
        for path in (place.postgres, place.sockets):
            assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (uid, 0o700)
        for path in (place.secrets, place.log, place.run):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE((place.secrets / "database.json").stat().st_mode) == 0o600
        assert not (place.sockets / "password").exists()
        assert stat.S_IMODE(folder.parent.stat().st_mode) == before
    finally:
        server.stop()


def test_it_has_an_account_without_rights(folder: Path) -> None:
    """K-6: root's server belongs to an account that is not root; anybody else's is their own."""
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings, durable=False)
    server.start()
    try:
        status = Path(f"/proc/{pid_of(server)}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        account = process.service_account()
        uid = os.getuid() if account is None else account.uid
        assert uid != 0
        assert set(fields["Uid"].split()) == {str(uid)}
        assert int(fields["CapEff"], 16) == 0
        if account is not None:
            assert set(fields["Gid"].split()) == {str(account.gid)}
            assert fields["Groups"].split() == []
    finally:
        server.stop()


def test_a_home_that_the_account_cannot_reach(folder: Path) -> None:
    """K-6: below a closed folder of root's it works all the same, and no mode is changed there.

    Where the system refuses a private mount namespace the message says what to do instead.
    """
    folder.chmod(0o700)
    place, settings = servers.open_home(folder / "home")
    server = EmbeddedPostgres(place, settings, durable=False)
    if not servers.reaches_closed_folders():
        with pytest.raises(SetupError, match="private mount namespace") as error:
            server.start()
        assert "DD0C_HOME" in error.value.hint
        return
    server.start()
    try:
        assert ask(settings, "SELECT 1") == 1
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        mounts = Path("/proc/self/mounts").read_text()
        assert str(place.sockets) not in mounts, "the mounts are the child's alone"
    finally:
        server.stop()
    server.start()
    server.stop()


def test_a_home_with_a_long_path(folder: Path) -> None:
    """K-6: where a socket's path would not fit, the sockets lie in a short folder below /tmp."""
    place, settings = servers.open_home(folder / ("long" * 25))
    assert place.sockets.parent == Path("/tmp")
    server = EmbeddedPostgres(place, settings, durable=False)
    server.start()
    try:
        assert ask(settings, "SELECT 1") == 1
        assert stat.S_IMODE(place.sockets.stat().st_mode) == 0o700
    finally:
        server.stop()


def test_a_short_folder_of_somebody_else_is_refused(folder: Path) -> None:
    """K-6: a folder below /tmp that others may enter, made before us, is not trusted."""
    place, settings = servers.open_home(folder / ("long" * 25))
    place.sockets.mkdir(mode=0o755)
    (place.sockets / "bait").touch()
    try:
        with pytest.raises(SetupError, match="open to others"):
            EmbeddedPostgres(place, settings, durable=False).start()
    finally:
        (place.sockets / "bait").unlink()
        place.sockets.rmdir()


def test_kill_9_of_the_postmaster(folder: Path) -> None:
    """K-6: its processes are gone within 5 s, the next start needs nobody, what it had is there."""
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings)
    server.start()
    with psycopg.connect(conninfo(settings)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) n")
    with closing(psycopg.connect(conninfo(settings))) as idle:
        idle.execute("SELECT 1")
        pids = servers.family(pid_of(server))
        servers.kill(pid_of(server))
        server.start()
    try:
        assert ask(settings, "SELECT count(*) FROM kept") == 1000
        assert servers.gone(pids)
    finally:
        server.stop()


def test_kill_9_of_a_backend_that_is_busy(folder: Path) -> None:
    """K-6: a postmaster killed while a statement runs: the next start waits for it, not for us."""
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings)
    server.start()
    with closing(psycopg.connect(conninfo(settings))) as busy:
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 5000000)")
        busy.pgconn.flush()
        servers.kill(pid_of(server))
        server.start()
    try:
        assert ask(settings, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_number_that_another_process_has_now(folder: Path) -> None:
    """K-6: the process id of a killed server, since given to another process, stops no start."""
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings)
    server.start()
    file = place.postgres / "postmaster.pid"
    content = file.read_text()
    server.stop()
    other = process.spawn(
        ["/bin/sleep", "60"],
        death_signal=signal.SIGKILL,
        env={},
        account=process.service_account(),
    )
    try:
        file.write_text(content.replace(content.split("\n", 1)[0], str(other.pid), 1))
        file.chmod(0o600)
        os.chown(file, place.postgres.stat().st_uid, -1)
        server.start()
        assert ask(settings, "SELECT 1") == 1
    finally:
        process.stop(other, ask=signal.SIGKILL, within_s=5)
        server.stop()


def test_kill_9_of_the_parent(folder: Path) -> None:
    """K-6: nothing is left of the server after 5 s, and the next start works."""
    with servers.parent_of("postgres", folder) as (parent, pid):
        pids = servers.family(pid)
        assert len(pids) > 3
        parent.kill()
        assert servers.gone(pids)
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings)
    server.start()
    server.stop()


def test_a_start_right_after_kill_9_of_the_parent(folder: Path) -> None:
    """K-6: a start that comes while the old server still goes down waits, and then works."""
    with servers.parent_of("postgres", folder) as (parent, _):
        parent.kill()
        place, settings = servers.open_home(folder)
        server = EmbeddedPostgres(place, settings)
        server.start()
        try:
            assert ask(settings, "SELECT 1") == 1
        finally:
            server.stop()


def test_a_creation_that_was_killed_is_done_again(folder: Path) -> None:
    """K-6: what a killed first start left is removed; a cluster is whole or not there."""
    place, settings = servers.open_home(folder)
    half = place.path / "postgres.new"
    half.mkdir(mode=0o700)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(place, settings, durable=False)
    server.start()
    try:
        assert ask(settings, "SELECT 1") == 1
        assert not half.exists()
    finally:
        server.stop()


def test_the_data_of_another_version_is_refused(folder: Path) -> None:
    """K-2: data of another major version stops the start with both versions in the message."""
    place, settings = servers.open_home(folder)
    place.postgres.mkdir(mode=0o700)
    (place.postgres / "PG_VERSION").write_text("19\n")
    with pytest.raises(SetupError, match="PostgreSQL 19, here is 18"):
        EmbeddedPostgres(place, settings).start()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    """K-6: the message is PostgreSQL's own reason, not that it was not ready in time."""
    place, settings = servers.open_home(folder)
    server = EmbeddedPostgres(place, settings, durable=False)
    server.start()
    server.stop()
    with (place.postgres / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(SetupError, match="contains errors"):
        server.start()
