"""`dd0c backup` of a running dd0c and `dd0c restore`: nothing is lost, other keys are refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from dd0c.base import home, settings
from dd0c.base.secrets import Secret
from dd0c.kernel.db import address, roles
from dd0c.kernel.vault import passphrase
from tests.support.product import Product, running, until

pytestmark = pytest.mark.e2e
PHRASE = "correct horse battery staple"
FUTURE = "9000000000000"


@dataclass(frozen=True)
class Backup:
    """A backup with keys, of a product with a request before and one after it."""

    file: Path
    phrase: Path
    before: str
    after: str

    def restore(self, place: Path, *argv: str) -> subprocess.CompletedProcess[str]:
        """`dd0c restore` into that home."""
        return subprocess.run(
            [sys.executable, "-m", "dd0c.cli.main", "restore", str(self.file), *argv],
            env={"PATH": os.environ["PATH"], "HOME": str(place), "DD0C_HOME": str(place)},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a short path that as root the database's account may pass through."""
    with tempfile.TemporaryDirectory(prefix="dd0c-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def backup(product: Product, folder: Path) -> Backup:
    """Made while it runs; one row says that a transaction of a far future changed it, as rows do
    that come from a cluster with many more transactions."""
    before = product.chat().headers["x-dd0c-request-id"]
    until(lambda: product.api("GET", f"/route/requests/{before}").status_code == 200, "booked")
    with admin(product.home) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"UPDATE kernel.api_keys SET changed_xid = '{FUTURE}'".encode())
    phrase = folder / "phrase"
    phrase.write_text(PHRASE)
    phrase.chmod(0o600)
    file = folder / "backup"
    done = product.cli("backup", str(file), "--with-keys", "--passphrase-file", str(phrase))
    assert done.returncode == 0, done.stderr
    with admin(product.home) as connection:
        connection.execute("UPDATE kernel.api_keys SET name = name")  # its trigger mends it
    return Backup(file, phrase, before, product.chat().headers["x-dd0c-request-id"])


def admin(place: Path) -> psycopg.Connection[tuple[object, ...]]:
    """The superuser of that home's database, which runs."""
    found = settings.load({"home": str(place)}, {})
    conninfo = address.conninfo(found, roles.ADMIN).reveal()
    return psycopg.connect(conninfo, autocommit=True)


def test_a_restored_installation_lacks_nothing(
    product: Product, backup: Backup, folder: Path
) -> None:
    """K-33: into an empty home, by file and passphrase: requests, keys, providers and their secrets
    are as they were, what came later is not there, nothing claims to be from the future, and a
    second restore on top of it is refused."""
    place = folder / "home"
    done = backup.restore(place, "--passphrase-file", str(backup.phrase), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"] > 0
    assert told["secrets"] >= 2
    again = backup.restore(place, "--passphrase-file", str(backup.phrase))
    assert (again.returncode, "is not empty" in again.stderr) == (2, True)
    with running(place) as restored:
        mine = product.get_json(f"/route/requests/{backup.before}")
        assert restored.get_json(f"/route/requests/{backup.before}", key=product.owner_key) == mine
        assert restored.owner_key == product.owner_key
        assert restored.chat(key=product.owner_key).status_code == 200
        assert restored.api("GET", f"/route/requests/{backup.after}").status_code == 404
        with admin(place) as connection:
            row = connection.execute(
                "SELECT bool_and(changed_xid < pg_current_xact_id()) FROM kernel.api_keys"
            ).fetchone()
        assert row == (True,)


def test_keys_that_do_not_fit_are_one_refusal(backup: Backup, folder: Path) -> None:
    """K-33: without key material, with that of another installation, or with a wrong passphrase,
    the refusal says what is wrong, and nothing is made."""
    refused = []
    for name in ("none", "other", "wrong"):
        place = folder / name
        argv: tuple[str, ...] = ()
        if name == "other":
            found = home.create(place)
            for file in ("pepper", "kek.key"):
                path = found.secrets / file
                path.write_text(os.urandom(32).hex())
                path.chmod(0o600)
        if name == "wrong":
            wrong = folder / "wrong-phrase"
            wrong.write_text("correct horse battery stable")
            wrong.chmod(0o600)
            argv = ("--passphrase-file", str(wrong))
        done = backup.restore(place, *argv)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 2
        assert not (place / "postgres").exists()
        refused.append(done.stderr)
    assert "lacks pepper and kek.key" in refused[0]
    assert "the key pepper and the key-encryption key of this home are not those" in refused[1]
    assert "do not open with this passphrase" in refused[2]


def test_a_damaged_file_is_refused(backup: Backup, folder: Path) -> None:
    """K-33: cut off, changed inside, or no backup at all: one line before anything is made."""
    whole = backup.file.read_bytes()
    with zipfile.ZipFile(backup.file) as inside:
        at = inside.getinfo("database.dump").header_offset + 2000
    damages = {
        "cut": whole[: len(whole) // 2],
        "changed": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
        "other": b"not ours at all",
    }
    for name, content in damages.items():
        file = folder / f"{name}.zip"
        file.write_bytes(content)
        done = Backup(file, backup.phrase, "", "").restore(folder / f"of-{name}")
        assert (done.returncode, "damaged" in done.stderr) == (2, True), done.stderr
        assert not (folder / f"of-{name}").exists()


def test_a_file_without_keys_holds_no_secret(product: Product, folder: Path) -> None:
    """K-33: without --with-keys neither pepper nor key-encryption key is in the file, for its owner
    only; with it they are readable by nobody without the passphrase. An existing file is kept."""
    file = folder / "without"
    assert product.cli("backup", str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert product.cli("backup", str(file)).returncode == 2
    with zipfile.ZipFile(file) as inside:
        assert "keys.sealed" not in inside.namelist()
        content = b"".join(inside.read(name) for name in inside.namelist())
    for name in ("pepper", "kek.key"):
        for line in (product.home / "secrets" / name).read_bytes().split():
            assert line not in content
            assert line not in passphrase.seal(Secret(PHRASE), line)


def test_keys_rotate_under_traffic(product: Product) -> None:
    """K-31: both rotations of a running dd0c while it is called: every call is answered, and new
    keys seal what is there."""
    for argv in (("vault", "rotate"), ("vault", "rotate", "--kek")):
        before = json.loads(product.cli("vault", "status", "--json").stdout)
        with subprocess.Popen(
            [sys.executable, "-m", "dd0c.cli.main", *argv],
            env=os.environ | {"DD0C_HOME": str(product.home)},
        ) as rotating:
            answered = [product.chat().status_code]
            while rotating.poll() is None:
                answered.append(product.chat().status_code)
        answered.append(product.chat().status_code)
        assert rotating.returncode == 0
        assert set(answered) == {200}
        after = json.loads(product.cli("vault", "status", "--json").stdout)
        assert not after["unfinished"]
        assert (
            after["organisations" if len(argv) == 2 else "keys"]
            != (before["organisations" if len(argv) == 2 else "keys"])
        )


@pytest.fixture(autouse=True)
def _nothing_left(folder: Path) -> Iterator[None]:
    """Homes are large: each test's goes with it."""
    yield
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
