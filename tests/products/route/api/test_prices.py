"""Prices over HTTP: the list, one's own in place of it, and what is refused (R-12)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.products.route.api.ledger import register
from tests.support import people
from tests.support.control import Served

OWN = {
    "provider": "openai",
    "model": "gpt-5-mini",
    "tiers": [
        {"input": "0.20", "cache_read": "0.02", "output": "1.60"},
        {"above": 100_000, "input": "0.4", "server_tools_per_1000": "8"},
    ],
    "from": "2026-11-01T00:00:00Z",
    "until": "2027-01-01T00:00:00Z",
    "note": "contract 17",
}
RESOLVED = [
    {"above": 0, "input": "0.2", "cache_read": "0.02", "output": "1.6", "reasoning": "1.6"},
    {
        "above": 100_000,
        "input": "0.4",
        "cache_read": "0.02",
        "output": "1.6",
        "reasoning": "1.6",
        "server_tools_per_1000": "8",
    },
]
PATH = "/api/v1/route/prices/overrides"


@pytest.fixture(scope="module")
def tenants(served: Served) -> Served:
    """The organisations, with the provider openai of everybody's."""
    register(served)
    return served


def add(served: Served, key: str, **changes: Any) -> Any:
    with served.client(key) as client:
        made = client.post(PATH, json=OWN | changes)
    assert made.status_code == 201, made.text
    return made.json()


def remove_all(served: Served, key: str) -> None:
    with served.client(key) as client:
        for one in client.get(PATH).json()["items"]:
            assert client.delete(f"{PATH}/{one['id']}").status_code == 200


def test_a_price_says_who_made_it(tenants: Served) -> None:
    """A person by the id of a person, a key by that of a key (K-60, R-12)."""
    acme = tenants.acme
    with people.member(tenants, acme, "Prudence Rice", "operator") as client:
        made = client.post(PATH, json=OWN, headers={"origin": tenants.url})
    assert made.status_code == 201, made.text
    assert made.json()["created_by"] == people.person(tenants, acme, "Prudence Rice")["id"]
    by_key = add(tenants, acme, model="gpt-5")
    with tenants.client(acme) as client:
        assert by_key["created_by"] == client.get("/api/v1/me").json()["key"]["id"]
        told = [one["created_by"] for one in client.get(PATH).json()["items"]]
    assert set(told) == {made.json()["created_by"], by_key["created_by"]}
    remove_all(tenants, acme)


def test_ones_own_price_takes_the_place_of_the_list(tenants: Served) -> None:
    """It is resolved when it is made, is what the price list then shows, for that organisation
    only; the list's other service tiers stay; when it is removed, the list holds again (R-12)."""
    made = add(tenants, tenants.acme)
    assert made["tiers"] == RESOLVED
    assert made["price_id"].startswith("prc_")
    seen = {}
    for key in (tenants.acme, tenants.globex):
        with tenants.client(key) as client:
            items = client.get("/api/v1/route/prices", params={"provider": "openai"}).json()
            [one] = [i for i in items["items"] if i["model"] == "gpt-5-mini"]
            shown = client.get("/api/v1/route/prices/openai/gpt-5-mini-2025-08-07").json()
            seen[key] = one, shown, client.get(PATH).json()["items"]
    (own, variants, _), (listed, others, nothing) = seen[tenants.acme], seen[tenants.globex]
    assert (own["source"], own["tiers"]) == ("override", RESOLVED)
    assert listed["source"] == "genai-prices 0.2.3"
    assert listed["tiers"][0]["input"] == "0.25"
    assert nothing == []
    first = variants["variants"][0]
    assert (first["source"], first["service_tier"]) == ("override", "standard")
    assert (first["from"], first["until"]) == ("2026-11-01T00:00:00Z", "2027-01-01T00:00:00Z")
    assert variants["variants"][1:] == others["variants"]
    assert {"flex", "standard"} <= {one["service_tier"] for one in others["variants"]}
    with tenants.client(tenants.globex) as client:
        assert client.delete(f"{PATH}/{made['id']}").status_code == 404
    remove_all(tenants, tenants.acme)
    with tenants.client(tenants.acme) as client:
        shown = client.get("/api/v1/route/prices/openai/gpt-5-mini").json()
    assert shown["variants"] == others["variants"]


