"""What is told of what is done on the host, by whoever may be there: to the installation's log."""

from __future__ import annotations

import uuid

from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.canonical import Value
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.audit.outbox import SYSTEM, Event
from dd0c.kernel.db.pool import Transaction

BACKUP_MADE = EventType("BackupMade", "A backup was made, or said to have been made elsewhere.")
RESTORED = EventType("InstallationRestored", "This installation came out of a backup.")
DATA_KEY_RENEWED = EventType(
    "DataKeyRenewed", "What an organisation seals from now on is under a new data key."
)
KEK_CHOSEN = EventType("KekChosen", "Data keys are wrapped by this key-encryption key.")

EVENTS = (BACKUP_MADE, RESTORED, DATA_KEY_RENEWED, KEK_CHOSEN)


async def tell(
    tx: Transaction, what: EventType, *, org: uuid.UUID | None = None, **facts: Value
) -> None:
    """Tell a log what was done, in the transaction that does it. `tx` speaks as the owner."""
    await outbox.record(tx, org, Event(what.name, SYSTEM, "installation", facts))
