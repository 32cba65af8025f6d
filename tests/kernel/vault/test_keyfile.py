"""Secret files: whole, private, made once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.vault import keyfile


def test_a_file_is_made_once_and_kept(tmp_path: Path) -> None:
    """The first start makes the secret, each later one reads it (K-30)."""
    path = tmp_path / "secrets" / "pepper"
    first = keyfile.ensure(path, lambda: Secret("one"))
    second = keyfile.ensure(path, lambda: Secret("two"))
    assert (first.reveal(), second.reveal(), path.read_text()) == ("one", "one", "one\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file with any bit for group or others stops the start and says so (K-30)."""
    path = tmp_path / "kek.key"
    keyfile.ensure(path, lambda: Secret("x"))
    path.chmod(mode)
    with pytest.raises(SetupError, match="can be used by others") as refused:
        keyfile.read(path)
    assert "chmod 600" in refused.value.hint
    path.chmod(0o400)
    assert keyfile.read(path).reveal() == "x"


def test_what_is_no_secret_file_is_refused(tmp_path: Path) -> None:
    """Missing files, links, folders, long or binary content: one line each, never the content."""
    target = tmp_path / "target"
    keyfile.ensure(target, lambda: Secret("x"))
    link, folder, long, binary = (tmp_path / name for name in ("link", "folder", "long", "binary"))
    link.symlink_to(target)
    folder.mkdir()
    for path, content in ((long, b"a" * 5000), (binary, b"\xff\xfe")):
        path.write_bytes(content)
        path.chmod(0o600)
    for path in (tmp_path / "none", link, folder, long, binary):
        with pytest.raises(SetupError) as refused:
            keyfile.read(path)
        assert "aaaa" not in refused.value.message


def test_two_starts_at_once_read_the_same_secret(tmp_path: Path) -> None:
    """Of many processes that start together one makes the secret and all read that one."""
    path, barrier = tmp_path / "pepper", threading.Barrier(8)
    seen: list[str] = []

    def start() -> None:
        barrier.wait()
        seen.append(keyfile.ensure(path, lambda: Secret(os.urandom(8).hex())).reveal())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert set(seen) == {path.read_text().strip()}
