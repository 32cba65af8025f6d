"""Spend: the page's numbers are literals worked out by hand, its lines add up, it is ours alone."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dd0c.products.route.pages.span import SPANS, Range
from tests.console.books import SPEND, Books
from tests.support.control import Served

CENT = 10**10


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
