"""Rules for tests."""

from __future__ import annotations

import itertools
import uuid

from dd0c.products.route.hotpath.snapshot import Rule

ORG = bytes.fromhex("0197a0c0a0a07000800000000000000a")
DOLLAR = 10**12
_numbers = itertools.count(1)


def rule(
    scope: str = "organisation",
    subject: str = "",
    *,
    measure: str = "usd",
    window: str = "total",
    amount: int = DOLLAR,
) -> Rule:
    """A rule of the test's organisation with an id of its own."""
    made = uuid.UUID(int=next(_numbers)).bytes
    return Rule(made, ORG, scope, subject, measure, window, amount, "UTC", 0)
