"""An organisation that makes and revokes keys, one or many."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString, NamedTuple

import psycopg

from dd0c.base.secrets import Secret
from dd0c.kernel.auth import keys
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from tests.support.database import Database

MANY_KEYS: LiteralString = """
INSERT INTO kernel.api_keys (id, org, name, prefix, hash, roles, scopes)
SELECT gen_random_uuid(), org, 'k' || n, 'dd0c_sk_', sha256(n::text::bytea), '{operator}',
    '{gateway}'
FROM (SELECT %s::int AS many, %s::uuid AS org) AS wanted, generate_series(1, many) AS n
"""


class Made(NamedTuple):
    """A key that was just made."""

    key: Key
    hash: bytes
    text: Secret


@dataclass(frozen=True)
class Tenant:
    """An organisation that makes keys."""

    pool: Pool
    org: uuid.UUID
    pepper: Pepper

    async def create(self, *scopes: Scope) -> Made:
        """A key, for the gateway unless other scopes are named."""
        wanted = NewKey("k", frozenset({Role.OPERATOR}), frozenset(scopes or {Scope.GATEWAY}))
        async with tenancy.tenant(self.pool, self.org) as tx:
            key, text = await keys.create(tx, self.pepper, self.org, wanted)
        return Made(key, self.pepper.digest(text), text)

    async def revoke(self, key: Key) -> None:
        """End a key."""
        async with tenancy.tenant(self.pool, self.org) as tx:
            await keys.revoke(tx, key.id, datetime.now(UTC))


def as_owner(database: Database, statement: LiteralString, *arguments: object) -> None:
    """Run a statement as the schema's owner."""
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute(statement, arguments)
