"""The JSON API of route: requests with their whole story, usage with its cost, providers."""

from __future__ import annotations

from fastapi import APIRouter

from dd0c.products.route.api import overrides, prices, providers, requests, usage

router = APIRouter()
for part in (requests, usage, providers, overrides, prices):
    router.include_router(part.router)
