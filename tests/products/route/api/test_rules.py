"""Budgets, limits and policies over HTTP: set, read, refused, removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.products.route import records
from tests.products.route.api.ledger import rated, ship, tenant_of
from tests.support.control import Served

BUDGETS, LIMITS = "/api/v1/route/budgets", "/api/v1/route/limits"
ALL: dict[str, Any] = {"scope": "organisation", "window": "total", "usd": "1.00"}


@pytest.fixture
def acme(served: Served) -> Iterator[httpx.Client]:
    """A client with acme's owner key; what it sets is removed at the end."""
    with served.client(served.acme) as client:
        yield client
        for path in (BUDGETS, LIMITS):
            for one in client.get(path).json()["items"]:
                client.delete(f"{path}/{one['id']}")


def set_one(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A budget or limit that must be taken."""
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def everything(client: httpx.Client) -> list[Any]:
    """All rules of the organisation."""
    paths = (BUDGETS, LIMITS, "/api/v1/route/disconnect-policy", "/api/v1/route/store-policy")
    return [client.get(path).json() for path in paths]


def test_a_budget_is_set_replaced_and_removed(acme: httpx.Client) -> None:
    """The same scope, subject and window is the same budget; another window is another; one that
    becomes hard is a new one, because nobody has counted it (R-16)."""
    soft = set_one(acme, BUDGETS, ALL | {"hard": False})
    assert (soft["usd"], soft["hard"], soft["subject"], soft["subject_id"]) == (
        "1",
        False,
        "",
        None,
    )
    raised = set_one(acme, BUDGETS, ALL | {"hard": False, "usd": "2.500000001"})
    assert raised == soft | {"usd": "2.500000001", "remaining_usd": "2.500000001"}
    daily = set_one(acme, BUDGETS, ALL | {"window": "day"})
    hard = set_one(acme, BUDGETS, ALL)
    assert (hard["id"] != soft["id"], hard["hard"]) == (True, True)
    assert set_one(acme, BUDGETS, ALL | {"usd": "3"})["id"] == hard["id"], "it keeps its counter"
    listed = acme.get(BUDGETS).json()["items"]
    assert [(one["id"], one["usd"]) for one in listed] == [(daily["id"], "1"), (hard["id"], "3")]
    page = acme.get(f"{BUDGETS}?limit=1").json()
    assert [one["id"] for one in page["items"]] == [daily["id"]]
    onward = acme.get(f"{BUDGETS}?limit=1&cursor={page['next_cursor']}").json()
    assert [one["id"] for one in onward["items"]] == [hard["id"]]
    removed = acme.delete(f"{BUDGETS}/{hard['id']}").json()
    assert (removed["id"], removed["removed_at"] is not None) == (hard["id"], True)
    assert acme.get(f"{BUDGETS}/{hard['id']}").status_code == 404
    assert acme.delete(f"{BUDGETS}/{hard['id']}").status_code == 404
    assert acme.get(f"{BUDGETS}/{daily['id']}").status_code == 200


def test_windows_are_told_by_the_organisations_clock(acme: httpx.Client) -> None:
    """A day begins at midnight in Kolkata, 18:30 the day before in UTC (R-16)."""
    acme.patch("/api/v1/org", json={"time_zone": "Asia/Kolkata"})
    day = set_one(acme, BUDGETS, ALL | {"window": "day"})
    total = set_one(acme, BUDGETS, ALL)
    acme.patch("/api/v1/org", json={"time_zone": "UTC"})
    assert day["began_at"].endswith("T18:30:00Z")
    assert day["resets_at"].endswith("T18:30:00Z")
    assert (total["began_at"], total["resets_at"], total["forecast_usd"]) == (None, None, None)


def test_keys_and_teams_are_named_as_people_name_them(served: Served, acme: httpx.Client) -> None:
    """A key by name, beginning or id, a team by name or id: the same budget each time; a new name
    changes nothing (R-16)."""
    key = acme.post("/api/v1/keys", json={"name": "checkout"}).json()
    team = acme.post("/api/v1/teams", json={"name": "search"}).json()
    names = [("key", key[name]) for name in ("name", "prefix", "id")]
    names += [("team", text) for text in ("search", "SEARCH", team["id"])]
    seen = {
        (one["id"], one["subject"], one["subject_id"])
        for scope, subject in names
        for one in [set_one(acme, BUDGETS, ALL | {"scope": scope, "subject": subject})]
    }
    assert {(name, which) for _, name, which in seen} == {
        ("checkout", key["id"]),
        ("search", team["id"]),
    }
    assert len(seen) == 2
    acme.patch(f"/api/v1/teams/{team['id']}", json={"name": "discovery"})
    limit = set_one(acme, LIMITS, {"scope": "team", "subject": "discovery", "concurrency": 3})
    assert (limit["subject"], limit["subject_id"]) == ("discovery", team["id"])
    assert [one["subject"] for one in acme.get(BUDGETS).json()["items"]] == [
        "checkout",
        "discovery",
    ]
    acme.post("/api/v1/keys", json={"name": "checkout"})
    twice = acme.post(BUDGETS, json=ALL | {"scope": "key", "subject": "checkout"})
    assert (twice.status_code, "several keys" in twice.json()["detail"]) == (400, True)
    acme.delete(f"/api/v1/keys/{key['id']}")
    gone = acme.post(BUDGETS, json=ALL | {"scope": "key", "subject": key["id"]})
    assert (gone.status_code, "no such working key" in gone.json()["detail"]) == (400, True)


MONEY: list[object] = [
    *("NaN", "nan", "Infinity", "-Infinity", "-1", "-0.01", "0", "0.000000000", "", " 1", "1 "),
    *("1e3", "1E-9", "1e999999999", "9" * 30, "0." + "1" * 10, "9000000.000000001", "9000001"),
    *("+1", "1_000", "1,00", "0x10", "١", "１", "$1", "1.", ".5", "1\n", "1\x00", "null"),
    *(1, 1.5, 0, -1, True, None, [], {}, ["1"]),
]


@pytest.mark.parametrize("usd", MONEY, ids=repr)
def test_money_that_is_none_is_refused(acme: httpx.Client, usd: object) -> None:
    """The field is named, what was sent is not repeated, and nothing is stored."""
    before = everything(acme)
    refused = acme.post(BUDGETS, json=ALL | {"usd": usd})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")
    assert refused.json()["detail"].startswith("body.usd: ")
    drain = {"policy": "drain_up_to_usd", "usd": usd}
    policy = acme.put("/api/v1/route/disconnect-policy", json=drain)
    assert (policy.status_code, "usd" in policy.json()["detail"]) == (400, True)
    assert everything(acme) == before


KEY = {"scope": "key", "subject": "nobody"}
WRONG = [
    (BUDGETS, ALL | {"scope": "planet"}, "body.scope"),
    (BUDGETS, ALL | {"window": "year"}, "body.window"),
    (BUDGETS, ALL | {"hard": "yes"}, "body.hard"),
    (BUDGETS, ALL | {"soft": True}, "body.soft"),
    (BUDGETS, {"usd": "1"}, "body.scope"),
    (BUDGETS, ALL | {"subject": "acme"}, "body.subject"),
    (BUDGETS, ALL | KEY, "body.subject"),
    (BUDGETS, ALL | {"scope": "key"}, "body.subject"),
    (BUDGETS, ALL | {"scope": "team", "subject": "nobody"}, "body.subject"),
    (BUDGETS, ALL | {"scope": "tag", "subject": "two words"}, "body.subject"),
    (BUDGETS, ALL | {"scope": "tag", "subject": "é"}, "body.subject"),
    (BUDGETS, ALL | {"scope": "tag", "subject": "t" * 65}, "body.subject"),
    (BUDGETS, ALL | {"scope": "model", "subject": "m" * 257}, "body.subject"),
    (BUDGETS, ALL | {"scope": "model", "subject": "a\x00b"}, "body.subject"),
    (BUDGETS, ALL | {"scope": "route", "subject": ""}, "body.subject"),
    (LIMITS, {"scope": "organisation"}, "at least one of"),
    (LIMITS, {"scope": "organisation", "concurrency": None}, "at least one of"),
    (LIMITS, {"scope": "organisation", "concurrency": 0}, "body.concurrency"),
    (LIMITS, {"scope": "organisation", "concurrency": 1.5}, "body.concurrency"),
    (LIMITS, {"scope": "organisation", "concurrency": "3"}, "body.concurrency"),
    (LIMITS, {"scope": "organisation", "concurrency": True}, "body.concurrency"),
    (LIMITS, {"scope": "organisation", "requests_per_minute": -1}, "body.requests_per_minute"),
    (LIMITS, {"scope": "organisation", "tokens_per_minute": 10**30}, "body.tokens_per_minute"),
    (LIMITS, KEY | {"concurrency": 1}, "body.subject"),
]


@pytest.mark.parametrize(("path", "body", "says"), WRONG, ids=lambda value: repr(value)[-60:])
def test_a_rule_that_makes_no_sense_is_refused(
    acme: httpx.Client, path: str, body: dict[str, Any], says: str
) -> None:
    """What is wrong is named, and nothing is stored."""
    before = everything(acme)
    refused = acme.post(path, json=body)
    assert refused.status_code == 400
    assert says in refused.json()["detail"]
    assert everything(acme) == before


def test_another_organisations_keys_and_teams_do_not_exist(
    served: Served, acme: httpx.Client
) -> None:
    """Nobody can set a rule on what is not theirs, or learn from trying that it is there (K-11)."""
    with served.client(served.globex) as stranger:
        key = stranger.post("/api/v1/keys", json={"name": "theirs"}).json()
        team = stranger.post("/api/v1/teams", json={"name": "theirs"}).json()
    said = [
        acme.post(BUDGETS, json=ALL | {"scope": scope, "subject": subject}).json()["detail"]
        for scope, subjects in (
            ("key", (key["id"], "theirs", key["prefix"], "nobody")),
            ("team", (team["id"], "theirs", "nobody")),
        )
        for subject in subjects
    ]
    assert len(set(said)) == 2, "one answer for keys, one for teams"


def test_limits_are_set_replaced_and_removed(acme: httpx.Client) -> None:
    """What is given is limited, what is not is not; the same subject is the same limit (K-60)."""
    body = {"scope": "model", "subject": "gpt-5-mini", "requests_per_minute": 60}
    first = set_one(acme, LIMITS, body)
    assert (first["requests_per_minute"], first["tokens_per_minute"], first["concurrency"]) == (
        60,
        None,
        None,
    )
    body = {
        "scope": "model",
        "subject": "gpt-5-mini",
        "tokens_per_minute": 1,
        "concurrency": 10**12,
    }
    second = set_one(acme, LIMITS, body)
    assert second == first | body | {"requests_per_minute": None}
    assert acme.get(LIMITS).json()["items"] == [second]
    assert acme.get(f"{LIMITS}/{first['id']}").json() == second
    assert acme.delete(f"{LIMITS}/{first['id']}").status_code == 200
    assert acme.delete(f"{LIMITS}/{first['id']}").status_code == 404
    assert acme.get(LIMITS).json()["items"] == []


def test_policies_hold_until_they_are_changed(acme: httpx.Client) -> None:
    """Each has a default, one does not touch the other, and the amount belongs to one policy."""
    disconnect, store = "/api/v1/route/disconnect-policy", "/api/v1/route/store-policy"
    assert acme.get(disconnect).json() == {"policy": "abort", "usd": None}
    assert acme.get(store).json() == {"store_away": "open", "spool_full": "closed"}
    drain = {"policy": "drain_up_to_usd", "usd": "0.05"}
    assert acme.put(disconnect, json=drain).json() == drain
    closed = {"store_away": "closed", "spool_full": "open"}
    assert acme.put(store, json=closed).json() == closed
    assert (acme.get(disconnect).json(), acme.get(store).json()) == (drain, closed)
    for path, body, says in (
        (disconnect, {"policy": "drain", "usd": "1"}, "drain_up_to_usd"),
        (disconnect, {"policy": "drain_up_to_usd"}, "drain_up_to_usd"),
        (disconnect, {"policy": "wait"}, "body.policy"),
        (store, {"store_away": "ajar", "spool_full": "open"}, "body.store_away"),
        (store, {"store_away": "open"}, "body.spool_full"),
    ):
        refused = acme.put(path, json=body)
        assert (refused.status_code, says in refused.json()["detail"]) == (400, True), body
    assert (acme.get(disconnect).json(), acme.get(store).json()) == (drain, closed)
    assert acme.put(disconnect, json={"policy": "abort"}).json() == {"policy": "abort", "usd": None}
    acme.put(store, json={"store_away": "open", "spool_full": "closed"})


def test_figures_come_from_the_ledger_or_are_unknown(served: Served, acme: httpx.Client) -> None:
    """A soft budget shows what the ledger was charged, of its own subject alone. A hard one's
    figures are unknown, with the reason, while the counters do not answer: never 0 (R-16)."""
    org, _ = tenant_of(served, served.acme)
    spent = [
        (records.opened(org, tags=("eu",)), 250_000_000_000),
        (records.opened(org, tags=("eu", "batch")), 125_000_000_001),
        (records.opened(org, sent_model="claude-haiku-4-5"), 1_000_000_000_000),
        (records.opened(uuid.uuid4(), tags=("eu",)), 9_000_000_000_000),
    ]
    ship(served, [rated(one, cost_pico=cost) for one, cost in spent])
    subjects = [("organisation", None), ("tag", "eu"), ("tag", "batch"), ("tag", "none")]
    subjects += [("model", "claude-haiku-4-5"), ("route", "gpt-5-mini")]
    shown = [
        set_one(acme, BUDGETS, ALL | {"scope": scope, "subject": subject, "hard": False})
        for scope, subject in subjects
    ]
    assert [(one["spent_usd"], one["remaining_usd"], one["percent"]) for one in shown] == [
        ("1.375000000001", "-0.375000000001", 137.5),
        ("0.375000000001", "0.624999999999", 37.5),
        ("0.125000000001", "0.874999999999", 12.5),
        ("0", "1", 0.0),
        ("1", "0", 100.0),
        ("1.375000000001", "-0.375000000001", 137.5),
    ]
    assert {one["reserved_usd"] for one in shown} == {"0"}
    assert acme.get(BUDGETS).json()["items"] == shown
    full = acme.get(f"{BUDGETS}?over=100").json()["items"]
    assert [one["id"] for one in full] == [shown[0]["id"], shown[5]["id"], shown[4]["id"]]
    hard = set_one(acme, BUDGETS, ALL)
    money = ("spent_usd", "reserved_usd", "remaining_usd", "percent", "forecast_usd")
    assert [hard[name] for name in money] == [None] * 5
    assert "do not answer" in hard["unknown"]
    assert acme.get(BUDGETS).json()["items"][-1] == hard


def test_only_who_may_write_sets_rules(served: Served) -> None:
    """A viewer sees the rules and sets none (K-10)."""
    viewer = served.key(served.acme, roles=["viewer"])
    with served.client(viewer) as client:
        assert client.get(BUDGETS).status_code == 200
        assert client.post(BUDGETS, json=ALL).status_code == 403
        assert (
            client.post(LIMITS, json={"scope": "organisation", "concurrency": 1}).status_code == 403
        )
        policy = client.put("/api/v1/route/disconnect-policy", json={"policy": "drain"})
        assert policy.status_code == 403
