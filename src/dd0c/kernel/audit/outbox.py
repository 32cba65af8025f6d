"""Events, told in the transaction that makes them true (K-50).

An event whose transaction is rolled back was never told, and a change that is committed has its
event. The row cannot be read again by who wrote it: the chainer takes it from here.

`facts` go into an entry for good: ids, numbers, enumerations, times. What people typed or what
names them belongs into `private`. Of that the entry has a salted commitment; the text is sealed,
and gone when its organisation or its `person` is erased.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dd0c.base import ids
from dd0c.base.errors import Internal, Timeout, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import canonical
from dd0c.kernel.audit.canonical import Value
from dd0c.kernel.db.pool import Transaction

SALT_BYTES = 16
LOST = "private_lost"
SYSTEM = "system"
"""The actor of what no person and no key did."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `name` is in a catalogue; `actor` and `subject` are ids as text, `system`, or
    a name that tells of no person. `person`: whose data `private` is, if anybody's."""

    name: str
    actor: str
    subject: str
    facts: Mapping[str, Value] = field(default_factory=dict)
    private: Mapping[str, Value] | None = None
    person: uuid.UUID | None = None


class Sealed(Protocol):
    """A text as it is stored: the ciphertext, and the data key that it is under."""

    @property
    def data_key(self) -> uuid.UUID: ...
    @property
    def ciphertext(self) -> bytes: ...


class Seal(Protocol):
    """Seals a text for a record of an organisation: the vault's way to do it."""

    async def __call__(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, secret: Secret, /
    ) -> Sealed: ...


async def record(
    tx: Transaction, org: uuid.UUID | None, event: Event, seal: Seal | None = None
) -> uuid.UUID:
    """Tell the log of `org` (None: the installation's) what happened; its id.

    `seal` is needed where something is private. While it cannot seal, because a KMS is away, what
    happened is told all the same: with the fact `private_lost` in place of the text.
    """
    event_id, facts, commitment = ids.new(), event.facts, None
    if event.private is not None:
        if seal is None:
            raise Internal("what is private in an event needs to be sealed")
        commitment = await _keep(tx, org, event_id, event.private, event.person, seal=seal)
        if commitment is None:
            facts = {**facts, LOST: True}
    await tx.execute(
        "INSERT INTO kernel.audit_outbox (id, org, name, actor, subject, facts, commitment)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            event_id,
            org,
            event.name,
            event.actor,
            event.subject,
            canonical.encode(facts).decode(),
            commitment,
        ),
    )
    return event_id


async def _keep(
    tx: Transaction,
    org: uuid.UUID | None,
    event_id: uuid.UUID,
    private: Mapping[str, Value],
    person: uuid.UUID | None,
    *,
    seal: Seal,
) -> bytes | None:
    """Keep what is private, sealed; its commitment, or None where nobody can seal now."""
    salt = os.urandom(SALT_BYTES)
    text = canonical.encode({"private": private, "salt": salt.hex()}).decode()
    try:
        sealed = await seal(tx, org, event_id, Secret(text))
    except (Unavailable, Timeout):
        return None
    await tx.execute(
        "INSERT INTO kernel.audit_contents (id, org, person, secret, data_key)"
        " VALUES (%s, %s, %s, %s, %s)",
        (event_id, org, person, sealed.ciphertext, sealed.data_key),
    )
    return commit(private, salt)


def commit(private: Mapping[str, Value], salt: bytes) -> bytes:
    """The commitment to what is private: SHA-256 of the salt and its canonical text.

    With 128 random bits before it nobody finds a short text, a name or an address, by trying.
    """
    return hashlib.sha256(salt + canonical.encode(private)).digest()
