"""Entries: what stands in a log, as bytes (K-50).

    {"actor":"key_…","at":"2026-11-21T20:00:00.000000Z","event":"KeyCreated","facts":{…},"id":"evt_…",
     "log":"org_…","previous":"<hash of the bytes before>","private":"<commitment>","sequence":7,
     "subject":"key_…","v":1}

Canonical JSON in one line. `previous` is SHA-256 of the entry before as hex, zeros for the first:
the chain of hashes is inside what is hashed. `private` is there only where something is.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dd0c.base import ids
from dd0c.kernel.audit import merkle

VERSION = 1
INSTALLATION = "installation"
"""The log that is of no organisation."""

_quoted = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event in the outbox. `facts` is canonical already."""

    number: int
    id: uuid.UUID
    org: uuid.UUID | None
    at: datetime
    name: str
    actor: str
    subject: str
    facts: str
    commitment: bytes | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a log. Only `bytes` are proven; the rest is for finding it."""

    sequence: int
    id: uuid.UUID
    at: datetime
    name: str
    actor: str
    subject: str
    bytes: bytes

    def read(self) -> Mapping[str, Any]:
        """What the bytes say."""
        found: Mapping[str, Any] = json.loads(self.bytes)
        return found


@dataclass(frozen=True, slots=True)
class Head:
    """Where a log stands: its size, the hash of its last bytes, the full subtrees over it."""

    size: int = 0
    last_hash: bytes = bytes(merkle.HASH_BYTES)
    frontier: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The root over all entries."""
        return merkle.fold(self.frontier)


def log_of(org: uuid.UUID | None) -> str:
    """The name of an organisation's log, or of the installation's."""
    return INSTALLATION if org is None else ids.text(ids.Kind.ORGANISATION, org)


def append(head: Head, events: Iterable[Waiting]) -> tuple[Head, list[Entry]]:
    """The events as the next entries of their log, and where it stands then."""
    sequence, last = head.size, head.last_hash
    made: list[Entry] = []
    leaves: list[bytes] = []
    for event in events:
        sequence += 1
        raw = as_bytes(event, sequence, last)
        last = hashlib.sha256(raw).digest()
        leaves.append(merkle.leaf_hash(raw))
        made.append(
            Entry(sequence, event.id, event.at, event.name, event.actor, event.subject, raw)
        )
    return Head(sequence, last, merkle.extend(head.frontier, head.size, leaves)), made


def as_bytes(event: Waiting, sequence: int, previous: bytes) -> bytes:
    """An event at its place: written out, because `canonical.encode` takes three times as long."""
    private = "" if event.commitment is None else f'"private":"{event.commitment.hex()}",'
    return (
        f'{{"actor":{_quoted(event.actor)},"at":"{as_text(event.at)}",'
        f'"event":{_quoted(event.name)},"facts":{event.facts},'
        f'"id":"{ids.text(ids.Kind.EVENT, event.id)}","log":"{log_of(event.org)}",'
        f'"previous":"{previous.hex()}",{private}"sequence":{sequence},'
        f'"subject":{_quoted(event.subject)},"v":{VERSION}}}'
    ).encode()


def as_text(at: datetime) -> str:
    """A time as entries have it: UTC with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
