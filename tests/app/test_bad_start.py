"""Starts that cannot be: one line that says what is wrong, one that says what to do, exit 2 (K-2).

Whatever stands in the way, what was there before is there afterwards, byte for byte. Everything
here fails before any service is started.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dd0c.base import home as homes
from dd0c.base.errors import SetupError
from dd0c.base.home import Home
from dd0c.cli import main as cli
from dd0c.kernel.auth import organisations, pepper
from dd0c.kernel.cache import embedded as cache
from dd0c.kernel.db import passwords, roles
from dd0c.kernel.db.embedded import EmbeddedPostgres
from dd0c.kernel.vault import local
from dd0c.products.route.gateway import identity
from tests.support import servers
from tests.support.disk import Disk, small_disk


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a start said."""

    status: int
    error: str
    hint: str


Start = Callable[..., Refusal]


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Start:
    """`dd0c …` in this process, with a home below `tmp_path`."""
    for name in os.environ:
        if name.startswith("DD0C_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DD0C_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DD0C_GATEWAY_PORT", "0")
    monkeypatch.setenv("DD0C_CONSOLE_PORT", "0")

    def run(*argv: str, **env: str) -> Refusal:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        status = cli.main(argv)
        error, *hint = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ")
        assert len(hint) <= 1
        return Refusal(status, error.removeprefix("error: "), "".join(hint).removeprefix("hint: "))

    return run


def everything(folder: Path) -> dict[str, bytes]:
    """All files below a folder, but locks: those belong to whoever looks."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("argv", "says", "hint"),
    [
        (["up", "--port", "1"], "No such option '--port'", "dd0c up --help"),
        (["up", "--gateway-port", "http"], "'http' is not a valid integer", "dd0c up --help"),
        (["up", "now"], "unexpected extra argument (now)", "dd0c up --help"),
        (["upp"], "No such command 'upp'", "dd0c --help"),
        (["up", "--workers", "-1"], "workers must be between 0 and 256", ""),
        (["up", "--gateway-port", "7", "--console-port", "7"], "cannot both be 7", "its own"),
    ],
)
def test_a_wrong_flag_is_named(
    start: Start, tmp_path: Path, argv: list[str], says: str, hint: str
) -> None:
    """K-2: a flag, a value or a verb that cannot be is one line, and no home is made for it."""
    refused = start(*argv)
    assert refused.status == 2
    assert says in refused.error
    assert hint in refused.hint
    assert not (tmp_path / "home").exists()


def test_an_unknown_setting_is_named(start: Start, tmp_path: Path) -> None:
    """K-2: a typing error in a variable stops the start: what was meant would not happen."""
    refused = start("up", DD0C_WORKER="4")
    assert (refused.status, "did you mean DD0C_WORKERS?" in refused.error) == (2, True)
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_written_is_named(start: Start) -> None:
    """K-2: where no home can be, the message says why and how to choose another."""
    refused = start("up", "--home", "/proc/dd0c")
    assert refused.status == 2
    assert "/proc/dd0c cannot be used: " in refused.error
    assert "--home" in refused.hint


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """8 MB."""
    with small_disk(tmp_path, 8) as one:
        yield one


def test_a_full_disk_is_told_at_the_start(start: Start, disk: Disk) -> None:
    """K-2: on a disk without room nothing is half begun; the message says what a start takes."""
    refused = start("up", "--home", str(disk.outside / "home"))
    assert (refused.status, "a start takes 128 MB" in refused.error) == (2, True)
    assert "make room" in refused.hint
    disk.fill()
    refused = start("up", "--home", str(disk.outside / "other"))
    assert (refused.status, "No space left on device" in refused.error) == (2, True)
    assert "make room" in refused.hint
    assert not (disk.outside / "home" / "postgres").exists()


def test_a_read_only_disk_is_told_at_the_start(start: Start, disk: Disk) -> None:
    """K-2: a home on a disk that takes no writes is one line."""
    refused = start("up", "--home", str(disk.read_only))
    assert refused.status == 2
    assert "cannot be used: Read-only file system" in refused.error
    assert "--home" in refused.hint


EMPTIED: dict[str, Callable[[Home], object]] = {
    "home.json": lambda place: homes.find(place.path),
    "owner.key": organisations.first_key,
    "secrets/pepper": pepper.ensure,
    "secrets/kek.key": local.ensure,
    "secrets/database.json": lambda place: passwords.get(place, roles.APP),
    "secrets/valkey.password": lambda place: cache.EmbeddedValkey(place).start(),
    "postgres/PG_VERSION": lambda place: EmbeddedPostgres(
        place, servers.open_home(place.path)[1]
    ).start(),
    "spool/gateway.id": lambda place: identity.claim(place, patience_s=0).__enter__(),
}


@pytest.mark.parametrize("name", EMPTIED)
def test_an_emptied_file_is_named_and_left(tmp_path: Path, name: str) -> None:
    """K-2: a file of 0 bytes where state should be, as after a power cut: which, and what to do.

    It is left as it is: what a backup or a person could still mend, nobody has overwritten.
    """
    place = homes.create(tmp_path / "home")
    path = place.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    path.chmod(0o600)
    before = everything(place.path)
    with pytest.raises(SetupError) as refused:
        EMPTIED[name](place)
    assert str(path) in refused.value.message
    assert refused.value.hint
    assert "\n" not in refused.value.message + refused.value.hint
    assert everything(place.path) == before
