"""A small organisation whose ledger was reckoned by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from dd0c.base import ids
from dd0c.products.route.models import Usage
from tests.console.ledger import HOUR_US, Day, put
from tests.products.route import records
from tests.support.control import Served

SPEND = "/console/spend"
DAY_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class Books:
    """An organisation of the test's own, and the ids of what is in its ledger."""

    client: httpx.Client
    owner: str
    team: str
    indexer: str
    storefront: str

    def page(self, query: str) -> dict[str, Any]:
        """The page as data."""
        found: dict[str, Any] = self.client.get(f"{SPEND}.json?{query}").json()
        return found


@contextmanager
def kept(served: Served) -> Iterator[Books]:
    """Five requests, with published rates in dollars per million tokens (input, output):
    gpt-5-mini 0.25 and 2, claude-sonnet-4-5 3 and 15, gpt-5 1.25 and 10."""
    with served.client(served.platform) as client:
        owner = client.post("/api/v1/orgs", json={"name": "initech"}).json()["owner_key"]
    with served.client(owner) as client:
        me = client.get("/api/v1/me").json()
        team = client.post("/api/v1/teams", json={"name": "search"}).json()["id"]
        wanted = ({"name": "indexer", "team": "search"}, {"name": "storefront"})
        keys = [client.post("/api/v1/keys", json=one).json()["id"] for one in wanted]
        indexer, storefront = (ids.parse(ids.Kind.KEY, key) for key in keys)
        now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
        day = Day(ids.parse(ids.Kind.ORGANISATION, me["org_id"]), indexer, now_us)
        ours = {"team": ids.parse(ids.Kind.TEAM, team).bytes}
        mini = _asked("gpt-5-mini", "openai")
        # 400,000 x 0.25 + 50,000 x 2 = 0.20; eight days ago 2,000,000 and 250,000 = 1.00
        now = day.open("now", HOUR_US, tags=("eu",), **mini, **ours)
        day.close(now, usage=Usage(input=400_000, output=50_000))
        before = day.open("before", 8 * DAY_US, **mini, **ours)
        day.close(before, usage=Usage(input=2_000_000, output=250_000))
        # without a price, 20 days ago
        day.close(day.open("unpriced", 20 * DAY_US, tags=("night",), **_asked("own", "nobody")))
        day.key = storefront
        # 100,000 x 3 + 20,000 x 15 = 0.60, counted here
        cut = day.open("cut", HOUR_US, tags=("eu", "night"), **_asked("claude-sonnet-4-5"))
        used = Usage(input=100_000, output=20_000)
        day.close(cut, usage=used, usage_source="estimated", usage_error=0.02)
        # 80,000 x 1.25 + 10,000 x 10 = 0.20, which nobody charges
        simulated = _asked("gpt-5", "openai") | {"credential_id": records.SIMULATOR.bytes}
        made_up = day.open("simulated", HOUR_US, **simulated)
        day.close(made_up, usage=Usage(input=80_000, output=10_000))
        put(served, day)
        yield Books(client, owner, team, keys[0], keys[1])


def _asked(model: str, provider: str = "anthropic") -> dict[str, Any]:
    return {"requested_model": model, "sent_model": model, "price_provider": provider}
