"""A day of traffic in the ledger: one request of every kind, and many of the ordinary one.

Costs of the named requests are literals worked out by hand from the published rates.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import msgspec

from dd0c.base import ids
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.products.route.hotpath import tariff
from dd0c.products.route.models import AttemptOpened, PriceRow, Usage
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.store import ledger, staging
from tests.products.route import records
from tests.support.chained import chain
from tests.support.control import Served

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
REFUSED = "The limit of 60 requests a minute for this organisation is reached. Try again in 7 s."
HOUR_US = 3_600_000_000
RUNBOOK = """\
# Queue <script>alert(1)</script>

1. Check how long \u202e it is:

   ```sh
   redis-cli -h <queue-host> llen jobs
   ```

2. See what the workers say, and [more](javascript:alert(1)):

   ```sh
   kubectl -n jobs get pods
   ```

3. Restart the workers:

   ```sh
   kubectl -n jobs rollout restart deploy/worker
   ```
"""
"""A runbook of somebody who means ill."""


@dataclass(slots=True)
class Day:
    """What was put into the ledger of one organisation, by name."""

    org: uuid.UUID
    key: uuid.UUID
    now_us: int
    prices: PriceTable = field(default_factory=PriceTable)
    rows: list[staging.Rated] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)

    def open(self, name: str, ago_us: int, **changes: object) -> AttemptOpened:
        """A first attempt that many microseconds ago, to be found under a name."""
        opened = records.opened(
            self.org, at_us=self.now_us - ago_us, key_id=self.key.bytes, **changes
        )
        if name:
            self.named[name] = ids.text(ids.Kind.REQUEST, opened.request_id)
        return opened

    def close(self, opened: AttemptOpened, **changes: object) -> None:
        """The attempt's end as the gateway records it; a cost is given or rated like there."""
        closed = records.closed(opened, **changes)
        if "cost_pico" not in changes:
            price = self.prices.find(opened.price_provider, opened.sent_model)
            rating = tariff.rate(price, closed.usage, closed.service_tier, opened.started_us)
            closed = msgspec.structs.replace(
                closed,
                cost_pico=rating.cost_pico,
                price_id=rating.price_id,
                cost_reason=rating.reason,
            )
        self.rows.append(
            staging.Rated(opened, closed, closed.cost_pico, closed.price_id, closed.cost_reason)
        )

    def price_id(self, provider: str, model: str) -> str:
        """The id of a published price."""
        price = self.prices.find(provider, model)
        assert price is not None
        return price.price_id


def fill(served: Served, key: str) -> Day:
    """A day of traffic for the organisation of that key."""
    with served.client(key) as client:
        me = client.get("/api/v1/me").json()
    now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
    day = Day(
        ids.parse(ids.Kind.ORGANISATION, me["org_id"]),
        ids.parse(ids.Kind.KEY, me["key"]["id"]),
        now_us,
    )
    _ordinary(day)
    _every_kind(day)
    put(served, day)
    with served.client(key) as client:
        wanted = {"scope": "organisation", "window": "month", "usd": "1000", "hard": False}
        day.named["runbook"] = saved(client)
        day.named["budget"] = client.post("/api/v1/route/budgets", json=wanted).json()["id"]
        client.post("/api/v1/route/budgets", json=wanted | {"window": "day", "hard": True})
        limit = {"scope": "organisation", "requests_per_minute": 600}
        client.post("/api/v1/route/limits", json=limit)
        chain(served)
        told = client.get("/api/v1/audit/events").json()["items"]
        day.named["event"] = told[0]["id"]
    return day


def arrive(served: Served, day: Day, name: str) -> None:
    """One more ordinary request, shipped now."""
    late = Day(day.org, day.key, int(datetime.now(UTC).timestamp() * 1_000_000))
    late.close(late.open(name, 0), cost_pico=145_500_000, price_id=None, cost_reason=None)
    put(served, late)
    day.named |= late.named


