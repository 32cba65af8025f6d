"""Requests as CSV, and lists and sums by team and tag, over HTTP."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from dd0c.base import ids
from dd0c.products.route import exports
from dd0c.products.route.store import staging
from tests.products.route import records
from tests.products.route.api.ledger import rated, request_id, ship, tenant_of
from tests.support.control import Served

REQUESTS = 2 * exports.PAGE_REQUESTS + 103
FORMULA = "=1+1"
COST, SMALL, RESERVED = 145_500_000, 7, 2 * 10**12


@dataclass(frozen=True, slots=True)
class Told:
    """What acme did, more than two pages of it; every tenth request took two attempts, the last one
    of the team `search` is of unknown cost."""

    served: Served
    team: str
    first: str


@pytest.fixture(scope="module")
def told(served: Served) -> Told:
    """The requests, and one of globex."""
    org, key = tenant_of(served, served.acme)
    other, other_key = tenant_of(served, served.globex)
    with served.client(served.acme) as client:
        made = client.post("/api/v1/teams", json={"name": "search"})
        assert made.status_code == 201, made.text
    team = ids.parse(ids.Kind.TEAM, made.json()["id"])
    rows = list(drawn(org, key, team))
    theirs = records.opened(other, key_id=other_key.bytes, tags=("theirs",))
    ship(served, [*rows, rated(theirs)])
    return Told(served, made.json()["id"], request_id(rows[0].opened))


def drawn(org: uuid.UUID, key: uuid.UUID, team: uuid.UUID) -> Iterator[staging.Rated]:
    """The attempts."""
    for n in range(REQUESTS):
        at_us = records.START_US + n * 1000
        opened = records.opened(
            org,
            at_us=at_us,
            key_id=key.bytes,
            team=team.bytes if n % 50 == 0 else None,
            tags=(FORMULA, "prod") if n % 25 == 0 else (),
            end_user="@sum",
            reserved_pico=RESERVED,
        )
        if n == 50:
            unknown = {"cost_pico": None, "price_id": None, "cost_reason": "no_usage"}
            yield rated(opened, **unknown)
        elif n % 10 == 0:
            yield rated(opened, final=False, cost_pico=SMALL, end_reason="upstream_error")
            second = records.opened(
                org,
                at_us=at_us,
                request_id=opened.request_id,
                attempt=2,
                key_id=key.bytes,
                team=opened.team,
                tags=opened.tags,
                reserved_pico=RESERVED,
            )
            yield rated(second, cost_delivered_pico=COST, cost_upstream_pico=COST + 1)
        else:
            yield rated(opened)


def export(told: Told, key: str = "", **query: str) -> list[dict[str, str]]:
    """The lines of the CSV."""
    with told.served.client(key or told.served.acme) as client:
        answer = client.get("/api/v1/route/requests.csv", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_each_attempt_has_its_line(told: Told) -> None:
    """All attempts are there once, and what they cost adds up to the ledger's sum (R-10)."""
    lines = export(told)
    # of 1,103 requests 111 have a number that ends in 0, of which one has one attempt
    assert len(lines) == 1_103 + 110
    assert len({(line["request_id"], line["attempt"]) for line in lines}) == len(lines)
    costs = [Decimal(line["cost_usd"]) for line in lines if line["cost_usd"]]
    assert sum(costs) == Decimal(1_102 * 145_500_000 + 110 * 7) / 10**12
    with told.served.client(told.served.acme) as client:
        total = client.get("/api/v1/route/usage").json()["total"]
    assert (sum(costs), total["attempts"]) == (Decimal(total["cost_usd"]), len(lines))
    (unknown,) = [line for line in lines if not line["cost_usd"]]
    assert (unknown["cost_reason"], unknown["charged_usd"]) == ("no_usage", "2")
    starts = [line["request_id"] for line in lines]
    assert starts == sorted(starts, reverse=True)


def test_no_cell_is_a_formula(told: Told) -> None:
    """What a caller or a key's owner wrote is text for a spreadsheet (K-52)."""
    lines = export(told, tag=FORMULA)
    assert {line["tags"] for line in lines} == {f"'{FORMULA} prod"}
    assert {line["end_user"] for line in lines} == {"'@sum"}
    assert not [c for line in lines for c in line.values() if c.startswith(("=", "+", "-", "@"))]


def test_lists_and_sums_by_team_and_tag(told: Told) -> None:
    """A team by name or id and a tag narrow list, sums and export alike; sums by team and by tag
    say whose they are, and what has none (R-16)."""
    teams = 23  # 0, 50, … 1100
    assert {len(export(told, team=given)) for given in ("search", told.team)} == {2 * teams - 1}
    assert len(export(told, team="search", tag="prod")) == 2 * teams - 1
    with told.served.client(told.served.acme) as client:
        listed = client.get("/api/v1/route/requests", params={"team": "search", "limit": 100})
        assert len(listed.json()["items"]) == teams
        by = {
            name: client.get("/api/v1/route/usage", params={"by": name}).json()
            for name in ("team", "tag", "hour")
        }
        assert client.get("/api/v1/route/usage?team=nobody").status_code == 404
        narrow = client.get("/api/v1/route/usage?by=model&tag=prod").json()
    rows = {row["team"]: (row["team_id"], row["requests"]) for row in by["team"]["rows"]}
    assert rows == {"search": (told.team, teams), None: (None, REQUESTS - teams)}
    tags = {row["tag"]: row["requests"] for row in by["tag"]["rows"]}
    assert tags == {FORMULA: 45, "prod": 45, None: REQUESTS - 45}  # 0, 25, … 1100
    assert by["tag"]["total"]["requests"] == REQUESTS
    assert [row["hour"] for row in by["hour"]["rows"]] == ["2026-11-03T12:00:00Z"]
    assert narrow["total"]["requests"] == 45


def test_the_story_says_what_was_reserved_and_charged(told: Told) -> None:
    """A request tells its team, its caller, and of each attempt what was set aside, what budgets
    count, and what reached the caller beside what the provider made (R-13, R-16)."""
    with told.served.client(told.served.acme) as client:
        story = client.get(f"/api/v1/route/requests/{told.first}").json()
    assert story["team"] == {"id": told.team, "name": "search"}
    assert story["end_user"] == "@sum"
    first, second = story["attempts"]
    names = ("reserved_usd", "charged_usd", "cost_delivered_usd", "cost_upstream_usd")
    assert [first[name] for name in names] == ["2", "0.000000000007", None, None]
    assert [second[name] for name in names] == ["2", "0.0001455", "0.0001455", "0.000145500001"]
    assert second["tags"] == [FORMULA, "prod"]


def test_two_tenants_on_exports(told: Told) -> None:
    """Another organisation's requests, teams and tags are in no line and no sum (K-11)."""
    (line,) = export(told, told.served.globex)
    assert line["tags"] == "theirs"
    assert export(told, tag="theirs") == []
    with told.served.client(told.served.globex) as client:
        assert client.get("/api/v1/route/requests?team=search").status_code == 404
        named = {"team": told.team}
        assert client.get("/api/v1/route/requests", params=named).json()["items"] == []
        tags = client.get("/api/v1/route/usage?by=tag").json()["rows"]
    assert [row["tag"] for row in tags] == ["theirs"]
