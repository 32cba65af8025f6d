"""What is told of jobs: what somebody decided about a run."""

from __future__ import annotations

from dd0c.kernel.audit.catalogue import EventType

RETRIED = EventType("JobRetried", "A run that failed was put back into the queue by hand.")
REMOVED = EventType("JobRemoved", "A run was taken out of the queue by hand.")

EVENTS = (RETRIED, REMOVED)
