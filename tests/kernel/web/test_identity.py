"""Organisations and keys over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dd0c.base import ids
from tests.support.control import Served


def test_who_am_i(served: Served) -> None:
    """A key learns its organisation, roles, scopes and permissions."""
    with served.client(served.acme) as client:
        me = client.get("/api/v1/me").json()
    assert (me["org"], me["roles"], me["key"]["name"]) == ("acme", ["owner"], "owner")
    assert me["permissions"] == [
        "audit:read",
        "autonomy:panic",
        "autonomy:write",
        "content:read",
        "content:write",
        "hooks:read",
        "hooks:write",
        "keys:read",
        "keys:write",
        "org:own",
        "org:write",
        "people:read",
        "people:write",
        "route:erase",
        "route:read",
        "route:write",
        "run:read",
        "run:write",
    ]
    assert me["scopes"] == ["api", "console", "gateway"]


def test_a_key_is_made_used_and_revoked(served: Served) -> None:
    """Its text is shown once; it works until it is revoked; again changes nothing (K-20)."""
    with served.client(served.acme) as client:
        answer = client.post("/api/v1/keys", json={"name": "grafana", "roles": ["admin"]})
        made = answer.json()
        listed = client.get("/api/v1/keys").json()["items"]
        assert answer.status_code == 201
        assert made["key"].startswith(made["prefix"])
        assert made["key"] not in client.get("/api/v1/keys").text
        assert listed[0] == {name: made[name] for name in listed[0]}
        with served.client(made["key"]) as theirs:
            assert theirs.get("/api/v1/me").json()["key"]["id"] == made["id"]
            revoked = client.delete(f"/api/v1/keys/{made['id']}").json()
            refused = theirs.get("/api/v1/me")
        assert client.delete(f"/api/v1/keys/{made['id']}").json() == revoked
        assert client.get("/api/v1/keys").json()["items"][0]["revoked_at"] == revoked["revoked_at"]
    assert (refused.status_code, refused.json()["detail"]) == (401, "this key was revoked")


def test_a_key_for_programs_by_default(served: Served) -> None:
    """Without roles and scopes a key is for the gateway only; with roles it works here too."""
    with served.client(served.acme) as client:
        plain = client.post("/api/v1/keys", json={"name": "app"}).json()
        viewer = client.post("/api/v1/keys", json={"name": "v", "roles": ["viewer"]}).json()
    assert (plain["roles"], plain["scopes"]) == (["viewer"], ["gateway"])
    assert viewer["scopes"] == ["api", "console", "gateway"]


def test_a_key_keeps_what_it_was_given(served: Served) -> None:
    """Models, scopes and expiry come back as they were given; an expired key is refused."""
    soon = datetime.now(UTC) + timedelta(seconds=1)
    wanted = {
        "name": "ci",
        "scopes": ["api"],
        "models": ["gpt-5-mini", "claude-haiku-4-5"],
        "expires_at": soon.isoformat(),
    }
    with served.client(served.acme) as client:
        made = client.post("/api/v1/keys", json=wanted).json()
    assert made["models"] == wanted["models"]
    assert datetime.fromisoformat(made["expires_at"]) == soon
    with served.client(made["key"]) as client:
        assert client.get("/api/v1/me").status_code == 200
        while datetime.now(UTC) < soon:
            client.get("/livez")
        assert client.get("/api/v1/me").json()["detail"] == "this key has expired"


def test_nobody_gives_more_than_they_have(served: Served) -> None:
    """An admin makes no platform key, an operator none at all, and the answer says why."""
    admin = served.key(served.acme, roles=["admin"])
    operator = served.key(served.acme, roles=["operator"])
    platform_only = served.key(served.platform, roles=["platform"])
    for maker, roles, says in (
        (admin, ["platform"], "platform:orgs, platform:panic, platform:parts"),
        (served.acme, ["owner", "platform"], "platform:orgs, platform:panic, platform:parts"),
        (operator, ["viewer"], "`keys:write`"),
        (platform_only, ["viewer"], "`keys:write`"),
    ):
        with served.client(maker) as client:
            refused = client.post("/api/v1/keys", json={"name": "x", "roles": roles})
        assert refused.status_code == 403
        assert says in refused.json()["detail"]


def test_a_platform_key_makes_keys_elsewhere(served: Served) -> None:
    """Only a platform key names another organisation; the key it makes is that tenant's."""
    wanted = {"name": "from above", "roles": ["viewer"], "org": "GLOBEX"}
    with served.client(served.acme) as client:
        refused = client.post("/api/v1/keys", json=wanted)
        own = client.post("/api/v1/keys", json=wanted | {"org": "acme"})
    with served.client(served.platform) as client:
        made = client.post("/api/v1/keys", json=wanted).json()
        unknown = client.post("/api/v1/keys", json=wanted | {"org": "nobody"})
    with served.client(made["key"]) as client:
        assert client.get("/api/v1/me").json()["org"] == "globex"
    assert made["org"] == "globex"
    assert "`platform:orgs`" in refused.json()["detail"]
    assert (refused.status_code, own.status_code, unknown.status_code) == (403, 201, 404)


