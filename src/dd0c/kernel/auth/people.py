"""People: one account for each e-mail address of an installation (K-10, K-21).

What an organisation may see of its people is in `members`. Here is what is above organisations:
the account itself, and what its person proves who they are with. Nobody changes that for others,
or an owner of one organisation could enter another as somebody who belongs to both.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.rows import class_row, tuple_row

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.db.pool import Transaction

EMAIL_LENGTH_MAX = 254  # RFC 5321, 4.5.3.1.3
# ASCII only: two addresses that look alike are two people, and `lower` is the same everywhere.
_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Account:
    """A person of the installation, with what only signing in needs."""

    id: uuid.UUID
    email: str
    name: str
    password: str | None = field(repr=False)
    issuer: str | None
    subject: str | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation that a person may work in."""

    org: uuid.UUID
    org_name: str


def read_email(text: str) -> str:
    """The address as it is kept: lower case. InvalidInput when it is none."""
    if len(text) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(text):
        raise InvalidInput("that is not an e-mail address", hint="name@example.com, in ASCII")
    return text.lower()


async def find_by_email(tx: Transaction, email: str) -> Account | None:
    """The account with that address, which `read_email` gave."""
    return await _find(tx, email=email)


async def find_by_id(tx: Transaction, person: uuid.UUID) -> Account | None:
    """The account of that id."""
    return await _find(tx, person=person)


async def find_by_identity(tx: Transaction, issuer: str, subject: str) -> Account | None:
    """The account that this provider of identities calls so."""
    return await _find(tx, identity=(issuer, subject))


async def _find(
    tx: Transaction,
    *,
    person: uuid.UUID | None = None,
    email: str | None = None,
    identity: tuple[str | None, str | None] = (None, None),
) -> Account | None:
    async with tx.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(
            "SELECT * FROM kernel.find_person(%s, %s, %s, %s)", (person, email, *identity)
        )
        return await cursor.fetchone()


async def add(tx: Transaction, email: str, name: str, password: str | None) -> uuid.UUID:
    """A new account (`password`: as `passwords` hashed it); an address that has one is a bug."""
    person = ids.new()
    await tx.execute("SELECT kernel.add_person(%s, %s, %s, %s)", (person, email, name, password))
    return person


async def set_password(tx: Transaction, person: uuid.UUID, password: str) -> None:
    """Sign in with this from now on; sessions that are open end, as they may be a thief's."""
    await tx.execute("SELECT kernel.set_password(%s, %s)", (person, password))
    await end_sessions(tx, person)


async def set_identity(tx: Transaction, person: uuid.UUID, issuer: str, subject: str) -> None:
    """Sign in through this provider from now on. The password and open sessions end: whoever was
    first with an address that was not theirs is out when its owner comes."""
    await tx.execute("SELECT kernel.set_identity(%s, %s, %s)", (person, issuer, subject))
    await end_sessions(tx, person)


async def set_standing(
    tx: Transaction, person: uuid.UUID, *, platform: bool, disabled_at: datetime | None
) -> None:
    """Whether somebody runs the installation, and whether they may sign in at all."""
    await tx.execute("SELECT kernel.set_standing(%s, %s, %s)", (person, platform, disabled_at))
    if disabled_at is not None:
        await end_sessions(tx, person)


async def end_sessions(tx: Transaction, person: uuid.UUID) -> int:
    """Sign somebody out everywhere; how many sessions that ended."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT kernel.end_sessions(%s)", (person,))
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def list_places(tx: Transaction, person: uuid.UUID) -> list[Place]:
    """The organisations that somebody belongs to, by name."""
    async with tx.cursor(row_factory=class_row(Place)) as cursor:
        await cursor.execute("SELECT org, org_name FROM kernel.list_memberships(%s)", (person,))
        return await cursor.fetchall()
