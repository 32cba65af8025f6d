"""The spool's frames and files."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath.spool import SpoolWriter, decode, encode
from dd0c.products.route.models import NO_USAGE, AttemptClosed, AttemptOpened, SpoolRecord

OPENED = AttemptOpened(
    b"r" * 16, 1, b"o" * 16, b"k" * 16, 1, "chat", "openai", False, "m", "m", "p", "openai",
    None, None, "dialect", b"t" * 16, 0,
)  # fmt: skip
CLOSED = AttemptClosed(
    b"r" * 16, 1, True, 10, 5, 200, 200, "complete", "m", NO_USAGE, "none", None, None, None,
    None, None, "no_usage",
)  # fmt: skip
RECORDS = st.lists(
    st.one_of(
        st.builds(
            lambda model, raw: msgspec.structs.replace(CLOSED, served_model=model, usage_raw=raw),
            st.none() | st.text(max_size=20),
            st.none() | st.binary(max_size=50),
        ),
        st.builds(lambda n: msgspec.structs.replace(OPENED, attempt=n), st.integers(0, 2**31)),
    ),
    max_size=5,
)


@given(RECORDS)
def test_records_come_back_as_they_were(records: list[SpoolRecord]) -> None:
    """What was written is what is read (R-15)."""
    decoded = decode(b"".join(map(encode, records)))
    assert decoded.records == records
    assert decoded.error is None


@given(RECORDS, st.integers(0, 2000))
def test_a_torn_end_is_no_error(records: list[SpoolRecord], at: int) -> None:
    """A file cut anywhere gives the whole records before the cut, and waits for the rest (R-15)."""
    frames = [encode(record) for record in records]
    data = b"".join(frames)[:at]
    decoded = decode(data)
    assert decoded.error is None
    assert decoded.records == records[: len(decoded.records)]
    assert decoded.consumed == sum(map(len, frames[: len(decoded.records)]))
    assert len(data) - decoded.consumed < max(map(len, frames), default=1)


@given(RECORDS.filter(bool), st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_noticed(records: list[SpoolRecord], place: int, change: int) -> None:
    """No flipped byte is ever read as a record: it is an error or an unfinished frame (R-15)."""
    data = bytearray(b"".join(map(encode, records)))
    data[place % len(data)] ^= change
    decoded = decode(bytes(data))
    assert len(decoded.records) < len(records)
    assert decoded.records == records[: len(decoded.records)]


def test_files_are_rotated_and_named_for_their_writer(tmp_path: Path) -> None:
    """A new file is begun at the bound; together they hold every record in order (R-15)."""
    writer = SpoolWriter(tmp_path, 3, 100, rotate_bytes=400)
    for number in range(10):
        writer.write(msgspec.structs.replace(OPENED, attempt=number))
    writer.close()
    files = sorted(tmp_path.glob("3-*-*.spool"))
    assert len(files) > 2
    assert all(path.stat().st_size <= 400 for path in files)
    records = [r for path in files for r in decode(path.read_bytes()).records]
    assert [record.attempt for record in records] == list(range(10))
    assert files[0].stat().st_mode & 0o777 == 0o600


FULL_DISK = """
import sys
from pathlib import Path
from dd0c.base.errors import Unavailable
from dd0c.products.route.hotpath.spool import SpoolWriter
from tests.products.route.hotpath.test_spool import OPENED
writer = SpoolWriter(Path(sys.argv[1]), 0, 100)
written = 0
try:
    while True:
        writer.write(OPENED)
        written += 1
except Unavailable:
    print(written)
"""


def _small_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def test_a_full_disk_leaves_no_torn_record(tmp_path: Path) -> None:
    """A record that fits only in part is taken back and the caller told (R-15)."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path],
        preexec_fn=_small_disk,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=Path(__file__).parents[4],
    )
    (path,) = tmp_path.glob("*.spool")
    decoded = decode(path.read_bytes())
    assert len(decoded.records) == int(done.stdout)
    assert decoded.consumed == path.stat().st_size


@pytest.mark.parametrize("sync_ms", [0, 1])
async def test_records_are_synced(tmp_path: Path, sync_ms: int) -> None:
    """Timed or at once, syncing goes on beside writing and rotating (R-15)."""
    writer = SpoolWriter(tmp_path, 0, sync_ms, rotate_bytes=2000)
    syncing = asyncio.create_task(writer.keep_synced())
    for _ in range(50):
        writer.write(CLOSED, durable=True)
        await asyncio.sleep(0.001)
    assert syncing.done() == (sync_ms == 0)
    syncing.cancel()
    writer.close()
    assert writer.records == 50
