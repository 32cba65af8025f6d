"""Requests over HTTP: the list, one with its story, and what another tenant sees of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dd0c.base import ids
from dd0c.products.route.api.requests import patience
from dd0c.products.route.models import AttemptOpened, Usage
from tests.products.route import records
from tests.products.route.api.ledger import rated, request_id, ship, tenant_of
from tests.support.control import Served

HOUR_US = 3_600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Ledger:
    """What acme did, oldest first: one every hour, the third of another model, the last cut."""

    served: Served
    attempts: list[AttemptOpened]


@pytest.fixture(scope="module")
def filled(served: Served) -> Ledger:
    """Six requests of acme and one of globex."""
    org, key = tenant_of(served, served.acme)
    other, other_key = tenant_of(served, served.globex)
    attempts = [
        records.opened(org, at_us=records.START_US + n * HOUR_US, key_id=key.bytes)
        for n in range(6)
    ]
    attempts[2] = records.opened(
        org, at_us=attempts[2].started_us, key_id=key.bytes, requested_model="claude-haiku-4-5"
    )
    rows = [rated(a) for a in attempts[:5]]
    rows.append(
        rated(
            attempts[5],
            end_reason="upstream_cut",
            usage=Usage(),
            usage_source="none",
            usage_raw=None,
            cost_pico=None,
            price_id=None,
            cost_reason="no_usage",
        )
    )
    theirs = records.opened(other, key_id=other_key.bytes, requested_model="globex-model")
    ship(served, [*rows, rated(theirs)])
    return Ledger(served, attempts)


def test_a_request_tells_its_whole_story(filled: Ledger) -> None:
    """One request answers what was asked, served, used, billed, by which price and when (R-10)."""
    served, first = filled.served, filled.attempts[0]
    with served.client(served.acme) as client:
        found = client.get(f"/api/v1/route/requests/{request_id(first)}").json()
    (attempt,) = found["attempts"]
    assert (found["org"], found["key"]["name"]) == ("acme", "owner")
    assert (found["endpoint"], found["dialect"], found["stream"]) == ("chat", "openai", False)
    expected = {
        "attempt": 1,
        "final": True,
        "requested_model": "gpt-5-mini",
        "served_model": "gpt-5-mini-2025-08-07",
        "provider": "openai",
        "status": 200,
        "end_reason": "complete",
        "usage_source": "provider",
        "delivered_output_tokens": 60,
        "upstream_output_tokens": 60,
        "cost_usd": "0.0001455",
        "cost_reason": None,
        "trace_id": bytes(range(16)).hex(),
        "started_at": "2026-11-03T12:00:00Z",
    }
    assert {name: attempt[name] for name in expected} == expected
    assert attempt["usage"] == {
        "input": 100,
        "cache_read": 20,
        "cache_write_5m": None,
        "cache_write_1h": None,
        "output": 50,
        "reasoning": 10,
    }
    assert found["cost_usd"] == "0.0001455"


def test_an_unknown_cost_is_null(filled: Ledger) -> None:
    """What was cut without usage has no cost and says why; it is never 0 (R-11)."""
    served = filled.served
    with served.client(served.acme) as client:
        found = client.get(f"/api/v1/route/requests/{request_id(filled.attempts[5])}").json()
    assert found["cost_usd"] is None
    assert found["attempts"][0]["cost_reason"] == "no_usage"
    assert set(found["attempts"][0]["usage"].values()) == {None}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"model": "claude-haiku-4-5"}, [2]),
        ({"model": "nothing"}, []),
        ({"end_reason": "upstream_cut"}, [5]),
        ({"cost": "unknown"}, [5]),
        ({"cost": "unknown", "model": "claude-haiku-4-5"}, []),
        ({"provider": "openai", "model": "claude-haiku-4-5"}, [2]),
        ({"provider": "other"}, []),
        ({"since": "2026-11-03T14:00:00Z", "until": "2026-11-03T16:00:00Z"}, [3, 2]),
        ({"since": "2026-11-03T15:00:00+01:00", "until": "2026-11-03T16:00:00Z"}, [3, 2]),
        ({"until": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_the_list_filters(filled: Ledger, query: dict[str, str], expected: list[int]) -> None:
    """Filters narrow the list, newest first, each request with its attempts."""
    served = filled.served
    with served.client(served.acme) as client:
        found = client.get("/api/v1/route/requests", params=query).json()
        mine = client.get("/api/v1/me").json()["key"]["id"]
        by_key = client.get("/api/v1/route/requests", params=query | {"key": mine}).json()
    assert [r["request_id"] for r in found["items"]] == [
        request_id(filled.attempts[n]) for n in expected
    ]
    assert all(len(r["attempts"]) == 1 for r in found["items"])
    assert by_key["items"] == found["items"]


def test_the_list_pages_under_its_filters(filled: Ledger) -> None:
    """Pages join without gap or double; a cursor of other filters is refused."""
    served, path = filled.served, "/api/v1/route/requests"
    with served.client(served.acme) as client:
        seen: list[str] = []
        params = {"limit": "2", "since": "2026-11-03T00:00:00Z"}
        for _ in range(3):
            page = client.get(path, params=params).json()
            seen += [r["request_id"] for r in page["items"]]
            cursor, params["cursor"] = params.get("cursor"), page["next_cursor"]
        assert page["next_cursor"] is None
        assert seen == [request_id(a) for a in reversed(filled.attempts)]
        assert client.get(path, params={"limit": "2", "cursor": cursor}).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "since=2026-11-03",
        "since=2026-11-03T00:00:00",
        "since=1950-01-01T00:00:00Z",
        "until=99999-01-01T00:00:00Z",
        "key=x",
        "key=req_00000000000000000000000000",
        "end_reason=finished",
        "cost=0",
        "model=",
        "model=%00",
        "model=" + "a" * 300,
        "cursor=AAAA",
        "modell=x",
    ],
)
def test_a_wrong_filter_is_a_400(filled: Ledger, query: str) -> None:
    """A filter that cannot be meant is refused and named, never ignored."""
    served = filled.served
    with served.client(served.acme) as client:
        refused = client.get(f"/api/v1/route/requests?{query}")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")


def test_two_tenants_on_requests(filled: Ledger) -> None:
    """Another organisation's requests are 404 by id and absent under every filter (K-11)."""
    served, ours = filled.served, [request_id(a) for a in filled.attempts]
    _, key = tenant_of(served, served.acme)
    with served.client(served.acme) as client:
        cursor = client.get("/api/v1/route/requests?limit=1").json()["next_cursor"]
        before = client.get("/api/v1/route/requests").text
    with served.client(served.globex) as client:
        for path in [f"/api/v1/route/requests/{one}" for one in ours]:
            refused = client.get(path)
            assert refused.status_code == 404
            assert "acme" not in refused.text
        for params in (
            {"limit": "500"},
            {"model": "gpt-5-mini"},
            {"key": ids.text(ids.Kind.KEY, key)},
            {"since": "2020-01-01T00:00:00Z"},
        ):
            answer = client.get("/api/v1/route/requests", params=params)
            assert answer.status_code == 200
            assert not any(one in answer.text for one in ours)
        assert len(client.get("/api/v1/route/requests").json()["items"]) == 1
        stolen = client.get("/api/v1/route/requests", params={"limit": "1", "cursor": cursor})
        assert stolen.status_code == 400
    with served.client(served.acme) as client:
        assert client.get("/api/v1/route/requests").text == before
        assert client.get(f"/api/v1/route/requests/{ours[0]}").status_code == 200


