"""What run tells the audit log. Texts that are only read, and commands that are only judged, leave
nothing behind and are not in it."""

from __future__ import annotations

from dd0c.kernel.audit.catalogue import EventType

RUNBOOK_CREATED = EventType("RunbookCreated", "A runbook was written.")
RUNBOOK_VERSION_SAVED = EventType("RunbookVersionSaved", "A runbook says something else now.")
RUNBOOK_RENAMED = EventType("RunbookRenamed", "A runbook has another name.")
RUNBOOK_DELETED = EventType("RunbookDeleted", "A runbook can be used no longer.")

EVENTS = (RUNBOOK_CREATED, RUNBOOK_VERSION_SAVED, RUNBOOK_RENAMED, RUNBOOK_DELETED)
