"""The one way into a transaction, and the only place that sets the tenant (K-10, K-12).

The tenant is a setting local to the transaction: it ends with it, however it ends, so a connection
goes back to the pool without one. Row-level security does the rest below us.

One task works in one transaction at a time. Asking again for the same organisation joins it, as a
savepoint; asking for another, or for none, is refused: that would be the mistake that mixes
tenants. Tasks started inside a transaction are on their own.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from psycopg import OperationalError
from psycopg.errors import QueryCanceled

from dd0c.base.errors import Internal, Timeout, Unavailable
from dd0c.kernel.db.pool import Pool, Transaction

DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Open:
    pool: Pool
    org: uuid.UUID | None
    connection: Transaction


_open: WeakKeyDictionary[asyncio.Task[object], _Open] = WeakKeyDictionary()


@asynccontextmanager
async def tenant(
    pool: Pool, org: uuid.UUID, *, deadline_s: float = DEADLINE_S
) -> AsyncIterator[Transaction]:
    """A transaction that sees and writes the rows of `org`; committed at the end of the block."""
    async with _transaction(pool, org, deadline_s) as tx:
        yield tx


@asynccontextmanager
async def system(pool: Pool, *, deadline_s: float = DEADLINE_S) -> AsyncIterator[Transaction]:
    """A transaction without a tenant: for roles with their own policies and listed functions."""
    async with _transaction(pool, None, deadline_s) as tx:
        yield tx


def current() -> uuid.UUID | None:
    """The organisation of the transaction that this task is in; None: one without a tenant."""
    task = asyncio.current_task()
    assert task is not None
    return _open[task].org


@asynccontextmanager
async def _transaction(
    pool: Pool, org: uuid.UUID | None, deadline_s: float
) -> AsyncIterator[Transaction]:
    task = asyncio.current_task()
    assert task is not None
    outer = _open.get(task)
    if outer is not None:
        if outer.pool is not pool or outer.org != org:
            raise Internal("a transaction inside that of another tenant or role")
        async with outer.connection.transaction():
            yield outer.connection
        return
    try:
        async with (
            asyncio.timeout(deadline_s),
            pool.connection() as connection,
            connection.transaction(),
        ):
            if org is not None:
                await connection.execute("SELECT set_config('dd0c.org', %s, true)", (str(org),))
            _open[task] = _Open(pool, org, connection)
            try:
                yield connection
            finally:
                del _open[task]
    except (TimeoutError, QueryCanceled) as error:
        raise Timeout("the database took longer than its deadline") from error
    except OperationalError as error:  # a full pool and a lock that is not given up among them
        raise Unavailable("the database is away or too busy") from error
