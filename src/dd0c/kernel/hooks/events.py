"""What webhooks tell the audit log."""

from __future__ import annotations

from dd0c.kernel.audit.catalogue import EventType

RECEIVED = EventType("HookReceived", "A source sent something that it vouches for.")
SOURCE_ADDED = EventType("HookSourceAdded", "A source of webhooks was added.")
SOURCE_ROTATED = EventType("HookSourceRotated", "A source of webhooks was given another secret.")
SOURCE_REMOVED = EventType("HookSourceRemoved", "A source of webhooks was removed.")
ENDPOINT_ADDED = EventType("HookEndpointAdded", "An address was added that is told of events.")
ENDPOINT_ROTATED = EventType("HookEndpointRotated", "Such an address was given another secret.")
ENDPOINT_PAUSED = EventType("HookEndpointPaused", "Nothing is sent to such an address for now.")
ENDPOINT_RESUMED = EventType("HookEndpointResumed", "What waited for such an address is sent.")
ENDPOINT_REMOVED = EventType("HookEndpointRemoved", "Such an address is told nothing any more.")
DELIVERY_REPLAYED = EventType("HookDeliveryReplayed", "A delivery was asked for once more.")
ENDPOINT_TESTED = EventType("HookEndpointTested", "A trial message was asked for.")

EVENTS = (
    *(RECEIVED, SOURCE_ADDED, SOURCE_ROTATED, SOURCE_REMOVED),
    *(ENDPOINT_ADDED, ENDPOINT_ROTATED, ENDPOINT_PAUSED, ENDPOINT_RESUMED, ENDPOINT_REMOVED),
    *(DELIVERY_REPLAYED, ENDPOINT_TESTED),
)
