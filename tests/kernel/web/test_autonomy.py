"""The brake over HTTP: who may press it, what it tells, and what it refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from fastapi.routing import iter_route_contexts

from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.db import roles
from dd0c.kernel.web.openapi import requirement
from tests.support.control import Served, serving_live
from tests.support.database import Cluster

PANIC, AUTONOMY = "/api/v1/admin/panic", "/api/v1/admin/autonomy"
HEADER = "x-dd0c-panic"
WITHIN_S = 20.0
ADMINISTER = {Role.OWNER, Role.ADMIN}
MAY = ADMINISTER | {Role.PLATFORM}


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server with a Valkey."""
    with serving_live(cluster) as served:
        yield served


@pytest.fixture(autouse=True)
def calm(served: Served) -> Iterator[None]:
    """No test leaves the brake on."""
    yield
    press(served, served.platform, "DELETE", everywhere=True)
    for key in (served.platform, served.acme, served.globex):
        assert press(served, key, "DELETE").json()["mode"] is None


def press(served: Served, key: str, method: str = "POST", **changed: object) -> httpx.Response:
    """Press the brake, or release it."""
    body = {"reason": "odd answers"} | ({"mode": "halt"} if method == "POST" else {}) | changed
    with served.client(key) as client:
        return client.request(method, PANIC, json=body)


def status(served: Served, key: str) -> dict[str, Any]:
    """How it stands."""
    with served.client(key) as client:
        found: dict[str, Any] = client.get(PANIC).json()
    return found


def events(served: Served, *names: str) -> list[tuple[Any, ...]]:
    """What was told of it, the oldest first: name, organisation, facts."""
    with psycopg.connect(served.database.conninfo(roles.OWNER).reveal()) as owner:
        return owner.execute(
            "SELECT name, org, facts, commitment IS NOT NULL FROM kernel.audit_outbox"
            " WHERE name = ANY(%s) ORDER BY id",
            (list(names),),
        ).fetchall()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("role", Role)
def test_owners_and_admins_have_the_brake_of_their_organisation(served: Served, role: Role) -> None:
    """K-63: every role sees whether it is on; owner, admin and who runs the installation put it on
    and off; everywhere only the last; the mode is set by owner and admin."""
    maker = served.platform if role is Role.PLATFORM else served.acme
    key = served.key(maker, roles=[role], scopes=["api"])
    assert status(served, key)["mode"] is None
    allowed = 200 if role in MAY else 403
    assert press(served, key).status_code == allowed
    press(served, maker)
    assert status(served, key)["mode"] == "halt"
    assert press(served, key, "DELETE").status_code == allowed
    everywhere = 200 if role is Role.PLATFORM else 403
    assert press(served, key, everywhere=True).status_code == everywhere
    assert press(served, key, "DELETE", everywhere=True).status_code == everywhere
    with served.client(key) as client:
        assert client.get(AUTONOMY).status_code == 200
        changed = client.put(AUTONOMY, json={"mode": "audit"}).status_code
    assert changed == (200 if role in ADMINISTER else 403)


def test_an_owner_stops_no_other_organisation(served: Served) -> None:
    """K-63, K-11: the panic of one is none of another's; that of everywhere is everybody's, and its
    reason is told to those only who run the installation."""
    assert press(served, served.globex, reason="secret of globex").status_code == 200
    assert "globex" not in str(status(served, served.acme))
    assert status(served, served.acme)["mode"] is None
    press(served, served.platform, everywhere=True, mode="passthrough", reason="all of us")
    theirs, ours = status(served, served.acme), status(served, served.platform)
    assert (theirs["mode"], theirs["everywhere"]["reason"]) == ("passthrough", None)
    assert ours["everywhere"]["reason"] == "all of us"
    assert status(served, served.globex)["mode"] == "halt", "the stricter holds"


def test_the_same_panic_twice_is_one(served: Served) -> None:
    """K-63: pressed twice it is one epoch and one event; stricter is another, and nothing that is
    pressed loosens what is on."""
    before = len(events(served, "PanicBegun"))
    first = press(served, served.acme, mode="passthrough").json()["organisation"]
    again = press(served, served.acme, mode="passthrough", reason="again")
    assert (again.status_code, again.json()["organisation"]) == (200, first)
    assert len(events(served, "PanicBegun")) == before + 1
    assert press(served, served.acme).json()["organisation"]["epoch"] == first["epoch"] + 1
    loose = press(served, served.acme, mode="passthrough")
    assert (loose.status_code, loose.json()["code"]) == (409, "panic")
    assert press(served, served.acme, "DELETE").json()["mode"] is None
    assert press(served, served.acme, "DELETE").status_code == 200
    assert press(served, served.acme).json()["organisation"]["epoch"] == first["epoch"] + 2


