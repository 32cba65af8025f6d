"""Long texts in a body: as they are, or packed, so that much more fits into the bound of a body."""

from __future__ import annotations

import base64
import zlib

from dd0c.base.errors import InvalidInput, TooLarge


def unpack(field: str, given: str, *, packed: bool, bytes_max: int) -> str:
    """The text of a field; `packed`: it is base64 of its UTF-8, packed with zlib. InvalidInput, and
    TooLarge beyond the bound, which nothing is unpacked beyond."""
    try:
        data = _inflate(given, bytes_max + 1) if packed else given.encode()
        text = data.decode()
    except (ValueError, zlib.error) as error:
        what = "packed text" if packed else "text"
        raise InvalidInput(f"body.{field}: is not {what}: {error}") from None
    if len(data) > bytes_max:
        raise TooLarge(f"body.{field}: has more than {bytes_max:,} bytes")
    return text


def _inflate(given: str, bytes_max: int) -> bytes:
    unpacking = zlib.decompressobj()
    data = unpacking.decompress(base64.b64decode(given), bytes_max)
    if not unpacking.eof and len(data) < bytes_max:
        raise ValueError("its end is missing")
    return data
