"""Every endpoint of the API by two organisations: the table has a row for each, or this fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dd0c.products.route.store import staging
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, request_id, ship, tenant_of
from tests.support.control import Served, serving
from tests.support.database import Cluster

PUBLIC = {("get", "/livez"), ("get", "/readyz"), ("get", "/metrics")}
MODEL = "acmes-model"
CURSORS = {"cursor", "budgets", "limits"}
DAY = datetime.now(UTC).replace(hour=12) - timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Row:
    """One call. The owner gets `own` and sees a mark of theirs, unless nothing is shown (`blind`);
    the stranger's same call gets `other` and no mark."""

    path: str
    own: int = 200
    other: int = 200
    body: dict[str, Any] | None = None
    blind: bool = False


def budget(scope: str, subject: str) -> dict[str, Any]:
    """A budget of acme's."""
    return {"scope": scope, "subject": subject, "window": "total", "usd": "1", "hard": False}


def price(model: str) -> dict[str, Any]:
    """A price of one's own."""
    return {"provider": "openai", "model": model, "tiers": [{"input": "1"}]}


def export(request: str) -> dict[str, Any]:
    """What a provider charged for a request."""
    text = f"date,model,request_id,cost_usd\n{DAY:%Y-%m-%d},theirs,{request},0.25"
    return {"provider": "csv", "export": text}


RERATE = {"since": "2020-01-01T00:00:00Z"}

