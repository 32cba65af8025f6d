"""Spend: the page's numbers are literals worked out by hand, its lines add up, it is ours alone."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from dd0c.base import ids
from dd0c.products.route.models import Usage
from dd0c.products.route.pages.span import SPANS, Range
from tests.console.ledger import HOUR_US, Day, put
from tests.products.route import records
from tests.support.control import Served

SPEND = "/console/spend"
DAY_US = 24 * HOUR_US
CENT = 10**10


@dataclass(frozen=True, slots=True)
class Books:
    """An organisation of the test's own, and the ids of what is in its ledger."""

    client: httpx.Client
    team: str
    indexer: str
    storefront: str

    def page(self, query: str) -> dict[str, Any]:
        """The page as data."""
        found: dict[str, Any] = self.client.get(f"{SPEND}.json?{query}").json()
        return found


@pytest.fixture(scope="module")
def books(served: Served) -> Iterator[Books]:
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
        yield Books(client, team, keys[0], keys[1])


def _asked(model: str, provider: str = "anthropic") -> dict[str, Any]:
    return {"requested_model": model, "sent_model": model, "price_provider": provider}


def amounts(lines: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """One column of the table, in cents; None is unknown."""
    return {
        line["name"]: None
        if line[name] is None
        else line[name] / CENT
        if name.endswith("pico")
        else line[name]
        for line in lines
    }


def test_a_week_is_compared_with_the_one_before(books: Books) -> None:
    """Charged, simulated and estimated stand apart, and only what is charged is compared (R-11)."""
    html = books.client.get(SPEND, headers={"accept": "text/html"}).text
    told = " ".join(re.sub("<[^>]+>", " ", html.partition("<h1>")[2][:900]).split())
    assert told.startswith(
        "$0.80 in the last 7 days , 20 % under the 7 days before, and $0.20 simulated"
        " 3 requests. $0.60 of it rests on tokens that dd0c counted, because the provider did not"
        " tell. $0.20 more was simulated: nobody charges it."
    )
    page = books.page("")
    assert (page["range"], page["by"]) == ("7d", "model")
    assert page["total"] | {"href": ""} == {
        "id": "",
        "name": "Total",
        "href": "",
        "requests": 3,
        "input": 580_000,
        "output": 80_000,
        "charged_pico": 80 * CENT,
        "estimated_pico": 60 * CENT,
        "simulated_pico": 20 * CENT,
        "unpriced": 0,
    }
    assert page["before"]["charged_pico"] == 100 * CENT
    slots = page["slots"]
    assert sum(each["cost_pico"] for each in slots) == 100 * CENT, "the simulated ones are in it"


def test_what_has_no_cost_is_in_no_sum(books: Books) -> None:
    """It is unknown in its line and counted beside the total, which is of the others (R-11)."""
    page = books.page("range=30d")
    assert amounts(page["lines"], "charged_pico") == {
        "gpt-5-mini": 120,
        "claude-sonnet-4-5": 60,
        "gpt-5": 0,
        "own": None,
    }
    assert amounts(page["lines"], "unpriced")["own"] == page["total"]["unpriced"] == 1
    assert page["total"]["charged_pico"] == 180 * CENT


def test_tags_add_up_although_a_request_has_several(books: Books) -> None:
    """What stands in the line of each tag is taken off again, in every column (R-11)."""
    page = books.page("by=tag&range=30d")
    assert amounts(page["lines"], "charged_pico") == {
        "eu": 80,
        "night": 60,
        "no tag": 100,
        "counted in several tags": -60,
    }
    for name in ("requests", "input", "output", "charged_pico", "estimated_pico", "unpriced"):
        column = [line[name] for line in page["lines"] if line[name] is not None]
        assert sum(column) == page["total"][name], name
    assert page["total"]["charged_pico"] == 180 * CENT


def test_teams_and_keys_have_names_and_lead_to_their_requests(books: Books) -> None:
    """Each line's link is the list of requests with the same filter and range (R-10)."""
    lines = books.page("by=team&range=30d")["lines"]
    assert [(line["name"], line["charged_pico"]) for line in lines] == [
        ("search", 120 * CENT),
        ("no team", 60 * CENT),
    ]
    assert [line["href"] for line in lines] == [
        f"/console/route/requests?range=30d&team={books.team}",
        "",
    ]
    for query in ("by=model&range=30d", "by=team&range=7d", "by=tag&range=30d", "by=key&range=7d"):
        for line in books.page(query)["lines"]:
            if line["href"]:
                path, _, chosen = line["href"].partition("?")
                listed = books.client.get(f"{path}.json?{chosen}").json()
                assert listed["sums"]["requests"] == line["requests"], line["href"]
                shown = books.client.get(line["href"], headers={"accept": "text/html"})
                assert shown.status_code == 200
    keys = books.page("by=key&range=7d")
    moved = [(one["name"], one["before_pico"], one["now_pico"]) for one in keys["movers"]]
    assert moved == [("indexer", 100 * CENT, 20 * CENT), ("storefront", 0, 60 * CENT)]
    assert [line["id"] for line in keys["lines"]] == [books.storefront, books.indexer]


def test_the_csv_has_every_line_of_the_table(books: Books) -> None:
    """Exact dollars, ids beside names, an empty cell for what is unknown; no total (K-52)."""
    answer = books.client.get(f"{SPEND}.csv?range=30d&by=key")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    found = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["key"], row["key_id"], row["cost_usd"], row["unpriced"]) for row in found] == [
        ("indexer", books.indexer, "1.2", "1"),
        ("storefront", books.storefront, "0.6", "0"),
    ]
    models = list(csv.DictReader(io.StringIO(books.client.get(f"{SPEND}.csv?range=30d").text)))
    assert {row["model"]: row["cost_usd"] for row in models}["own"] == ""
    assert sum(Decimal(row["cost_usd"] or 0) for row in models) == Decimal("1.8")


def test_nobody_sees_another_organisations_spend(books: Books, served: Served) -> None:
    """No line, no name, no sum of theirs; who has none is told how to begin (K-11, K-1)."""
    with served.client(served.globex) as client:
        for by in ("model", "team", "tag", "key"):
            page = client.get(f"{SPEND}.json?range=30d&by={by}").json()
            assert (page["lines"], page["slots"], page["movers"]) == ([], [], [])
            text = client.get(f"{SPEND}.csv?range=30d&by={by}").text
            assert text.count("\n") == 1
        html = client.get(SPEND, headers={"accept": "text/html"}).text
        assert 'data-state="nothing"' in html


@pytest.mark.parametrize("query", ["by=planet", "range=forever"])
def test_an_address_that_makes_no_sense_is_refused(books: Books, query: str) -> None:
    """What is wrong is named (K-50)."""
    refused = books.client.get(f"{SPEND}.json?{query}")
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith(f"query.{query.partition('=')[0]}")


def test_this_month_is_compared_with_as_much_of_the_last() -> None:
    """As long a time, but no longer than that month was: in UTC, as all days of the console."""
    month = SPANS[Range.THIS_MONTH]
    early = datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert month.since(early) == datetime(2026, 3, 1, tzinfo=UTC)
    assert month.before(early) == (
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 2, 2, 6, tzinfo=UTC),
    )
    late = datetime(2026, 3, 31, 6, tzinfo=UTC)
    assert month.before(late) == (
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert month.before_words(late) == "as much of February"
    week = SPANS[Range.WEEK]
    assert week.before(late) == (late - timedelta(days=14), late - timedelta(days=7))
    assert week.before_words(late) == "the 7 days before"
