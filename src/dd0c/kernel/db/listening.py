"""One connection that listens, apart from pools: for those that follow what changes.

A server that hangs answers nothing, not even a cancel: the deadline of a statement therefore shuts
the socket down, after which the statement fails like any other on a lost connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeAlias

import psycopg
from psycopg import AsyncConnection

from dd0c.base.secrets import Secret

Connection: TypeAlias = AsyncConnection[Any]


@contextlib.asynccontextmanager
async def connected(conninfo: Secret) -> AsyncIterator[Connection]:
    """A connection in autocommit, for the block."""
    connection = await AsyncConnection.connect(conninfo.reveal(), autocommit=True)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Shut the connection's socket down after `seconds`, so that what waits on it fails."""

    def cut() -> None:
        with contextlib.suppress(OSError, psycopg.Error):
            wire = socket.socket(fileno=os.dup(connection.fileno()))
            with wire:
                wire.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_later(seconds, cut)
    try:
        yield
    finally:
        timer.cancel()