# {…} in a path or body is filled with acme's ids. The last row for a path may destroy it.
MATRIX: dict[tuple[str, str], tuple[Row, ...]] = {
    ("get", "/api/v1/me"): (Row("/api/v1/me"),),
    ("get", "/api/v1/orgs"): (Row("/api/v1/orgs", 403, 403, blind=True),),
    ("post", "/api/v1/orgs"): (Row("/api/v1/orgs", 403, 403, {"name": "x"}, blind=True),),
    ("get", "/api/v1/health"): (Row("/api/v1/health", 403, 403, blind=True),),
    ("get", "/api/v1/parts"): (Row("/api/v1/parts", 403, 403, blind=True),),
    ("delete", "/api/v1/parts/{part_id}"): (Row("/api/v1/parts/x", 403, 403, blind=True),),
    ("get", "/api/v1/keys"): (Row("/api/v1/keys?limit=500"),),
    ("post", "/api/v1/keys"): (Row("/api/v1/keys", 201, 403, {"name": "x", "org": "acme"}),),
    ("patch", "/api/v1/keys/{key_id}"): (
        Row("/api/v1/keys/{key}", 200, 404, {"team": "{team}"}),
        Row("/api/v1/keys/{key}", 200, 404, {"team": None}),
    ),
    ("get", "/api/v1/org"): (Row("/api/v1/org"),),
    ("patch", "/api/v1/org"): (Row("/api/v1/org", body={"time_zone": "Asia/Tokyo"}),),
    ("get", "/api/v1/route/retention"): (Row("/api/v1/route/retention", blind=True),),
    ("put", "/api/v1/route/retention"): (
        Row("/api/v1/route/retention", body={"days": 90}, blind=True),
    ),
    ("get", "/api/v1/teams"): (Row("/api/v1/teams"),),
    ("post", "/api/v1/teams"): (Row("/api/v1/teams", 201, 201, {"name": "x"}, blind=True),),
    ("patch", "/api/v1/teams/{team_id}"): (
        Row("/api/v1/teams/{team}", 200, 404, {"name": "renamed"}),
    ),
    ("get", "/api/v1/route/requests"): (
        Row("/api/v1/route/requests"),
        Row(f"/api/v1/route/requests?model={MODEL}"),
        Row("/api/v1/route/requests?key={key}"),
        Row("/api/v1/route/requests?since=2020-01-01T00:00:00Z&end_reason=complete"),
        Row("/api/v1/route/requests?provider=openai&end_reason=complete"),
        Row("/api/v1/route/requests?limit=1&cursor={cursor}", 200, 400),
    ),
    ("get", "/api/v1/route/requests/{request_id}"): (
        Row("/api/v1/route/requests/{request}", 200, 404),
    ),
    ("get", "/api/v1/route/requests.csv"): (
        Row("/api/v1/route/requests.csv"),
        Row("/api/v1/route/requests.csv?since=2020-01-01T00:00:00Z&key={key}"),
    ),
    ("get", "/api/v1/route/usage"): tuple(
        Row(f"/api/v1/route/usage?by={by}&format={form}", blind=by in ("provider", "day"))
        for by in ("model", "key", "provider", "day")
        for form in ("json", "csv")
    ),
    ("get", "/api/v1/route/budgets"): (
        Row("/api/v1/route/budgets"),
        Row("/api/v1/route/budgets?over=0"),
        Row("/api/v1/route/budgets?limit=1&cursor={budgets}", 200, 400, blind=True),
    ),
    ("post", "/api/v1/route/budgets"): (
        Row("/api/v1/route/budgets", 201, 400, budget("key", "{key}")),
        Row("/api/v1/route/budgets", 201, 400, budget("team", "{team}")),
    ),
    ("get", "/api/v1/route/budgets/{budget_id}"): (
        Row("/api/v1/route/budgets/{budget}", 200, 404),
    ),
    ("delete", "/api/v1/route/budgets/{budget_id}"): (
        Row("/api/v1/route/budgets/{budget}", 200, 404),
    ),
    ("get", "/api/v1/route/limits"): (
        Row("/api/v1/route/limits"),
        Row("/api/v1/route/limits?limit=1&cursor={limits}", 200, 400, blind=True),
    ),
    ("post", "/api/v1/route/limits"): (
        Row(
            "/api/v1/route/limits",
            *(201, 400),
            {"scope": "key", "subject": "{key}", "tokens_per_minute": 9},
        ),
    ),
    ("get", "/api/v1/route/limits/{limit_id}"): (Row("/api/v1/route/limits/{limit}", 200, 404),),
    ("delete", "/api/v1/route/limits/{limit_id}"): (Row("/api/v1/route/limits/{limit}", 200, 404),),
    ("get", "/api/v1/route/disconnect-policy"): (
        Row("/api/v1/route/disconnect-policy", blind=True),
    ),
    ("put", "/api/v1/route/disconnect-policy"): (
        Row("/api/v1/route/disconnect-policy", body={"policy": "drain"}, blind=True),
    ),
    ("get", "/api/v1/route/store-policy"): (Row("/api/v1/route/store-policy", blind=True),),
    ("put", "/api/v1/route/store-policy"): (
        Row(
            "/api/v1/route/store-policy",
            body={"store_away": "closed", "spool_full": "open"},
            blind=True,
        ),
    ),
    ("get", "/api/v1/route/prices"): (Row("/api/v1/route/prices"),),
    ("get", "/api/v1/route/prices/{provider}/{model}"): (
        Row(f"/api/v1/route/prices/openai/{MODEL}", 200, 404),
    ),
    ("get", "/api/v1/route/prices/overrides"): (Row("/api/v1/route/prices/overrides"),),
    ("post", "/api/v1/route/prices/overrides"): (
        Row("/api/v1/route/prices/overrides", 201, 201, price("x"), blind=True),
    ),
    ("post", "/api/v1/route/prices/import"): (
        Row("/api/v1/route/prices/import", 201, 201, {"prices": [price("y")]}, blind=True),
    ),
    ("delete", "/api/v1/route/prices/overrides/{override_id}"): (
        Row("/api/v1/route/prices/overrides/{override}", 200, 404),
    ),
    ("get", "/api/v1/route/models"): (Row("/api/v1/route/models", blind=True),),
    ("post", "/api/v1/route/rerate"): (
        Row("/api/v1/route/rerate", body=RERATE),
        Row("/api/v1/route/rerate", body=RERATE | {"apply": True}),
    ),
    ("get", "/api/v1/route/tokens/accuracy"): (
        Row("/api/v1/route/tokens/accuracy"),
        Row(f"/api/v1/route/tokens/accuracy?model={MODEL}"),
    ),
    ("get", "/api/v1/route/reconciliations"): (Row("/api/v1/route/reconciliations"),),
    ("get", "/api/v1/route/reconciliations/{reconciliation_id}"): (
        Row("/api/v1/route/reconciliations/{reconciliation}", 200, 404),
    ),
    ("get", "/api/v1/route/waiting"): (
        Row("/api/v1/route/waiting"),
        Row("/api/v1/route/waiting?since=2020-01-01T00:00:00Z"),
    ),
    ("post", "/api/v1/route/reconciliations"): (
        Row("/api/v1/route/reconciliations", body=export("{lost}")),
    ),
    ("get", "/api/v1/route/providers"): (Row("/api/v1/route/providers", blind=True),),
    ("delete", "/api/v1/keys/{key_id}"): (Row("/api/v1/keys/{victim}", 200, 404),),
    ("delete", "/api/v1/teams/{team_id}"): (Row("/api/v1/teams/{team}", 200, 404),),
}


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server of these tests' own."""
    with serving(cluster) as served:
        yield served


