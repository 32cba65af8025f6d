"""Pools of connections that speak as one role.

Connections are in autocommit, so nothing can be left open by accident: a transaction exists only
inside `tenancy.tenant` or `tenancy.system`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from dd0c.base.errors import Unavailable
from dd0c.base.secrets import Secret

Transaction: TypeAlias = AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Any]]

OPEN_TIMEOUT_S = 10.0
TAKE_TIMEOUT_S = 5.0
WAITING_MAX = 200
IDLE_S = 300.0
SESSION = (
    "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    " -c timezone=UTC"
)


async def open_pool(conninfo: Secret, role: str, size: int) -> Pool:
    """A pool of up to `size` connections as `role`; Unavailable when the database does not answer.

    `role` must be whom `conninfo` speaks as: each new connection is asked who it is.
    """
    given = conninfo_to_dict(conninfo.reveal()).get("options") or ""

    async def configure(connection: AsyncConnection[Any]) -> None:
        cursor = await connection.execute("SELECT current_user = %s", (role,))
        if await cursor.fetchone() != (True,):
            raise Unavailable(f"a connection for {role} speaks as somebody else")

    pool: Pool = AsyncConnectionPool(
        conninfo.reveal(),
        kwargs={"autocommit": True, "options": f"{given} {SESSION}"},
        configure=configure,
        check=AsyncConnectionPool.check_connection,  # a restarted server costs no error
        min_size=1,
        max_size=size,
        max_waiting=WAITING_MAX,
        max_idle=IDLE_S,
        timeout=TAKE_TIMEOUT_S,
        name=role,
        open=False,
    )
    try:
        await pool.open(wait=True, timeout=OPEN_TIMEOUT_S)
    except PoolTimeout as error:
        await pool.close()
        raise Unavailable(f"the database does not answer {role}: {error}") from error
    return pool
