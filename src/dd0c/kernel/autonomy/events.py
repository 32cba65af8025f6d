"""What is told of panics and modes. What somebody gave as a reason is private."""

from __future__ import annotations

from dd0c.kernel.audit.catalogue import EventType

PANIC_BEGUN = EventType("PanicBegun", "A panic was put on, or made stricter.")
PANIC_ENDED = EventType("PanicEnded", "A panic was ended; what was approved before it stays dead.")
AUTONOMY_CHANGED = EventType(
    "AutonomyChanged", "Products act by policy (`strict`), or as asked and only record (`audit`)."
)

EVENTS = (PANIC_BEGUN, PANIC_ENDED, AUTONOMY_CHANGED)
