"""Where blobs lie: the few things that a place must be able to do.

A blob is written once, chunk after chunk, and read by chunk. Places know nothing of what they hold:
chunks come sealed, and blobs are named by an id whose time is when they were begun.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

Write = Callable[[bytes], Awaitable[None]]
"""Adds the next chunk to a blob."""


class Place(Protocol):
    """One place; Unavailable from any call where it does not answer."""

    @property
    def name(self) -> str:
        """What contents that lie here say."""
        ...

    def writing(self, org: uuid.UUID, blob: uuid.UUID) -> AbstractAsyncContextManager[Write]:
        """For the chunks of a new blob, in order: durable at the end of the block, and nothing is
        there where it fails."""
        ...

    async def read(self, org: uuid.UUID, blob: uuid.UUID, number: int) -> bytes | None:
        """A sealed chunk; None: there is none."""
        ...

    async def delete(self, org: uuid.UUID, blob: uuid.UUID) -> None:
        """Take a blob away, also what of it was written by who died; again is harmless."""
        ...


class Listed(Place, Protocol):
    """A place of its own, beside the database: what nobody claims must be looked for."""

    def list_blobs(self) -> AsyncIterator[uuid.UUID]:
        """All blobs, those that are being written included."""
        ...

    async def delete_orphan(self, blob: uuid.UUID) -> None:
        """Take away a blob whose organisation nobody knows any more."""
        ...
