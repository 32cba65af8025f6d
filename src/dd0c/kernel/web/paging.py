"""Cursors of paged lists: opaque to the caller, bound to who asked and for what.

A cursor is the id of the last row shown, with a keyed hash over it and its context (organisation,
list, filters). It cannot be made up, moved to another tenant or reused under other filters.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid

from dd0c.base.errors import InvalidInput

TAG_BYTES = 17  # with the id 33 bytes: base64 without padding, so each cursor has one spelling
LIMIT_DEFAULT = 50
LIMIT_MAX = 500


class Cursors:
    """Writes and reads cursors. `context` is every value that the list depends on, in order."""

    def __init__(self, key: bytes):
        self._key = key

    def write(self, last: uuid.UUID, *context: object) -> str:
        """The cursor for the page after `last`."""
        return base64.urlsafe_b64encode(last.bytes + self._tag(last.bytes, context)).decode()

    def read(self, cursor: str, *context: object) -> uuid.UUID:
        """The id inside; InvalidInput when the cursor was not written for this context."""
        try:
            content = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            content = b""
        last, tag = content[:16], content[16:]
        if len(last) != 16 or not hmac.compare_digest(tag, self._tag(last, context)):
            raise InvalidInput(
                "cursor: not one that this list gave out",
                hint="take `next_cursor` unchanged, with the same filters; leave it out to start",
            )
        return uuid.UUID(bytes=last)

    def _tag(self, last: bytes, context: tuple[object, ...]) -> bytes:
        message = last + repr(tuple(map(str, context))).encode("utf-8", "backslashreplace")
        return hashlib.blake2b(message, key=self._key, digest_size=TAG_BYTES).digest()
