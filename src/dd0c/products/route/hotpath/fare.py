"""What an attempt costs, by the price of the model that answered it; while nobody has said which
that is, of the one asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dd0c.products.route.hotpath import tariff
from dd0c.products.route.hotpath.snapshot import CountWanted, Price

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.bill import Rate
    from dd0c.products.route.hotpath.lanes import Lane
    from dd0c.products.route.hotpath.plane import DataPlane
    from dd0c.products.route.hotpath.received import Received


def find(plane: DataPlane, lane: Lane, got: Received, started_us: int) -> tuple[Price | None, Rate]:
    """The price, None while it is not known, and what usage costs at it in the service tier that
    the provider told."""
    model = got.reading.model or lane.model
    price = plane.find_price(lane.target.provider.price_provider, model, lane.org)
    return price, lambda used: tariff.rate(price, used, got.reading.service_tier, started_us)


def question(plane: DataPlane, lane: Lane, got: Received) -> CountWanted:
    """What is asked where tokens have to be counted."""
    model, provider = got.reading.model or lane.model, lane.target.provider.price_provider
    return CountWanted(plane.counts.next_id(), provider, model, got.endpoint)
