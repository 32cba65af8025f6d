"""What is told of contents: what somebody decided, read or took away."""

from __future__ import annotations

from dd0c.kernel.audit.catalogue import EventType

POLICY_SET = EventType(
    "ContentPolicySet", "An organisation keeps a kind of content like this, and so long."
)
READ = EventType("ContentRead", "Somebody was given a content, or a part of it.")
DELETED = EventType("ContentDeleted", "A content was ended, and its key with it.")
EXPIRED = EventType("ContentExpired", "Contents whose time was over were deleted.")

EVENTS = (POLICY_SET, READ, DELETED, EXPIRED)
