"""A bundle: what an auditor needs to check events without us, in a zip that is made as it is sent.

A selection has with each entry its path to the signed root; a whole log needs none.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC
from importlib import resources
from typing import TYPE_CHECKING

from dd0c.kernel.audit import canonical
from dd0c.kernel.web.audit import rows
from dd0c.kernel.web.audit.rows import Page, Selection

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

VERIFIER = "verify.py"
README = """\
Events of the audit log {origin}
as it was signed at {size:,} entries, {at:%Y-%m-%d %H:%M:%S} UTC.

Check it, with nothing but Python 3.10 or newer:

    python3 -I verify.py .

Better take verify.py from elsewhere than from here, and give it what you kept: the public key
(--key) and an earlier checkpoint (--checkpoint FILE). Its first lines say what each file is.
"""


class _Sink(io.RawIOBase):
    """What was written and not yet sent: zipfile needs no more of a file than this."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: ReadableBuffer) -> int:
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def verifier() -> str:
    """The program that checks a bundle."""
    return resources.files("dd0c.kernel.audit").joinpath("standalone.py").read_text()


async def pieces(selected: Selection) -> AsyncIterator[bytes]:
    """The zip, piece by piece; the same selection is the same zip."""
    sink, head = _Sink(), selected.head
    at = head.signed.signed_at.astimezone(UTC)

    def named(name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        return info

    with zipfile.ZipFile(sink, "w") as archive:
        readme = README.format(origin=head.origin, size=head.signed.size, at=at)
        archive.writestr(named("README.txt"), readme)
        archive.writestr(named(VERIFIER), verifier())
        archive.writestr(named("checkpoint.txt"), head.signed.note)
        archive.writestr(named("key.txt"), f"{head.key}\n")
        for name, write in _files(selected):
            with archive.open(named(name), "w", force_zip64=True) as file:
                async for page in rows.pages(selected, proven=write is _proofs):
                    file.writelines(line + b"\n" for line in write(page))
                    yield sink.take()
    yield sink.take()


def _files(selected: Selection) -> Iterator[tuple[str, Callable[[Page], Iterator[bytes]]]]:
    yield "entries.jsonl", _entries
    if not selected.is_whole:
        yield "proofs.jsonl", _proofs
    if selected.disclose:
        yield "disclosed.jsonl", _disclosed


def _entries(page: Page) -> Iterator[bytes]:
    for entry in page.entries:
        yield entry.bytes


def _proofs(page: Page) -> Iterator[bytes]:
    for sequence, path in page.paths.items():
        yield canonical.encode({"path": [each.hex() for each in path], "sequence": sequence})


def _disclosed(page: Page) -> Iterator[bytes]:
    for sequence, one in page.disclosed.items():
        yield canonical.encode({"private": one.private, "salt": one.salt, "sequence": sequence})