@pytest.fixture
def later() -> Iterator[list[threading.Thread]]:
    """Threads that are waited for."""
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


def test_a_request_can_be_read_right_after_it_was_made(
    filled: Ledger, later: list[threading.Thread]
) -> None:
    """The row of a fresh id is waited for while it is shipped (read after write)."""
    served = filled.served
    org, key = tenant_of(served, served.acme)
    fresh = records.opened(org, at_us=time.time_ns() // 1000, key_id=key.bytes)
    later.append(threading.Timer(0.3, ship, [served, [rated(fresh)]]))
    later[0].start()
    with served.client(served.acme) as client:
        found = client.get(f"/api/v1/route/requests/{request_id(fresh)}")
    assert found.status_code == 200


def test_waiting_has_an_end(filled: Ledger) -> None:
    """A fresh id that never comes is 404 after two seconds, an old one at once."""
    served = filled.served
    with served.client(served.acme) as client:
        for made_ms, least, most in ((time.time_ns() // 1_000_000, 1.9, 4.0), (1, 0.0, 1.0)):
            begun = time.monotonic()
            wanted = ids.text(ids.Kind.REQUEST, ids.new(made_ms))
            assert client.get(f"/api/v1/route/requests/{wanted}").status_code == 404
            assert least <= time.monotonic() - begun < most
    assert [patience(age) for age in (0.0, 4.9, 5.0, 1799.0, 1800.0)] == [2.0, 2.0, 0.5, 0.5, 0.0]
