"""Which events there are: each package names its own, a product in its manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event: its name in the past tense (`KeyCreated`), and one sentence for readers."""

    name: str
    sentence: str


HEAD_NOTED = EventType("HeadNoted", "The head of an organisation's log stood like this.")

EXPORTED = EventType("AuditExported", "Somebody took entries of this log away in a file.")

EVENTS = (HEAD_NOTED, EXPORTED)
"""What the audit log itself tells."""
