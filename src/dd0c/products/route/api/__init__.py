"""The JSON API of route: requests with their whole story, usage with its cost, providers,
how tokens are counted."""

from __future__ import annotations

from fastapi import APIRouter

from dd0c.products.route.api import (
    budgets,
    limits,
    overrides,
    prices,
    providers,
    requests,
    rerate,
    terms,
    tokens,
    usage,
)

router = APIRouter()
for part in (requests, usage, providers, overrides, prices, rerate, tokens, budgets, limits, terms):
    router.include_router(part.router)
