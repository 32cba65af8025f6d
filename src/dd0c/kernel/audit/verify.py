"""Whether a log is what it was: entries and checkpoints in, findings out, no I/O (K-51).

What is told from what:

    edited, reordered, doubled, taken out     the chain of hashes and the sequence
    all hashes made anew as well              the root that was signed
    signed anew with a stolen key, or cut     a checkpoint that was kept elsewhere
    two logs shown to two people              the checkpoint that the other one kept
    plain columns changed                     they are compared with the bytes

A checkpoint kept elsewhere may be one of a person, or what the installation's log noted of an
organisation's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dd0c.base import ids
from dd0c.base.errors import Internal, InvalidInput
from dd0c.kernel.audit import canonical, checkpoint, entries, merkle, outbox
from dd0c.kernel.audit.entries import Entry

NONE_BEFORE = bytes(merkle.HASH_BYTES)


class Fault(StrEnum):
    """What is wrong."""

    UNREADABLE = "unreadable"
    SEQUENCE = "sequence"
    CHAIN = "chain"
    COLUMNS = "columns"
    SIGNATURE = "signature"
    ROOT = "root"
    MISSING = "missing"
    UNSIGNED = "unsigned"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, and with which entry; None: with the log as a whole."""

    fault: Fault
    sequence: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody kept: at that size the log had this root. `where` says who."""

    size: int
    root: bytes
    where: str


class Verifier:
    """Takes the entries of one log in their order, then the checkpoint that speaks of them."""

    def __init__(self, log: str, kept: Sequence[Kept] = ()):
        self.size = 0
        self._log = log
        self._last = NONE_BEFORE
        self._full: tuple[bytes, ...] = ()
        self._kept = sorted(kept, key=lambda one: one.size)
        self._met = 0

    def take(self, entry: Entry) -> Iterator[Finding]:
        """What is wrong with the next entry by itself, or after the one before it."""
        expected = self.size + 1
        if entry.sequence != expected:
            what = f"entry {expected} should be here, and it is {entry.sequence}"
            yield Finding(Fault.SEQUENCE, entry.sequence, what)
        said = _read(entry.bytes)
        if said is None:
            yield Finding(Fault.UNREADABLE, entry.sequence, "its bytes are no entry")
        else:
            if said["previous"] != self._last.hex():
                what = "it was written after another entry than the one before it"
                yield Finding(Fault.CHAIN, entry.sequence, what)
            if differing := [name for name, value in self._columns(entry) if said[name] != value]:
                what = f"{', '.join(differing)} beside the bytes differs from what they say"
                yield Finding(Fault.COLUMNS, entry.sequence, what)
        self._last = hashlib.sha256(entry.bytes).digest()
        leaf = merkle.leaf_hash(entry.bytes)
        self._full = merkle.extend(self._full, self.size, (leaf,))
        self.size += 1
        yield from self._meet()

    def finish(self, note: str, origin: str, public: bytes) -> Iterator[Finding]:
        """What is wrong with the whole: `note` is the newest checkpoint, "" where there is none."""
        for kept in self._kept[self._met :]:
            what = f"{kept.where} has a log of {kept.size} entries, here are {self.size}"
            yield Finding(Fault.MISSING, None, what)
        if not note and not self.size:
            return
        try:
            signed = checkpoint.open_checkpoint(note, origin, public)
        except InvalidInput as error:
            yield Finding(Fault.SIGNATURE, None, error.message)
            return
        if signed.size > self.size:
            what = f"{signed.size} entries were signed, here are {self.size}"
            yield Finding(Fault.MISSING, None, what)
        elif signed.size < self.size:
            what = f"{signed.size} entries were signed, here are {self.size}"
            yield Finding(Fault.UNSIGNED, signed.size + 1, what)
        elif signed.root != merkle.fold(self._full):
            yield Finding(Fault.ROOT, None, "the entries are not those that were signed")

    def _meet(self) -> Iterator[Finding]:
        """Compare with what was kept of the log at just this size."""
        while self._met < len(self._kept) and self._kept[self._met].size <= self.size:
            kept = self._kept[self._met]
            self._met += 1
            if kept.root != merkle.fold(self._full):
                what = f"{kept.where} has other entries up to {kept.size} than are here"
                yield Finding(Fault.REWRITTEN, kept.size, what)

    def _columns(self, entry: Entry) -> Iterator[tuple[str, object]]:
        yield "log", self._log
        yield "sequence", entry.sequence
        yield "id", ids.text(ids.Kind.EVENT, entry.id)
        yield "at", entries.as_text(entry.at)
        yield "event", entry.name
        yield "actor", entry.actor
        yield "subject", entry.subject


def is_disclosed(entry: Entry, private: Mapping[str, Any], salt: str) -> bool:
    """Whether this is what was private in the entry when it was told."""
    try:
        commitment = outbox.commit(private, bytes.fromhex(salt))
    except (Internal, ValueError):
        return False
    return bool(entry.read().get("private") == commitment.hex())


def _read(raw: bytes) -> dict[str, Any] | None:
    """What the bytes of an entry say; None unless they are the one text of an entry."""
    try:
        said = json.loads(raw)
        if not isinstance(said, dict) or canonical.encode(said) != raw:
            return None
    except (ValueError, RecursionError, Internal):
        return None
    return said if said.keys() - {"private"} == MEMBERS else None


MEMBERS = frozenset(
    ("actor", "at", "event", "facts", "id", "log", "previous", "sequence", "subject", "v")
)
"""What every entry says."""
