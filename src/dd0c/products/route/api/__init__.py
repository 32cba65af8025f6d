"""The JSON API of route: requests with their whole story, usage with its cost, providers,
how tokens are counted, and what providers say of the same."""

from __future__ import annotations

from fastapi import APIRouter

from dd0c.products.route.api import (
    budgets,
    erasures,
    limits,
    overrides,
    prices,
    providers,
    reconciliations,
    requests,
    rerate,
    terms,
    tokens,
    usage,
)

router = APIRouter()
for part in (
    requests,
    usage,
    providers,
    overrides,
    prices,
    rerate,
    tokens,
    budgets,
    limits,
    terms,
    reconciliations,
    erasures,
):
    router.include_router(part.router)
