"""Logs of children stay bounded (K-6)."""

from __future__ import annotations

from pathlib import Path

from dd0c.base import logs


def test_a_large_log_is_set_aside_while_it_is_written(tmp_path: Path) -> None:
    """Logs stay bounded, also of a child that runs for months: the large part moves to `.1`."""
    path = tmp_path / "gateway.log"
    with logs.append_to(path) as log:
        log.write(b"x" * logs.BYTES_MAX)
        logs.bound(path)
        assert path.stat().st_size == logs.BYTES_MAX
        log.write(b"y")
        logs.bound(path)
        log.write(b"later\n")
    assert path.read_text() == "later\n"
    assert path.with_name("gateway.log.1").stat().st_size == logs.BYTES_MAX + 1


def test_a_log_that_cannot_be_set_aside_stays(tmp_path: Path) -> None:
    """A full disk, or whatever else stands in the way, costs no line and no supervisor."""
    path = tmp_path / "gateway.log"
    path.write_bytes(b"x" * (logs.BYTES_MAX + 1))
    (tmp_path / "gateway.log.1").mkdir()
    logs.bound(path)
    assert path.stat().st_size == logs.BYTES_MAX + 1


def test_a_log_that_is_not_there_is_no_cause(tmp_path: Path) -> None:
    """Whoever asks why something ended gets an answer, not another error."""
    assert logs.last_cause(tmp_path / "none", 0) == (
        "its log cannot be read: No such file or directory",
        "",
    )