def test_organisations_are_the_platforms(served: Served) -> None:
    """Creating and listing organisations needs the role platform; a name is unique in any case."""
    for key in (served.acme, served.globex):
        with served.client(key) as client:
            assert client.get("/api/v1/orgs").status_code == 403
            assert client.post("/api/v1/orgs", json={"name": "mine"}).status_code == 403
    with served.client(served.platform) as client:
        made = client.post("/api/v1/orgs", json={"name": "Größe & Söhne"})
        taken = client.post("/api/v1/orgs", json={"name": "größe & söhne"})
        names = [o["org"] for o in client.get("/api/v1/orgs").json()["items"]]
    assert made.status_code == 201
    assert made.json()["owner_key"].startswith("dd0c_sk_")
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    assert set(names) == {"default", "acme", "globex", "Größe & Söhne"}


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("orgs", {}, "body.name: Field required"),
        ("orgs", {"name": ""}, "body.name"),
        ("orgs", {"name": "a" * 65}, "body.name"),
        ("orgs", {"name": "a\x00b"}, "body.name"),
        ("orgs", {"name": " a"}, "body.name"),
        ("orgs", {"name": 7}, "body.name"),
        ("orgs", {"name": "x", "plan": "free"}, "body.plan"),
        ("keys", {"name": "x", "role": "owner"}, "body.role"),
        ("keys", {"name": "x", "roles": ["emperor"]}, "body.roles.0"),
        ("keys", {"name": "x", "roles": []}, "body.roles"),
        ("keys", {"name": "x", "scopes": ["moon"]}, "body.scopes.0"),
        ("keys", {"name": "x", "models": []}, "body.models"),
        ("keys", {"name": "x", "models": ["a\nb"]}, "body.models.0"),
        ("keys", {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "in the past"),
        ("keys", {"name": "x", "expires_at": "2030-01-01T00:00:00"}, "body.expires_at"),
        ("keys", {"name": "x", "expires_at": "9999-12-31T23:59:59-23:59"}, "1970 and 9998"),
        ("keys", [], "body"),
        ("keys", "x", "body"),
    ],
)
def test_a_wrong_body_names_the_field(served: Served, path: str, body: object, says: str) -> None:
    """A body that is not what we take is a 400 that names the field and makes nothing."""
    with served.client(served.platform) as client:
        before = client.get(f"/api/v1/{path}?limit=500").json()
        refused = client.post(f"/api/v1/{path}", json=body)
        assert client.get(f"/api/v1/{path}?limit=500").json() == before
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")
    assert says in refused.json()["detail"]


def test_lists_page_by_cursor(served: Served) -> None:
    """Pages join to the whole list; a cursor works only for its list and its organisation."""
    with served.client(served.globex) as client:
        for number in range(5):
            client.post("/api/v1/keys", json={"name": f"n{number}"})
        whole = client.get("/api/v1/keys?limit=500").json()
        assert whole["next_cursor"] is None
        pages: list[object] = []
        kept, params = "", {"limit": "2"}
        while params.get("cursor") is not None or not pages:
            page = client.get("/api/v1/keys", params=params).json()
            pages += page["items"]
            kept = page["next_cursor"] or kept
            params = {"limit": "2", "cursor": page["next_cursor"]}
        assert pages == whole["items"]
        flipped = kept[:-1] + ("A" if kept[-1] != "A" else "B")
        for odd in (flipped, kept[1:], kept + "A", "", "x", "%00", "ä" * 40, "a" * 128):
            assert client.get("/api/v1/keys", params={"cursor": odd}).status_code == 400, odd
    with served.client(served.acme) as client:
        assert client.get("/api/v1/keys", params={"cursor": kept}).status_code == 400
    with served.client(served.platform) as client:
        assert client.get("/api/v1/orgs", params={"cursor": kept}).status_code == 400
        assert client.get("/api/v1/orgs", params={"limit": 1}).json()["next_cursor"]


def test_two_tenants_on_keys(served: Served) -> None:
    """Another organisation's key is 404 to revoke and absent from lists, and goes on working."""
    theirs = served.key(served.acme, roles=["viewer"])
    with served.client(theirs) as client:
        key_id = client.get("/api/v1/me").json()["key"]["id"]
    with served.client(served.globex) as client:
        refused = client.delete(f"/api/v1/keys/{key_id}")
        assert key_id not in client.get("/api/v1/keys?limit=500").text
    with served.client(served.acme) as client:
        absent = client.delete(f"/api/v1/keys/{ids.text(ids.Kind.KEY, ids.new())}")
        assert key_id in client.get("/api/v1/keys?limit=500").text
    assert refused.status_code == absent.status_code == 404
    assert refused.json()["detail"] == absent.json()["detail"]
    with served.client(theirs) as client:
        assert client.get("/api/v1/me").status_code == 200
    with served.client(served.acme) as client:
        assert client.delete(f"/api/v1/keys/{key_id}").status_code == 200


@pytest.mark.parametrize(
    "key_id", ["x", "key_", "req_01jcq8z5m3t7v9w2x4y6z8a0b1", "key_" + "z" * 26]
)
def test_an_odd_id_is_a_400(served: Served, key_id: str) -> None:
    """What is no id of a key is said to be none."""
    with served.client(served.acme) as client:
        assert client.delete(f"/api/v1/keys/{key_id}").status_code == 400
