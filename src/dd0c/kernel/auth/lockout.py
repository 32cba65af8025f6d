"""Lock-out: who fails to sign in has to wait, longer each time, and never for ever (K-21).

An attempt counts from before its password is looked at, so that a hundred at once are a hundred.
Two subjects count: the e-mail address that was typed, whether anybody has it or not, and the
network address it came from, which many people may share and which therefore has more patience.
A wait is never prolonged by those who try during it: otherwise a stranger could keep somebody out.
A sign-in that succeeds clears its e-mail address; a key of dd0c signs in at any time.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.db.pool import Transaction

FORGOTTEN_AFTER = timedelta(hours=24)
WAIT_FIRST, WAIT_MAX = timedelta(seconds=30), timedelta(minutes=15)
PATIENCE_EMAIL, PATIENCE_ADDRESS = 5, 50
SWEPT_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """What is counted, as a keyed hash, and how many failures it may have without waiting."""

    hashed: bytes
    patience: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How often a subject failed lately."""

    failures: int
    last_at: datetime
    locked_until: datetime | None


def subjects(pepper: Pepper, email: str, address: str) -> tuple[Subject, Subject]:
    """What an attempt counts for, the network address first."""
    key = pepper.derive(b"dd0c lockout")

    def hashed(kind: str, value: str) -> bytes:
        return hashlib.blake2b(f"{kind} {value}".encode(), key=key, digest_size=32).digest()

    return (
        Subject(hashed("address", _network(address)), PATIENCE_ADDRESS),
        Subject(hashed("email", email), PATIENCE_EMAIL),
    )


def _network(address: str) -> str:
    """The address; of version 6 the 64 bits that one customer has 2^64 addresses in."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))


def decide(known: Standing, patience: int, now: datetime) -> Standing | None:
    """The subject after one more attempt; None: it is locked, and the attempt does not count."""
    if known.locked_until is not None and known.locked_until > now:
        return None
    if known.last_at <= now - FORGOTTEN_AFTER:
        return Standing(1, now, None)
    failures = known.failures + 1
    return Standing(failures, now, None if failures < patience else now + wait(failures - patience))


def wait(beyond: int) -> timedelta:
    """How long after so many failures beyond patience: 30 s, 1, 2, 4, 8 and then 15 min."""
    return min(WAIT_FIRST * (1 << min(beyond, 10)), WAIT_MAX)


async def take(tx: Transaction, wanted: tuple[Subject, ...], now: datetime) -> bool:
    """Count an attempt before it is made; False when a subject has to wait. Those behind a subject
    that waits are not touched: a stranger's address locks itself before it locks many people."""
    await _sweep(tx, now)
    for subject in wanted:
        after = decide(await _lock(tx, subject, now), subject.patience, now)
        if after is None:
            return False
        await tx.execute(
            "UPDATE kernel.sign_in_failures SET failures = %s, last_at = %s, locked_until = %s"
            " WHERE subject = %s",
            (after.failures, after.last_at, after.locked_until, subject.hashed),
        )
    return True


async def forgive(tx: Transaction, taken: tuple[Subject, Subject]) -> None:
    """The attempt was no failure: clear the e-mail address, give the network address it back."""
    address, email = taken
    await tx.execute("DELETE FROM kernel.sign_in_failures WHERE subject = %s", (email.hashed,))
    await tx.execute(
        "UPDATE kernel.sign_in_failures SET failures = greatest(failures - 1, 0),"
        " locked_until = NULL WHERE subject = %s",
        (address.hashed,),
    )


async def _lock(tx: Transaction, subject: Subject, now: datetime) -> Standing:
    """How the subject stands, held against other attempts."""
    await tx.execute(
        "INSERT INTO kernel.sign_in_failures (subject, failures, last_at) VALUES (%s, 0, %s)"
        " ON CONFLICT (subject) DO NOTHING",
        (subject.hashed, now),
    )
    async with tx.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(
            "SELECT failures, last_at, locked_until FROM kernel.sign_in_failures"
            " WHERE subject = %s FOR UPDATE",
            (subject.hashed,),
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def _sweep(tx: Transaction, now: datetime) -> None:
    await tx.execute(
        "DELETE FROM kernel.sign_in_failures WHERE subject IN (SELECT subject"
        " FROM kernel.sign_in_failures WHERE last_at <= %s LIMIT %s FOR UPDATE SKIP LOCKED)",
        (now - FORGOTTEN_AFTER, SWEPT_AT_ONCE),
    )