BAD = [
    ({"tiers": [{"input": "NaN"}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "-1"}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "1e-3"}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "٣"}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "1." + "1" * 30}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "9" * 30}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "1000001"}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "1." + "1" * 13}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "2"}], "unit": "usd_per_token"}, "body.tiers.0.input"),
    ({"tiers": [{"input": 0.25}]}, "body.tiers.0.input"),
    ({"tiers": [{"input": "1", "inptu": "1"}]}, "body.tiers.0.inptu"),
    ({"tiers": [{"input": "1"}, {"above": 5}]}, "body.tiers.1"),
    ({"tiers": [{"input": "1"}, {"input": "2"}]}, "body.tiers.1.above"),
    ({"tiers": [{"above": 5, "input": "2"}]}, "body.tiers"),
    ({"tiers": []}, "body.tiers"),
    ({"unit": "eur_per_million_tokens"}, "body.unit"),
    ({"provider": "opnai"}, "body.provider"),
    ({"until": "2026-11-01T00:00:00Z"}, "body.until"),
    ({"from": "2026-11-01T00:00:00"}, "body.from"),
    ({"model": ""}, "body.model"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_a_bad_price_is_refused_by_the_name_of_its_field(
    tenants: Served, change: dict[str, Any], field: str
) -> None:
    """Not a number, negative, 30 digits, an unknown bucket, unit or provider: refused with the
    field named, alone and in a file, and of that file nothing is kept (R-12)."""
    with tenants.client(tenants.acme) as client:
        alone = client.post(PATH, json=OWN | change)
        good = OWN | {"model": "kept-half"}
        whole = client.post("/api/v1/route/prices/import", json={"prices": [good, OWN | change]})
        assert client.get(PATH).json()["items"] == []
    assert (alone.status_code, whole.status_code) == (400, 400)
    assert alone.json()["detail"].startswith(f"{field}: ")
    in_file = field.replace("body", "body.prices.1", 1)
    assert whole.json()["detail"].startswith(f"{in_file}: ")


def test_two_prices_of_one_time_are_refused(tenants: Served) -> None:
    """Periods of a model and service tier do not overlap, in the database or in a file; another
    service tier or time is another price, and the same price again is the same one (R-12)."""
    first = add(tenants, tenants.acme)
    add(tenants, tenants.acme, service_tier="flex")
    add(tenants, tenants.acme, **{"from": "2027-01-01T00:00:00Z", "until": None})
    add(tenants, tenants.globex)
    inside = {"from": "2026-12-31T23:59:59Z", "until": None, "note": None}
    with tenants.client(tenants.acme) as client:
        refused = client.post(PATH, json=OWN | inside)
        assert refused.status_code == 409
        assert refused.json()["detail"].startswith("body.from: openai/gpt-5-mini has a price from")
        assert f"dd0c route prices remove {first['id']} --at" in refused.json()["hint"]
        other = OWN | {"model": "m"}
        twice = {"prices": [other, other | {"until": None}]}
        refused = client.post("/api/v1/route/prices/import", json=twice)
        assert refused.status_code == 400
        assert refused.json()["detail"].startswith("body.prices.1.from: openai/m has a price")
        again = client.post("/api/v1/route/prices/import", json={"prices": [OWN]})
        assert again.json()["added"] == 0
        assert again.json()["items"][0]["id"] == first["id"]
        assert client.delete(f"{PATH}/{first['id']}?until=2026-12-01T00:00:00Z").status_code == 200
        assert client.post(PATH, json=OWN | {"from": "2026-12-01T00:00:00Z"}).status_code == 201
        late = client.delete(f"{PATH}/{first['id']}?until=2026-12-02T00:00:00Z")
        assert late.json()["detail"].startswith("query.until: ")
    for key in (tenants.acme, tenants.globex):
        remove_all(tenants, key)


def test_units_are_exact(tenants: Served) -> None:
    """A rate for a token or a thousand tokens is the same price as one for a million (R-12)."""
    rates = (("usd_per_token", "0.0000002"), ("usd_per_thousand_tokens", "0.0002"))
    made = {
        add(
            tenants,
            tenants.acme,
            unit=unit,
            model="m",
            service_tier=unit[:12],
            tiers=[{"input": rate, "request_per_1000": "3"}],
        )["price_id"]
        for unit, rate in (*rates, ("usd_per_million_tokens", "0.2"))
    }
    assert len(made) == 1
    remove_all(tenants, tenants.acme)


def test_who_may_read_may_not_write(tenants: Served) -> None:
    """A viewer sees prices and changes none."""
    with tenants.client(tenants.key(tenants.acme, roles=["viewer"])) as client:
        assert client.get(PATH).status_code == 200
        assert client.post(PATH, json=OWN).status_code == 403
        assert client.post("/api/v1/route/prices/import", json={"prices": [OWN]}).status_code == 403


def test_what_models_can_do_is_dated_and_unknown_where_it_is(tenants: Served) -> None:
    """A model has its window, most output, tools, vision, modes and end, with where that is from;
    what nobody says is null (R-12)."""
    with tenants.client(tenants.acme) as client:
        items = client.get("/api/v1/route/models", params={"provider": "openai"}).json()["items"]
    known = {item["model"]: item for item in items}
    mini = known["gpt-5-mini"]
    assert (mini["context"], mini["max_output"]) == (400_000, 128_000)
    assert (mini["tools"], mini["vision"], mini["state"]) == (True, True, "current")
    assert mini["modes"] == ["batch", "chat", "responses"]
    assert (mini["source"], mini["as_of"]) == ("model list of litellm 1.106.2", "2026-11-21")
    assert known["o1"]["state"] == "retired"
    assert known["o1"]["retires"] == "2026-10-23"
    unknown = known["davinci"]
    assert unknown["state"] == "unknown"
    facts = ("context", "max_output", "tools", "vision", "modes", "source", "as_of")
    assert [unknown[fact] for fact in facts] == [None] * 7


def test_how_old_the_prices_are(tenants: Served) -> None:
    """The list says its source and its date with every price (R-12)."""
    with tenants.client(tenants.acme) as client:
        shown = client.get("/api/v1/route/prices").json()["price_list"]
    assert (shown["source"], shown["as_of"]) == ("genai-prices 0.2.3", "2026-11-09")
    assert shown["stale"] is (shown["age_days"] > 45)
