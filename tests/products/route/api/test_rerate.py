"""Re-rating over HTTP: what it shows, what it changes, and what it leaves (R-12).

Rates of gpt-5-mini in dollars a million: the list has 0.25 in, 0.025 cached, 2 out; acme's own has
0.20, 0.02, 1.60. Amounts below are in millionths of a dollar.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from dd0c.base import ids
from dd0c.products.route.models import AttemptOpened, Usage
from dd0c.products.route.store import staging
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, request_id, ship, tenant_of
from tests.support.control import Served, serving
from tests.support.database import Cluster

SINCE = "2026-11-03T00:00:00Z"
AT_EIGHT = "2026-11-03T20:00:00Z"
HOUR_US = 3_600_000_000
CUT = Usage(input=100, output=40)
HOUSE = Usage(input=1000, output=500)


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server of our own: acme's ledger, and a row of globex that must stay as it is."""
    with serving(cluster) as served:
        register(served)
        yield served


@pytest.fixture(scope="module")
def attempts(served: Served) -> dict[str, AttemptOpened]:
    """One attempt of every kind there is to re-rating."""
    org, key = tenant_of(served, served.acme)
    other, other_key = tenant_of(served, served.globex)

    def opened(n: int, **changes: Any) -> AttemptOpened:
        at_us = records.START_US + n * HOUR_US
        return records.opened(org, at_us=at_us, key_id=key.bytes, tags=("a", "b"), **changes)

    made = {
        # 100 x 0.25 + 20 x 0.025 + 60 x 2 = 145.5; by acme's own 100 x 0.2 + 20 x 0.02 + 60 x 1.6
        "dearer": opened(1),
        "before": opened(-2),
        "cut": opened(2),
        "unpriced": opened(3, requested_model="house", sent_model="house-7b"),
        "gone": opened(4, requested_model="old", sent_model="old"),
        "silent": opened(5),
        "free": opened(6, endpoint="models", requested_model="", sent_model=""),
        "incomplete": opened(7),
        "exported": opened(8, requested_model="exported"),
        "theirs": records.opened(other, key_id=other_key.bytes),
    }
    unknown = {"cost_pico": None, "price_id": None}
    rows: list[staging.Rated] = [
        rated(made["dearer"]),
        rated(msgspec.structs.replace(made["dearer"], attempt=2)),
        rated(made["before"]),
        rated(  # delivered 100 x 0.25 + 40 x 2, made 100 x 0.25 + 70 x 2
            made["cut"],
            usage=CUT,
            usage_source="estimated",
            delivered_output_tokens=40,
            upstream_output_tokens=70,
            cost_pico=105_000_000,
            cost_delivered_pico=105_000_000,
            cost_upstream_pico=165_000_000,
        ),
        rated(
            made["unpriced"],
            served_model=None,
            usage=HOUSE,
            service_tier=None,
            cost_reason="no_price",
            **unknown,
        ),
        rated(made["gone"], served_model=None, cost_pico=7_000_000),
        rated(made["silent"], usage=Usage(), cost_reason="no_usage", **unknown),
        rated(made["free"], usage=Usage(), cost_pico=0, price_id=None),
        rated(made["incomplete"], usage=Usage(100), cost_reason="usage_incomplete", **unknown),
        rated(made["exported"], cost_pico=9_000_000, price_id=None),
        rated(made["theirs"]),
    ]
    ship(served, rows)
    own = {
        "provider": "openai",
        "model": "gpt-5-mini",
        "from": "2026-11-03T12:00:00Z",
        "tiers": [{"input": "0.2", "cache_read": "0.02", "output": "1.6"}],
    }
    house = own | {"model": "house-7b", "tiers": [{"input": "1", "output": "2"}]}
    with served.client(served.acme) as client:
        answer = client.post("/api/v1/route/prices/import", json={"prices": [own, house]})
        assert answer.json()["added"] == 2
        budget = {"scope": "organisation", "window": "total", "usd": "1", "hard": True}
        assert client.post("/api/v1/route/budgets", json=budget).status_code == 201
    return made


