"""Console sessions: signing in with a key, or as a person, gives a browser a token of its own.

    dd0c_ses_ + 43 characters of base64url (32 random bytes)

Only the keyed hash of the token is stored. A session ends by itself, with its key's expiry, at
sign-out, and at once when its key is revoked, or its person is no longer a member or disabled: the
session is read together with what it rests on.
"""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from dd0c.base.errors import Unauthenticated
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import principals
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Grants, Scope
from dd0c.kernel.auth.principals import Actor, Credential, Principal
from dd0c.kernel.db.pool import Transaction

PREFIX = "dd0c_ses_"
LIFETIME = timedelta(hours=12)  # a working day; a forgotten browser is signed out by the next one
_TEXT = re.compile(r"dd0c_ses_[A-Za-z0-9_-]{43}")


MARK_HEX = 16  # of its hash: enough to tell sessions apart, too little to find anything with


@dataclass(frozen=True, slots=True)
class Open:
    """A session that still opens the console. `mark` names it without its token."""

    mark: str
    key_id: uuid.UUID | None
    person: uuid.UUID | None
    name: str
    created_at: datetime
    expires_at: datetime

    @property
    def actor(self) -> Actor:
        """Whose it is."""
        return principals.actor(self.key_id, self.person, self.name)


async def start(
    tx: Transaction, pepper: Pepper, who: Principal, now: datetime
) -> tuple[Secret, datetime]:
    """The token of a new session and when it ends; Forbidden when the key lacks `console`."""
    who.require_scope(Scope.CONSOLE)
    ends = min(now + LIFETIME, who.expires_at or datetime.max.replace(tzinfo=now.tzinfo))
    return await _start(tx, pepper, (who.org, who.key_id, who.person), now, ends), ends


async def start_of_person(
    tx: Transaction, pepper: Pepper, org: uuid.UUID, person: uuid.UUID, now: datetime
) -> tuple[Secret, datetime]:
    """The token of a new session of a member of the organisation, and when it ends."""
    ends = now + LIFETIME
    return await _start(tx, pepper, (org, None, person), now, ends), ends


async def _start(
    tx: Transaction,
    pepper: Pepper,
    whose: tuple[uuid.UUID, uuid.UUID | None, uuid.UUID | None],
    now: datetime,
    ends: datetime,
) -> Secret:
    token = Secret(PREFIX + secrets.token_urlsafe(32))
    await tx.execute("DELETE FROM kernel.sessions WHERE expires_at <= %s", (now,))
    await tx.execute(
        "INSERT INTO kernel.sessions (token_hash, org, key_id, person, created_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (pepper.digest(token), *whose, now, ends),
    )
    return token


async def authenticate(
    tx: Transaction, pepper: Pepper, token: str, grants: Grants, now: datetime
) -> Principal:
    """The principal of a session; Unauthenticated when it is odd, unknown, over, or its key is."""
    found = None
    if _TEXT.fullmatch(token):
        async with tx.cursor(row_factory=class_row(Credential)) as cursor:
            await cursor.execute(
                "SELECT org, org_name, key_id, key_name, person, person_name, roles, scopes,"
                " expires_at, revoked_at, networks"
                " FROM kernel.authenticate_session(%s) WHERE session_expires_at > %s",
                (pepper.digest(Secret(token)), now),
            )
            found = await cursor.fetchone()
    if found is None:
        raise Unauthenticated("this session is over", hint="sign in again")
    return principals.admit(found, grants, now)


async def end(tx: Transaction, pepper: Pepper, token: str) -> bool:
    """Forget the session; whether it was there."""
    done = await tx.execute(
        "DELETE FROM kernel.sessions WHERE token_hash = %s", (pepper.digest(Secret(token)),)
    )
    return done.rowcount > 0


def mark(pepper: Pepper, token: str) -> str:
    """The mark of the session of a token."""
    return pepper.digest(Secret(token)).hex()[:MARK_HEX]


async def list_open(tx: Transaction, now: datetime, of: uuid.UUID | None = None) -> list[Open]:
    """Sessions of the organisation, or of one key or person, the newest first; at most 100."""
    async with tx.cursor(row_factory=class_row(Open)) as cursor:
        await cursor.execute(
            "SELECT left(encode(s.token_hash, 'hex'), %(length)s) AS mark, s.key_id, s.person,"
            " coalesce(k.name, p.name) AS name, s.created_at, s.expires_at"
            " FROM kernel.sessions s LEFT JOIN kernel.api_keys k ON k.id = s.key_id"
            " LEFT JOIN kernel.people p ON p.id = s.person"
            " WHERE s.expires_at > %(now)s"
            " AND (%(of)s::uuid IS NULL OR %(of)s IN (s.key_id, s.person))"
            " ORDER BY s.created_at DESC, s.token_hash LIMIT 100",
            {"length": MARK_HEX, "now": now, "of": of},
        )
        return await cursor.fetchall()


async def end_marked(tx: Transaction, wanted: str, of: uuid.UUID | None = None) -> bool:
    """Forget the session of that mark, if it is one of this organisation, or of this key or person
    of it; whether there was one."""
    done = await tx.execute(
        "DELETE FROM kernel.sessions WHERE left(encode(token_hash, 'hex'), %s) = %s"
        " AND (%s::uuid IS NULL OR %s IN (key_id, person))",
        (MARK_HEX, wanted, of, of),
    )
    return done.rowcount > 0


async def end_all(tx: Transaction, person: uuid.UUID) -> int:
    """Forget all sessions of a person in this organisation; how many there were."""
    done = await tx.execute("DELETE FROM kernel.sessions WHERE person = %s", (person,))
    return done.rowcount