def put(served: Served, day: Day) -> None:
    """Ship its rows. In a thread: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _ship(served, day)).result()


def _every_kind(day: Day) -> None:
    """One request of each kind, the newest of the ledger."""
    claude = {
        "requested_model": "claude-sonnet-4-5",
        "sent_model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "price_provider": "anthropic",
        "dialect": "anthropic",
        "endpoint": "messages",
        "stream": True,
    }
    # 100 x 0.25 + 20 x 0.025 + (50 + 10) x 2.00 dollars per million = 0.0001455 dollars
    day.close(
        day.open("plain", 4_000_000),
        cost_pico=145_500_000,
        price_id=day.price_id("openai", "gpt-5-mini"),
    )
    day.close(
        day.open("gone", 9_000_000, **claude),
        end_reason="client_gone",
        usage=Usage(input=80, cache_read=44_100, output=121),
        usage_source="estimated",
        usage_error=0.011,
        delivered_output_tokens=121,
        upstream_output_tokens=139,
        cost_delivered_pico=15_285_000_000,
        cost_upstream_pico=15_555_000_000,
        served_model="claude-sonnet-4-5",
        total_us=2_140_000,
        first_byte_us=612_000,
    )
    for n in range(4):
        day.close(
            day.open("failed", (15 + n) * 1_000_000, requested_model="gpt-5", sent_model="gpt-5"),
            **_failed(500),
        )
    hostile = {"requested_model": HOSTILE, "sent_model": HOSTILE}
    day.close(day.open("hostile", 21_000_000, **hostile), served_model=HOSTILE)
    first = day.open("retried", 27_000_000, **claude)
    day.close(first, final=False, total_us=400_000, **_failed(529))
    second = msgspec.structs.replace(
        first, attempt=2, started_us=first.started_us + 450_000, provider="bedrock"
    )
    day.close(second, served_model="claude-sonnet-4-5", usage=Usage(input=2_000, output=300))
    refused = day.open("refused", 33_000_000, attempt=0, route_reason=REFUSED)
    told = {"error_code": "rate_limit_exceeded", "end_reason": "limit", "first_byte_us": None}
    day.close(
        refused, **_failed(429) | told | {"upstream_status": None}, cost_pico=0, price_id=None
    )
    simulator = {"provider": "sim", "credential_id": records.SIMULATOR.bytes}
    day.close(day.open("simulated", 5_000_000, **simulator), cost_pico=120_000_000_000)
    listing = {"endpoint": "models", "requested_model": "", "sent_model": ""}
    day.close(day.open("listed", 3_000_000, **listing), usage=Usage(), cost_pico=0, price_id=None)
    lost = day.open("lost", 40_000_000)
    day.rows.append(staging.Rated(lost, None, None, None, "lost"))


def _failed(status: int) -> dict[str, object]:
    return {
        "status": status,
        "upstream_status": status,
        "end_reason": "upstream_error",
        "error_code": "server_error",
        "usage": Usage(),
        "usage_source": "none",
        "first_byte_us": 31_000,
        "delivered_output_tokens": None,
        "upstream_output_tokens": None,
        "served_model": None,
    }


def _ordinary(day: Day) -> None:
    chance = random.Random(7)
    models = (
        ("openai", "gpt-5-mini", 60),
        ("anthropic", "claude-sonnet-4-5", 25),
        ("openai", "gpt-5", 12),
        ("openai", "gpt-5-nano", 30),
        ("openai", "gpt-4.1-mini", 6),
        ("openai", "text-embedding-3-small", 8),
    )
    for provider, model, weight in models:
        for number in range(weight):
            opened = day.open(
                "",
                chance.randrange(60_000_000, 23 * HOUR_US),
                requested_model=model,
                sent_model=model,
                provider=provider,
                price_provider=provider,
                tags=("eu", "night")[: number % 3],
            )
            output = None if "embedding" in model else chance.randrange(10, 900)
            usage = Usage(input=chance.randrange(80, 20_000), output=output)
            spent_us = chance.randrange(200_000, 9_000_000)
            day.close(
                opened,
                usage=usage,
                served_model=model,
                total_us=spent_us,
                first_byte_us=spent_us // 3,
                delivered_output_tokens=output,
                upstream_output_tokens=output,
            )


async def _ship(served: Served, day: Day) -> None:
    """Write the rows as the shipper does."""
    pool = await open_pool(served.database.conninfo(roles.SHIPPER), roles.SHIPPER, 1)
    owner = await open_pool(served.database.conninfo(roles.OWNER), roles.OWNER, 1)
    first = datetime.fromtimestamp(day.now_us / 1e6 - 40 * 86_400, UTC)
    try:
        async with tenancy.system(pool) as tx:
            await ledger.ensure_partitions(tx, first, datetime.now(UTC))
        await records.add_providers(owner)
        async with tenancy.system(pool) as tx:
            await ledger.add_prices(tx, list(_prices(day.prices, day.rows)))
            await ledger.insert(tx, [staging.row(r) for r in day.rows], now=datetime.now(UTC))
    finally:
        await pool.close()
        await owner.close()


def _prices(table: PriceTable, rows: Sequence[staging.Rated]) -> Iterator[PriceRow]:
    for price_id in {row.price_id for row in rows if row.price_id}:
        found = table.row(price_id)
        assert found is not None
        yield found


def saved(client: httpx.Client) -> str:
    """The id of a runbook with two versions."""
    made = client.post("/api/v1/run/runbooks", json={"name": "Queue", "source": RUNBOOK})
    runbook = str(made.raise_for_status().json()["id"])
    second = RUNBOOK.replace("rollout restart", "delete").replace("<queue-host>", "queue-1")
    path = f"/api/v1/run/runbooks/{runbook}/versions"
    client.post(path, json={"source": second}).raise_for_status()
    return runbook