@pytest.fixture(scope="module")
def names(served: Served) -> dict[str, str]:
    """Ids of what belongs to acme: two requests and one of unknown cost, the owner key, a key to
    revoke, a cursor."""
    org, key = tenant_of(served, served.acme)
    register(served)
    opened = [records.opened(org, key_id=key.bytes, requested_model=MODEL) for _ in range(2)]
    at_us = int(DAY.timestamp()) * 1_000_000
    lost = records.opened(org, at_us=at_us, key_id=key.bytes, sent_model=MODEL)
    ship(served, [*map(rated, opened), staging.Rated(lost, None, None, None, "lost")])
    with served.client(served.acme) as client:
        team = client.post("/api/v1/teams", json={"name": "search"}).json()
        made = client.post("/api/v1/keys", json={"name": "victim"}).json()
        me = client.get("/api/v1/me").json()
        page = client.get("/api/v1/route/requests?limit=1").json()
        for subject in (MODEL, "another"):
            rule = client.post("/api/v1/route/budgets", json=budget("model", subject)).json()
            limited = {"scope": "model", "subject": subject, "concurrency": 1}
            limit = client.post("/api/v1/route/limits", json=limited).json()
        own = client.post("/api/v1/route/prices/overrides", json=price(MODEL)).json()
        kept = client.post("/api/v1/route/reconciliations", json=export("no-such-request")).json()
        budgets = client.get("/api/v1/route/budgets?limit=1").json()
        limits = client.get("/api/v1/route/limits?limit=1").json()
    return {
        "org": me["org_id"],
        "key": me["key"]["id"],
        "victim": made["id"],
        "team": team["id"],
        "request": request_id(opened[0]),
        "second": request_id(opened[1]),
        "lost": request_id(lost),
        "reconciliation": kept["id"],
        "model": MODEL,
        "budget": rule["id"],
        "limit": limit["id"],
        "override": own["id"],
        "cursor": page["next_cursor"],
        "budgets": budgets["next_cursor"],
        "limits": limits["next_cursor"],
    }


def filled(value: Any, names: dict[str, str]) -> Any:
    """A value of a body with acme's ids in place of their names."""
    return value.format_map(names) if isinstance(value, str) else value


def acmes(served: Served) -> list[Any]:
    """All that acme has."""
    with served.client(served.acme) as client:
        paths = (
            *("/api/v1/org", "/api/v1/teams?limit=500", "/api/v1/keys?limit=500"),
            *("/api/v1/route/requests", "/api/v1/route/usage", "/api/v1/route/limits"),
            *("/api/v1/route/budgets", "/api/v1/route/disconnect-policy"),
            *("/api/v1/route/store-policy", "/api/v1/route/prices/overrides"),
            *("/api/v1/route/waiting", "/api/v1/route/reconciliations"),
        )
        return [client.get(path).json() for path in paths]


def test_every_endpoint_has_a_row(served: Served) -> None:
    """The application's own list of operations and the table are the same (K-11)."""
    with served.client() as client:
        paths = client.get("/api/openapi.json").json()["paths"]
    operations = {(method, path) for path, methods in paths.items() for method in methods}
    assert operations - PUBLIC == set(MATRIX)


@pytest.mark.parametrize(
    ("method", "row"),
    [(method, row) for (method, _), rows in MATRIX.items() for row in rows],
    ids=lambda value: value.path if isinstance(value, Row) else value,
)
def test_two_tenants(served: Served, names: dict[str, str], method: str, row: Row) -> None:
    """The stranger learns and changes nothing; the owner's same call works (K-11)."""
    path = row.path.format_map(names)
    marks = {mark for name, mark in names.items() if name not in CURSORS}
    marks -= {mark for mark in marks if mark in path}  # an echo of the question is no answer
    body = row.body and {k: filled(v, names) for k, v in row.body.items()}
    before = acmes(served)
    with served.client(served.globex) as client:
        other = client.request(method, path, json=body)
    assert other.status_code == row.other, other.text
    assert not [mark for mark in marks if mark in other.text]
    assert acmes(served) == before
    with served.client(served.acme) as client:
        own = client.request(method, path, json=body)
    assert own.status_code == row.own, own.text
    if not row.blind:
        assert own.text != other.text
        everything = [mark for name, mark in names.items() if name not in CURSORS]
        assert [mark for mark in everything if mark in own.text]