def test_what_is_done_is_told(served: Served) -> None:
    """K-63, K-50: begin, end and mode are events of the organisation, or of the installation's log,
    their reasons sealed; a release without a reason is none."""
    seen = len(events(served, "PanicBegun", "PanicEnded", "AutonomyChanged"))
    press(served, served.acme, mode="passthrough")
    press(served, served.platform, everywhere=True)
    press(served, served.platform, "DELETE", everywhere=True)
    assert press(served, served.acme, "DELETE", reason="").status_code == 400
    with served.client(served.acme) as client:
        assert client.request("DELETE", PANIC, json={}).status_code == 400
        was = client.get(AUTONOMY).json()["mode"]
        other = {"mode": "audit" if was == "strict" else "strict"}
        assert client.put(AUTONOMY, json=other).json() == other | {"panic": "passthrough"}
    found = events(served, "PanicBegun", "PanicEnded", "AutonomyChanged")[seen:]
    assert [name for name, *_ in found] == [
        *("PanicBegun", "PanicBegun", "PanicEnded", "AutonomyChanged")
    ]
    assert [org is None for _, org, *_ in found] == [False, True, True, False]
    assert [json.loads(facts).get("panic") for _, _, facts, _ in found] == [
        "passthrough",
        "halt",
        None,
        None,
    ]
    assert [sealed for *_, sealed in found] == [True, True, True, False]


def test_every_answer_says_that_a_panic_is_on(served: Served) -> None:
    """K-63: API, pages and their twins say so to those whom it concerns, refusals too."""
    press(served, served.acme)
    with served.client(served.acme) as mine, served.client(served.globex) as theirs:
        for path in ("/api/v1/me", "/api/v1/keys", "/api/v1/keys/key_nobody"):
            assert mine.get(path).headers[HEADER] == "halt"
            assert HEADER not in theirs.get(path).headers
        for client, panic in ((mine, "halt"), (theirs, None)):
            key = served.acme if client is mine else served.globex
            origin = {"origin": served.url}
            client.post("/console/sign-in", data={"key": key}, headers=origin)
            del client.headers["authorization"]
            page = client.get("/console/keys")
            assert page.headers.get(HEADER) == panic
            assert ('data-state="panic"' in page.text) == (panic is not None)
            assert client.get("/console/keys.json").json().get("panic") == panic


def test_while_it_is_on_no_configuration_changes(served: Served) -> None:
    """K-63: every endpoint and page of route that writes is refused with 409 `panic`, but for those
    that change nothing that requests are served by; keys can be revoked all the same."""
    key = served.key(served.acme)
    press(served, served.acme, mode="passthrough")
    ours = ("/api/v1/route/", "/console/budgets", "/console/prices", "/console/spend")
    asked = set()
    with served.client(served.acme) as client:
        for route in iter_route_contexts(served.app.routes):
            for method in (route.methods or set()) - {"GET", "HEAD"}:
                path = route.path_format or ""
                if path.startswith(ours) and requirement(route):
                    answer = client.request(method, path, json={})
                    asked.add(f"{method} {path}")
                    refused = answer.status_code == 409 and answer.json()["code"] == "panic"
                    assert refused != (path in SERVES_NOBODY), f"{method} {path}: {answer.text}"
        assert len(asked) > 12
        assert SERVES_NOBODY.keys() <= {one.partition(" ")[2] for one in asked}
        limited = {"name": "x", "limits": {"requests_per_minute": 1}}
        assert client.post("/api/v1/keys", json=limited).json()["code"] == "panic"
        mine = next(
            one
            for one in client.get("/api/v1/keys").json()["items"]
            if key.startswith(one["prefix"])
        )
        assert client.delete(f"/api/v1/keys/{mine['id']}").status_code == 200
        press(served, served.acme, "DELETE")
        wanted = {"scope": "organisation", "window": "day", "usd": "1"}
        assert client.post("/api/v1/route/budgets", json=wanted).status_code == 201


SERVES_NOBODY = {
    "/api/v1/route/end-users/erase": "takes people out of what was recorded",
    "/api/v1/route/rerate": "reckons the past anew",
    "/api/v1/route/reconciliations": "compares the past with an invoice",
}
