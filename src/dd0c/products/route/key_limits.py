"""Limits and a budget for a key that is being made, as the kernel asks for them."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.auth.keys import Key
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import brakes, problems
from dd0c.kernel.web.key_limits import KeyLimits
from dd0c.products.route import wanted as wishes
from dd0c.products.route.subjects import Scope
from dd0c.products.route.wanted import MEASURES, BudgetWanted, LimitWanted

WRITE = "route:write"


async def limit_key(
    tx: Transaction, request: Request, who: Principal, key: Key, limits: KeyLimits
) -> None:
    """Hold the key, and those of its line that follow, to these limits."""
    who.require(WRITE)
    await brakes.refuse_changes(request, who)
    whom = {"scope": Scope.KEY, "subject": ids.text(ids.Kind.KEY, key.id)}
    counts = limits.model_dump(include=set(MEASURES), exclude_none=True)
    try:
        limit = LimitWanted.model_validate(whom | counts) if counts else None
        budget = (
            BudgetWanted.model_validate(whom | {"window": limits.window, "usd": limits.usd})
            if limits.usd is not None
            else None
        )
    except ValidationError as wrong:
        raise InvalidInput(f"body.limits.{problems.explain(wrong.errors())}") from None
    if limit is not None:
        await wishes.set_limit(tx, request, key.org, limit)
    if budget is not None:
        await wishes.set_budget(tx, request, key.org, budget)
