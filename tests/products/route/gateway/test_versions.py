"""Records, handovers and programs of different versions side by side (K-7)."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import msgspec
import pytest

from dd0c.base.errors import SetupError
from dd0c.products.route.gateway import handover
from dd0c.products.route.gateway.handover import FORMAT, Handover
from dd0c.products.route.hotpath import spool
from dd0c.products.route.models import AttemptOpened
from dd0c.products.route.shipper.folder import Folder
from tests.products.route.hotpath.test_spool import CLOSED, OPENED
from tests.products.route.ledger import spools


def frame(payload: bytes) -> bytes:
    """A frame with another payload than this version's."""
    length, checksum = len(payload).to_bytes(3, "big"), zlib.crc32(payload).to_bytes(4, "big")
    return bytes([spool.MAGIC]) + length + checksum + payload


def test_a_newer_record_with_more_fields_is_read() -> None:
    """Fields are only ever appended: an older shipper reads what it knows (K-7, R-15)."""
    longer = [*msgspec.msgpack.decode(msgspec.msgpack.encode(OPENED)), "a field of tomorrow", 7]
    decoded = spool.decode(frame(msgspec.msgpack.encode(longer)))
    assert (decoded.records, decoded.error) == ([OPENED], None)


def test_an_older_record_with_fewer_fields_is_read() -> None:
    """What an older gateway left in its spool is shipped by a newer one (K-7, R-15)."""
    fields = len(AttemptOpened.__struct_fields__) - len(AttemptOpened.__struct_defaults__)
    shorter = msgspec.msgpack.decode(msgspec.msgpack.encode(OPENED))[: 1 + fields]
    decoded = spool.decode(frame(msgspec.msgpack.encode(shorter)))
    assert (decoded.records, decoded.error) == ([OPENED], None)


def test_a_record_of_an_unknown_kind_is_kept(tmp_path: Path) -> None:
    """It stops nothing, is named, and its bytes wait for a version that knows it (K-7, R-15)."""
    unknown = frame(msgspec.msgpack.encode([99, "of tomorrow"]))
    path = spools.write(tmp_path, [OPENED])
    with path.open("ab") as file:
        file.write(unknown + spool.encode(CLOSED))
    folder = Folder(tmp_path)
    batch = folder.collect(frozenset)
    assert [(pair.opened, pair.closed) for pair in batch.pairs] == [(OPENED, CLOSED)]
    (kept,) = batch.rejected
    assert "not of this version" in kept.reason
    folder.settle(batch)
    assert (tmp_path / f"{path.stem}.bad").read_bytes() == unknown


@pytest.mark.parametrize("changes", [{"format": FORMAT + 1}, {"lock": "a text"}])
def test_a_handover_of_another_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    """The check says so, and to restart, before anything is given up (K-7)."""
    left = msgspec.to_builtins(
        Handover(FORMAT, "0", 1, "h", 1, 3, 4, (5,), b"p", 0), builtin_types=(bytes,)
    )
    descriptor = os.memfd_create("a handover")
    try:
        os.write(descriptor, msgspec.msgpack.encode(left | changes))
        monkeypatch.setenv(handover.VARIABLE, str(descriptor))
        with pytest.raises(SetupError, match="cannot hand over") as caught:
            handover.find()
    finally:
        os.close(descriptor)
    assert "start it again" in caught.value.hint
