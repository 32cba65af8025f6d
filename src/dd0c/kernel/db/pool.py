"""Pools of connections that speak as one role.

Connections are in autocommit, so nothing can be left open by accident: a transaction exists only
inside `tenancy.tenant` or `tenancy.system`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, TypeAlias

from psycopg import AsyncConnection, OperationalError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.db import reach

Transaction: TypeAlias = AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Any]]

OPEN_TIMEOUT_S = 10.0
TAKE_TIMEOUT_S = 5.0
SILENT_MAX_S = 2.0  # what a server may take to say that it is there
WAITING_MAX = 200
IDLE_S = 5.0  # after so long one that nobody used is given back: each costs PostgreSQL 4 MB
SESSION = (
    "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    " -c timezone=UTC"
)


async def open_pool(conninfo: Secret, role: str, size: int) -> Pool:
    """A pool of up to `size` connections as `role`; Unavailable or SetupError says why not."""
    given = conninfo_to_dict(conninfo.reveal()).get("options") or ""
    options = {"autocommit": True, "options": f"{given} {SESSION}"}
    await _refuse_other_role(conninfo, role, options)
    pool: Pool = AsyncConnectionPool(
        conninfo.reveal(),
        kwargs=options,
        check=_refuse_silent,  # a restarted server costs no error
        min_size=1,
        max_size=size,
        max_waiting=WAITING_MAX,
        max_idle=IDLE_S,
        timeout=TAKE_TIMEOUT_S,
        name=role,
        open=False,
    )
    await pool.open()
    return pool


async def _refuse_silent(connection: AsyncConnection[Any]) -> None:
    """OperationalError unless the server answers soon: it may hang, or the network swallow us.

    Not under `asyncio.timeout`: a cancelled statement asks the server to stop it, and psycopg waits
    ten seconds for an answer. Without a socket there is nobody to ask.
    """
    cut = asyncio.get_running_loop().call_later(SILENT_MAX_S, _shut, connection)
    try:
        await AsyncConnectionPool.check_connection(connection)
    finally:
        cut.cancel()


def _shut(connection: AsyncConnection[Any]) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        ours.shutdown(socket.SHUT_RDWR)


async def _refuse_other_role(conninfo: Secret, role: str, options: dict[str, Any]) -> None:
    """One connection first: its error names the cause, a pool's says that time is up."""
    try:
        async with (
            asyncio.timeout(OPEN_TIMEOUT_S),
            await AsyncConnection.connect(conninfo.reveal(), **options) as connection,
        ):
            cursor = await connection.execute("SELECT current_user = %s", (role,))
            right = await cursor.fetchone() == (True,)
    except (OperationalError, TimeoutError) as error:
        raise reach.explain(error, conninfo) from error
    if not right:
        raise SetupError(f"a connection for {role} speaks as somebody else", hint=reach.POOLER)
