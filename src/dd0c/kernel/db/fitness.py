"""Whether a part may serve from this database, asked at each of its starts.

Three questions: does the schema fit this program (K-2, K-7), are the secrets of this home the ones
that the database needs (K-33), and does the database keep tenants apart (`checks.py`, K-10)? A no
is one line that says what to do, before anything is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege, UndefinedTable
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from dd0c.base.errors import SetupError
from dd0c.kernel.db import checks, schema, tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.db.roles import Access
from dd0c.kernel.db.schema import KERNEL, Applied, Source

Fingerprints = Mapping[str, Sequence[str]]
"""By name of the secret: what tells it from another and tells nothing else. During a rotation a
home has several; the first is the newest."""


async def refuse_unfit(
    pool: Pool, products: Sequence[Source], fingerprints: Fingerprints | None
) -> None:
    """SetupError when this program must not serve from the database.

    `fingerprints` None: this part uses no secret of the installation.
    """
    sources = (KERNEL, *products)
    async with tenancy.system(pool) as tx:
        applied = await _applied(tx)
        newer = {s.schema for s in sources if schema.refuse_other(s, applied)}
        await refuse_other_secrets(tx, fingerprints or {})
        listed = await _listed(tx, newer)
    accesses = [listed.get(s.schema, s.access) for s in sources]
    await checks.refuse_unsafe(pool, [access for access in accesses if access is not None])


async def refuse_other_secrets(tx: AsyncConnection[Any], fingerprints: Fingerprints) -> None:
    """SetupError when the database needs other secrets than these."""
    known = await find_fingerprints(tx) or {}
    other = sorted(n for n, here in fingerprints.items() if known.get(n, here[0]) not in here)
    if other:
        raise SetupError(
            f"{' and '.join(other)} of this home are not those that this database was made with",
            hint="copy the folder `secrets` of the home in which `dd0c migrate` ran first",
        )


async def find_fingerprints(tx: AsyncConnection[Any]) -> Mapping[str, str] | None:
    """What the database needs; None before it was first prepared."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT fingerprints FROM kernel.installation")
        row = await cursor.fetchone()
    return None if row is None else row[0]


async def claim(tx: AsyncConnection[Any], installation: str, fingerprints: Fingerprints) -> None:
    """As owner: this database belongs to these secrets from now on; SetupError when to others.

    What it does not know yet, because a newer dd0c has a secret more, is added.
    """
    await tx.execute(
        "INSERT INTO kernel.installation (id, fingerprints) VALUES (%s, %s)"
        " ON CONFLICT (only_one) DO UPDATE"
        " SET fingerprints = excluded.fingerprints || kernel.installation.fingerprints",
        (installation, Jsonb({name: here[0] for name, here in fingerprints.items()})),
    )
    await refuse_other_secrets(tx, fingerprints)


async def write_access(owner: AsyncConnection[Any], access: Access) -> None:
    """As owner: what the schema opens, for an older dd0c that goes on serving (K-7)."""
    await owner.execute(
        "INSERT INTO kernel.access (schema, listed) VALUES (%(schema)s, %(listed)s::json)"
        " ON CONFLICT (schema) DO UPDATE SET listed = excluded.listed, written_at = now()"
        " WHERE kernel.access.listed::text <> excluded.listed::text",
        {"schema": access.schema, "listed": as_json(access)},
    )


def as_json(access: Access) -> str:
    """The table as it is stored."""
    return msgspec.json.encode(access, order="sorted").decode()


async def _applied(tx: Transaction) -> list[Applied]:
    async with tx.cursor(row_factory=tuple_row) as cursor:
        try:
            await cursor.execute("SELECT schema, name, compatible_from FROM kernel.migrations")
        except (UndefinedTable, InsufficientPrivilege):
            raise SetupError(
                "this database was not prepared for dd0c", hint="run `dd0c migrate` first"
            ) from None
        return [Applied(*row) for row in await cursor.fetchall()]


async def _listed(tx: Transaction, schemas: set[str]) -> dict[str, Access]:
    """What newer programs have listed for the schemas."""
    if not schemas:
        return {}
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT schema, listed::text FROM kernel.access WHERE schema = ANY(%s)",
            (sorted(schemas),),
        )
        rows = await cursor.fetchall()
    return {name: msgspec.json.decode(listed, type=Access) for name, listed in rows}
