"""Keys over the API: bound, changed, rotated, and never the cause of a 500."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import open_pool
from tests.support.control import Served

FORM = "application/x-www-form-urlencoded"
ELSEWHERE = ["192.0.2.0/24"]
HERE = ["127.0.0.0/8", "::1"]
ODD = [
    b"",
    b"Bearer",
    b"Bearer dd0c_sk_",
    b"Bearer  dd0c_sk_" + b"a" * 43,
    b"Bearer dd0c_sk_" + b"\xff" * 43,
    b"Bearer dd0c_sk_" + "ä".encode() * 43,
    b"Bearer \x80\x81",
    b"Bearer dd0c_ses_" + b"a" * 43,
    b"Bearer ' OR 1=1 --",
    b"Bearer " + b"a" * 30_000,
    b"Basic Og==",
    b"dd0c_sk_" + b"a" * 43,
]


def make(served: Served, **wanted: object) -> dict[str, Any]:
    """A key of acme."""
    with served.client(served.acme) as client:
        answer = client.post("/api/v1/keys", json={"name": "made"} | wanted)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def me(served: Served, text: str, **headers: str) -> httpx.Response:
    """Who a key is, according to the API."""
    with served.client(text) as client:
        return client.get("/api/v1/me", headers=headers)


@pytest.mark.parametrize("given", ODD, ids=lambda given: ascii(given[:24]))
def test_an_odd_key_is_a_401_or_a_431(served: Served, given: bytes) -> None:
    """Whatever stands where a key should: never a 500, and never an echo of it (K-20)."""
    with served.client() as client:
        for header in (b"authorization", b"cookie"):
            value = given.replace(b"Bearer ", b"dd0c_session=") if header == b"cookie" else given
            answer = client.get("/api/v1/me", headers={header: value})
            assert answer.status_code == 401, (header, answer.text)
            assert "dd0c_sk_aaa" not in answer.text
        longer = {b"authorization": given + b"a" * 40_000}
        assert client.get("/api/v1/me", headers=longer).status_code == 431
        twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
        assert client.get("/api/v1/me", headers=twice).status_code == 401


@pytest.mark.parametrize("typed", ["", "\x00", "%ED%A0%80", "dd0c_sk_" + "ä" * 43, "a" * 100_000])
def test_an_odd_key_does_not_sign_in(served: Served, typed: str) -> None:
    """The form of the console takes anything, and says no (K-20)."""
    with served.client() as client:
        client.headers["origin"] = served.url
        body = typed if typed.startswith("%") else str(httpx.QueryParams(key=typed))[4:]
        client.headers["content-type"] = FORM
        answer = client.post("/console/sign-in", content=f"key={body}")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_key_is_held_to_its_networks(served: Served) -> None:
    """By the API, by signing in and by the session that there is; a forged header does not help,
    and a change holds at once (K-20)."""
    key = make(served, roles=["viewer"], networks=HERE)
    with served.client() as console, served.client(served.acme) as owner:
        console.headers["origin"] = served.url
        signed_in = console.post("/console/sign-in", data={"key": key["key"]})
        assert signed_in.status_code == 303
        assert console.get("/api/v1/me").status_code == 200
        at = f"/api/v1/keys/{key['id']}"
        changed = owner.patch(at, json={"networks": ELSEWHERE}).json()
        assert changed["networks"] == ELSEWHERE
        assert (
            me(served, key["key"])
            .json()["detail"]
            .startswith("this key may not be used from 127.0.0.1")
        )
        assert me(served, key["key"], **{"x-forwarded-for": "192.0.2.1"}).status_code == 403
        assert console.get("/api/v1/me").status_code == 403
        assert console.post("/console/sign-in", data={"key": key["key"]}).status_code == 403
        assert owner.patch(at, json={"networks": None}).json()["networks"] is None
    assert me(served, key["key"]).status_code == 200


def test_a_rotated_key_may_do_what_it_did(served: Served) -> None:
    """Over HTTP: the same bounds, both known, the old one over at once where there is no overlap;
    its text is in no other answer (K-20)."""
    old = make(served, roles=["viewer"], models=["gpt-5*"], networks=HERE)
    with served.client(served.acme) as owner:
        done = owner.post(f"/api/v1/keys/{old['id']}/rotate", json={"overlap_s": 0})
        assert done.status_code == 201
        new = done.json()
        shown = owner.get(f"/api/v1/keys/{old['id']}").json()
        again = owner.post(f"/api/v1/keys/{old['id']}/rotate", json={})
        listed = owner.get("/api/v1/keys").text
    same = ("name", "roles", "scopes", "models", "networks", "team", "expires_at")
    assert {n: new[n] for n in same} == {n: old[n] for n in same}
    assert (new["line"], new["follows"], shown["followed_by"]) == (old["id"], old["id"], new["id"])
    assert again.status_code == 409
    assert me(served, old["key"]).status_code == 401
    assert me(served, new["key"]).status_code == 200
    assert new["key"] not in listed


def test_nobody_gets_more_by_rotating(served: Served) -> None:
    """Who may write keys does not come by an owner's through rotation; another organisation's key
    is not there (K-10, K-11)."""
    owner_id = me(served, served.acme).json()["key"]["id"]
    admin = served.key(served.acme, roles=["admin"])
    plain = make(served)
    with served.client(served.globex) as client:
        assert client.post(f"/api/v1/keys/{plain['id']}/rotate", json={}).status_code == 404
        assert client.patch(f"/api/v1/keys/{plain['id']}", json={"models": None}).status_code == 404
    first = me(served, served.platform).json()["key"]["id"]
    with served.client(served.key(served.platform, roles=["admin"])) as client:
        refused = client.post(f"/api/v1/keys/{first}/rotate", json={})
        assert refused.status_code == 403
        assert "more than your own" in refused.json()["detail"]
    with served.client(admin) as client:
        assert client.post(f"/api/v1/keys/{plain['id']}/rotate", json={}).status_code == 201
        assert client.get(f"/api/v1/keys/{owner_id}").json()["followed_by"] is None


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"networks": []}, "networks"),
        ({"networks": ["10.0.0.1/8"]}, "which of both"),
        ({"networks": ["example.com"]}, "no address"),
        ({"networks": ["10.0.0.0/8"] * 101}, "networks"),
        ({"models": ["gpt-*-mini"]}, "asterisk"),
        ({"limits": {}}, "at least one"),
        ({"limits": {"concurrency": 0}}, "concurrency"),
        ({"limits": {"usd": "-1"}}, "body.limits.usd"),
        ({"limits": {"usd": "1", "window": "eon"}}, "window"),
    ],
)
def test_what_cannot_hold_makes_no_key(served: Served, wanted: dict[str, Any], said: str) -> None:
    """A bound that is refused is refused with the key: there is none without it (K-20, K-60)."""
    with served.client(served.acme) as client:
        before = len(client.get("/api/v1/keys", params={"limit": 100}).json()["items"])
        answer = client.post("/api/v1/keys", json={"name": "n"} | wanted)
        assert answer.status_code == 400
        assert said in answer.json()["detail"]
        assert len(client.get("/api/v1/keys", params={"limit": 100}).json()["items"]) == before


def test_a_key_comes_with_its_limits_and_keeps_them(served: Served) -> None:
    """Limit and budget are there with the key, and go on for its line: who means the key that
    follows means the same (K-20, K-60)."""
    limits = {"requests_per_minute": 60, "concurrency": 2, "usd": "20", "window": "day"}
    key = make(served, name="limited", limits=limits)
    with served.client(served.acme) as client:
        new = client.post(f"/api/v1/keys/{key['id']}/rotate", json={}).json()
        (limit,) = client.get("/api/v1/route/limits").json()["items"]
        (budget,) = client.get("/api/v1/route/budgets").json()["items"]
        for rule in (limit, budget):
            assert (rule["scope"], rule["subject_id"], rule["subject"]) == (
                "key",
                new["line"],
                "limited",
            )
        assert (limit["requests_per_minute"], limit["tokens_per_minute"]) == (60, None)
        assert (budget["usd"], budget["window"], budget["hard"]) == ("20", "day", True)
        again = {"scope": "key", "subject": new["id"], "concurrency": 3}
        client.post("/api/v1/route/limits", json=again)
        (limit,) = client.get("/api/v1/route/limits").json()["items"]
    assert (limit["subject_id"], limit["concurrency"]) == (key["id"], 3)


def test_what_has_ended_is_not_brought_back(served: Served) -> None:
    """The end of a key may be moved while it works, and only to a moment to come (K-20)."""
    key = make(served, roles=["viewer"])
    at = f"/api/v1/keys/{key['id']}"
    with served.client(served.acme) as client:
        assert client.patch(at, json={}).status_code == 400
        assert client.patch(at, json={"expires_at": "2020-01-01T00:00:00Z"}).status_code == 400
        later = client.patch(at, json={"expires_at": "2090-01-01T00:00:00Z", "models": ["m"]})
        assert later.json()["expires_at"] == "2090-01-01T00:00:00Z"
        client.post(f"{at}/rotate", json={"overlap_s": 60})
        assert client.patch(at, json={"expires_at": None}).status_code == 409
        client.delete(at)
        assert client.patch(at, json={"expires_at": None}).status_code == 409
    assert me(served, key["key"]).status_code == 401


def test_a_use_of_the_api_is_known_later(served: Served) -> None:
    """Of the key and of its session; a request refused for its address is no use (K-20)."""
    used, session, elsewhere, unused = (
        make(served, roles=["viewer"], networks=ELSEWHERE if n == 2 else HERE) for n in range(4)
    )
    assert me(served, used["key"]).status_code == 200
    assert me(served, elsewhere["key"]).status_code == 403
    with served.client() as console:
        console.headers["origin"] = served.url
        console.post("/console/sign-in", data={"key": session["key"]})

    async def write() -> None:
        pool = await open_pool(served.database.conninfo(roles.APP), roles.APP, 1)
        await served.app.state.resources.uses.write(pool)
        await pool.close()

    asyncio.run(write())
    with served.client(served.acme) as client:
        found = [
            client.get(f"/api/v1/keys/{key['id']}").json()["last_used_at"]
            for key in (used, session, elsewhere, unused)
        ]
    assert [at is not None for at in found] == [True, True, False, False]