def rerate(served: Served, as_whom: str, **wanted: Any) -> Any:
    with served.client(as_whom) as client:
        answer = client.post("/api/v1/route/rerate", json={"since": SINCE} | wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


def attempt_of(served: Served, opened: AttemptOpened) -> Any:
    with served.client(served.acme) as client:
        answer = client.get(f"/api/v1/route/requests/{request_id(opened)}")
    return answer.json()["attempts"][0]


def sums(served: Served, **query: str) -> tuple[str, int]:
    with served.client(served.acme) as client:
        total = client.get("/api/v1/route/usage", params=query).json()["total"]
    return total["cost_usd"], total["unpriced_requests"]


BILLED = ("0.0005575", 3)  # 3 x 145.5 + 105 + 7, and 9 that no price made
TOTAL = {
    "attempts": 7,
    "changed": 3,
    "newly_priced": 1,
    "kept": 1,
    "unpriced": 1,
    "old_usd": "0.0005485",
    "new_usd": "0.0024693",  # 145.5 + 2 x 116.4 + 84 + 7 + 2000
    "difference_usd": "0.0019208",
}


def test_it_shows_what_today_would_cost_and_changes_nothing(
    served: Served, attempts: dict[str, AttemptOpened]
) -> None:
    """Old, new and difference by model and key, adding up; prices hold from their date on; what
    has no price today keeps its cost, what has no usage none; nothing is written (R-12)."""
    shown = rerate(served, served.acme)
    assert (shown["applied"], shown["total"]) == (False, TOTAL)
    by_model = {row["model"]: (row["old_usd"], row["new_usd"]) for row in shown["rows"]}
    assert by_model == {
        "gpt-5-mini": ("0.0005415", "0.0004623"),
        "house": (None, "0.002"),  # there was no cost, which is not a cost of nothing
        "old": ("0.000007", "0.000007"),
    }
    assert [row["difference_usd"] for row in shown["rows"]] == ["-0.0000792", "0.002", "0"]
    unknown = rerate(served, served.acme, since="2026-11-03T19:00:00Z", until=AT_EIGHT)["total"]
    amounts = [unknown[name] for name in ("old_usd", "new_usd", "difference_usd")]
    assert (unknown["unpriced"], amounts) == (1, [None, None, None])
    key_id = ids.text(ids.Kind.KEY, tenant_of(served, served.acme)[1])
    assert {row["key"]["id"] for row in shown["rows"]} == {key_id}
    assert sums(served) == BILLED
    assert rerate(served, served.acme, model="house")["total"]["attempts"] == 1
    assert rerate(served, served.acme, until="2026-11-03T12:00:00Z")["total"]["attempts"] == 1
    other = ids.text(ids.Kind.KEY, ids.new())
    assert rerate(served, served.acme, key=other)["rows"] == []
    theirs = rerate(served, served.globex)["total"]
    assert (theirs["attempts"], theirs["changed"]) == (1, 0)


def test_applied_it_is_billed_once_and_what_was_billed_stays_to_be_seen(
    served: Served, attempts: dict[str, AttemptOpened]
) -> None:
    """A further rating for each change, some two attempts a call here, no request of several left
    out; every sum follows, at the ends of a span too; applied again it changes nothing (R-12)."""
    wanted: dict[str, Any] = {"apply": True, "limit": 2, "reason": "contract 17"}
    first = rerate(served, served.acme, **wanted)
    calls, answer = [first], first
    while answer["next_cursor"] is not None and len(calls) < 9:
        wanted |= {"until": answer["until"], "cursor": answer["next_cursor"]}
        calls.append(answer := rerate(served, served.acme, **wanted))
    assert len(calls) == 4
    assert [call["reached"] is None for call in calls] == [False, False, False, True]
    for count in ("attempts", "changed", "newly_priced", "kept", "unpriced"):
        assert sum(call["total"][count] for call in calls) == TOTAL[count]
    # two of the calls billed something, and this server has no cache
    assert [call["budgets_follow"] for call in calls] == [False, False, None, None]
    assert sums(served) == ("0.0024783", 2)
    assert sums(served, since="2026-11-03T13:00:00Z", until="2026-11-03T13:30:00Z") == (
        *("0.0002328", 0),
    )
    one = attempt_of(served, attempts["dearer"])
    assert (one["cost_usd"], one["cost_reason"]) == ("0.0001164", None)
    assert one["price"]["source"] == "override"
    history = [(r["revision"], r["cost_usd"], r["reason"]) for r in one["ratings"]]
    assert history == [(0, "0.0001455", None), (1, "0.0001164", "contract 17")]
    with served.client(served.acme) as client:
        page = client.get(f"/console/route/requests/{request_id(attempts['dearer'])}.json").json()
    rated_twice = [(r["why"], r["cost_pico"]) for r in page["ratings"] if r["attempt"] == 1]
    assert rated_twice == [("at first", 145_500_000), ("contract 17", 116_400_000)]
    priced = attempt_of(served, attempts["unpriced"])
    assert (priced["cost_usd"], priced["cost_reason"]) == ("0.002", None)
    assert [r["reason"] for r in priced["ratings"]] == ["no_price", "contract 17"]
    for name in ("before", "gone", "silent", "free", "incomplete", "exported"):
        assert attempt_of(served, attempts[name])["ratings"] == []
    again = rerate(served, served.acme, apply=True)["total"]
    assert (again["changed"], again["newly_priced"]) == (0, 0)
    assert again["old_usd"] == again["new_usd"] == "0.0024693"
    assert len(attempt_of(served, attempts["dearer"])["ratings"]) == 2
    with served.client(served.globex) as client:
        assert client.get("/api/v1/route/usage").json()["total"]["cost_usd"] == "0.0001455"


BAD = [
    ({"until": SINCE}, "body.until"),
    ({"since": None}, "body.since"),
    ({"cursor": "x"}, "cursor"),
    ({"limit": 0}, "body.limit"),
    ({"modell": "x"}, "body.modell"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_a_bad_wish_is_refused_by_the_name_of_its_field(
    served: Served, change: dict[str, Any], field: str
) -> None:
    """What cannot be meant is refused, and nothing is rated."""
    with served.client(served.acme) as client:
        answer = client.post("/api/v1/route/rerate", json={"since": SINCE, "apply": True} | change)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"{field}: ")


def test_who_may_read_may_not_rate(served: Served) -> None:
    """Re-rating needs the right to change, even where it only shows: it costs a scan."""
    with served.client(served.key(served.acme, roles=["viewer"])) as client:
        assert client.post("/api/v1/route/rerate", json={"since": SINCE}).status_code == 403
