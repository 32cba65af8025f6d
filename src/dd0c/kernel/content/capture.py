"""Content without secrets: what `capture` stores of a stream (K-40, K-85)."""

from __future__ import annotations

import codecs
import io
from collections.abc import AsyncIterator

from dd0c.base import redact


async def scrubbed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes with a mark in place of every secret, wherever pieces were cut.

    Held back is a line, and of what has no end of line so much that no secret is longer
    (`redact.Masked`). Bytes that are no text pass as they are.
    """
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    passed = io.StringIO()
    masked = redact.Masked(passed)

    def take() -> bytes:
        found = passed.getvalue()
        passed.seek(0)
        passed.truncate()
        return found.encode("utf-8", "surrogateescape")

    async for piece in pieces:
        masked.write(text.decode(piece))
        yield take()
    masked.write(text.decode(b"", final=True))
    masked.finish()
    yield take()
