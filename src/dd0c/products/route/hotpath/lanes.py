"""What all requests with the same head for the same model have in common.

Where they go, what is said to the provider and to the caller about that, what stands in their
records: put together once, and remembered beside the head. A lane belongs to one state of keys,
providers and rules; when any of them changes, heads are forgotten and their lanes with them.
"""

from __future__ import annotations

from dd0c.products.route.hotpath import heads
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.routes import Choice

LANES_MAX = 64  # of one head


class Lane:
    """One way through. `outward`: the head to the provider up to the trace's id."""

    __slots__ = ("about", "model", "outward", "reason", "requested_model", "target")

    def __init__(self, request: Request, choice: Choice, requested_model: str):
        self.target = choice.target
        self.model = choice.model
        self.reason = choice.reason
        self.requested_model = requested_model
        self.outward = heads.to_provider(request, choice.target)
        self.about = heads.about(choice.model, choice.reason) + choice.target.line
