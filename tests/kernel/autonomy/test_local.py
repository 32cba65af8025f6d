"""The local file: written as a whole, read in any state, and never misread as an all-clear."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dd0c.kernel.autonomy import local
from dd0c.kernel.autonomy.local import FILE, Said
from dd0c.kernel.autonomy.states import Panic


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """K-63: on and off are said in so many words, in a file for its owner only."""
    assert local.read(tmp_path) is None
    for panic in (Panic.PASSTHROUGH, Panic.HALT, None):
        said = Said(panic, "odd – answers\n", "2026-01-02T03:04:05+00:00")
        local.write(tmp_path, said)
        assert local.read(tmp_path) == said
        assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"halt", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 60_000),
        *(b'{"mode": "of', b'{"mode": "stop"}', b'{"mode": 1}', b'{"mode": ["off"]}'),
        b'{"reason": "x"}',
    ],
)
def test_a_file_that_cannot_be_understood_halts(tmp_path: Path, content: bytes) -> None:
    """K-63: somebody in a hurry wrote it by hand, or the disk fails: the strictest is meant."""
    (tmp_path / FILE).write_bytes(content)
    said = local.read(tmp_path)
    assert said is not None
    assert (said.panic, said.reason) == (Panic.HALT, local.UNREADABLE)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """K-63: a link that somebody planted says nothing else than that a file is there."""
    (tmp_path / "elsewhere").write_text('{"mode": "off"}')
    os.symlink(tmp_path / "elsewhere", tmp_path / FILE)
    said = local.read(tmp_path)
    assert said is not None
    assert said.panic is Panic.HALT
