"""What a worker holds in memory: the price of a name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dd0c.base.clock import SystemClock
from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import limits
from dd0c.products.route.hotpath.plane import DataPlane
from dd0c.products.route.hotpath.snapshot import FromWorker, Price, PricesChanged, PriceWanted
from dd0c.products.route.hotpath.spool import SpoolWriter

FAMILY = Price("anthropic", "claude-x-1", "prc_family", 0, (), (), dated=True)
EXACT = Price("openai", "gpt-x", "prc_exact", 0, ())


@pytest.mark.parametrize(
    ("provider", "model", "price_id", "asked_for"),
    [
        ("anthropic", "claude-x-1", "prc_family", False),
        ("anthropic", "claude-x-1-20250929", "prc_family", False),
        ("anthropic", "claude-x-1-2025-09-29", "prc_family", False),
        ("anthropic", "claude-x-1-mini", None, True),
        ("anthropic", "claude-x-1-20250929-v2", None, True),
        ("openai", "gpt-x", "prc_exact", False),
        ("openai", "gpt-x-2025-09-29", None, True),
    ],
)
async def test_a_dated_name_takes_its_familys_price_only_where_that_is_known(
    tmp_path: Path, provider: str, model: str, price_id: str | None, *, asked_for: bool
) -> None:
    """A first answer under a dated name is priced; an unvouched name is asked for (R-11)."""
    told: list[FromWorker] = []
    plane = DataPlane(
        limits.of(Settings()),
        SystemClock(),
        SpoolWriter(tmp_path, 0, 0),
        asyncio.get_running_loop(),
        told.append,
    )
    plane.apply(PricesChanged((FAMILY, EXACT)))
    found = plane.find_price(provider, model)
    assert (found.price_id if found else None) == price_id
    assert told == ([PriceWanted(provider, model)] if asked_for else [])
