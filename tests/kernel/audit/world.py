"""What the tests of the audit log do: tell, chain, tamper as the owner, and look."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from psycopg.rows import tuple_row

from dd0c.base import ids
from dd0c.kernel.audit import chainer, checkpoint, entries, inspection, outbox
from dd0c.kernel.audit.canonical import Value
from dd0c.kernel.audit.checkpoint import Signer
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.audit.verify import Finding, Kept
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from tests.support.database import Database

SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
"""The secret key of RFC 8032, 7.1, test 1."""

INSTALLATION = "ins_01jcq8z5m3t7abcdefghjkmnpq"
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class World:
    """A database, as those who tell, chain and own it."""

    database: Database
    app: Pool
    chaining: Pool
    owner: Pool
    signer: Signer
    acme: uuid.UUID
    globex: uuid.UUID

    async def tell(self, org: uuid.UUID | None, count: int = 1) -> list[uuid.UUID]:
        """So many events, in one transaction of the organisation's."""
        async with self.begin(org)() as tx:
            return [await outbox.record(tx, org, event(n)) for n in range(count)]

    async def chain(self, batch: int = chainer.BATCH) -> int:
        """Chain until nothing waits; how many there were."""
        total = 0
        async with asyncio.timeout(DEADLINE_S):
            while done := await chainer.chain(self.chaining, self.signer, batch):
                total += done
        return total

    def begin(
        self, org: uuid.UUID | None
    ) -> Callable[[], AbstractAsyncContextManager[Transaction]]:
        """How the application begins a transaction of the organisation's, or of no tenant's."""
        return lambda: tenancy.system(self.app) if org is None else tenancy.tenant(self.app, org)

    async def inspect(
        self, org: uuid.UUID | None, kept: Sequence[Kept] = (), signer: Signer | None = None
    ) -> list[Finding]:
        """What is wrong with the log."""
        origin = checkpoint.origin(INSTALLATION, entries.log_of(org))
        public = (signer or self.signer).public
        return [
            finding
            async for finding in inspection.inspect(self.begin(org), org, (origin, public), kept)
        ]

    async def tamper(self, *statements: str) -> None:
        """As the owner, who may do anything in the database."""
        async with tenancy.system(self.owner) as tx:
            for statement in statements:
                assert (await tx.execute(statement.encode())).rowcount

    async def ask(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        """Rows, as the owner sees them."""
        async with tenancy.system(self.owner) as tx, tx.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(query.encode(), arguments)
            return await cursor.fetchall()


def event(number: int = 0) -> Event:
    """An event that nobody mistakes for another."""
    key = ids.text(ids.Kind.KEY, uuid.UUID(int=number))
    facts: dict[str, Value] = {
        "number": number,
        "roles": ["owner", "„admin“"],
        "expires_at": None,
        "first": not number,
    }
    return Event("KeyCreated", outbox.SYSTEM, key, facts)
