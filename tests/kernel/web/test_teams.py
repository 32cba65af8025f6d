"""Teams of keys, and the organisation's clock, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.control import Served


@pytest.fixture
def acme(served: Served) -> Iterator[httpx.Client]:
    """A client with acme's owner key."""
    with served.client(served.acme) as client:
        yield client


def made(client: httpx.Client, name: str) -> dict[str, object]:
    """A new team."""
    answer = client.post("/api/v1/teams", json={"name": name})
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_team_is_made_named_and_removed(acme: httpx.Client) -> None:
    """Its name is the organisation's own in any case, and free when the team is gone (K-10)."""
    search = made(acme, "Search")
    taken = acme.post("/api/v1/teams", json={"name": "sEARCH"})
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    other = made(acme, "ads")
    clash = acme.patch(f"/api/v1/teams/{other['id']}", json={"name": "SEARCH"})
    assert clash.status_code == 409
    renamed = acme.patch(f"/api/v1/teams/{search['id']}", json={"name": "discovery"}).json()
    assert renamed == search | {"name": "discovery"}
    assert acme.get("/api/v1/teams?limit=500").json()["items"] == [renamed, other]
    removed = acme.delete(f"/api/v1/teams/{search['id']}")
    assert (removed.status_code, removed.json()["removed_at"] is not None) == (200, True)
    assert acme.get("/api/v1/teams?limit=500").json()["items"] == [other]
    assert acme.delete(f"/api/v1/teams/{search['id']}").status_code == 404
    assert made(acme, "discovery")["id"] != search["id"]


def test_keys_belong_to_teams(acme: httpx.Client) -> None:
    """A key is made for a team by its name or id, moved, and taken out; a team with working keys
    stays, because its limits hold them (K-10, R-16)."""
    team, other = made(acme, "payments"), made(acme, "billing")
    by_name = acme.post("/api/v1/keys", json={"name": "a", "team": "PAYMENTS"}).json()
    by_id = acme.post("/api/v1/keys", json={"name": "b", "team": team["id"]}).json()
    assert (by_name["team"], by_id["team"]) == ("payments", "payments")
    listed = acme.get("/api/v1/keys").json()["items"]
    assert [key["team"] for key in listed[:2]] == ["payments", "payments"]
    refused = acme.delete(f"/api/v1/teams/{team['id']}")
    assert (refused.status_code, "2 working keys" in refused.json()["detail"]) == (409, True)
    moved = acme.patch(f"/api/v1/keys/{by_id['id']}", json={"team": "billing"}).json()
    assert moved["team"] == "billing"
    out = acme.patch(f"/api/v1/keys/{by_id['id']}", json={"team": None}).json()
    assert out["team"] is None
    acme.delete(f"/api/v1/keys/{by_name['id']}")
    assert acme.delete(f"/api/v1/teams/{team['id']}").status_code == 200
    revoked = acme.get("/api/v1/keys").json()["items"][1]
    assert revoked["team"] == "payments", "what it cost keeps its name"
    acme.delete(f"/api/v1/teams/{other['id']}")


def test_no_key_comes_into_a_team_that_is_not_there(served: Served, acme: httpx.Client) -> None:
    """An unknown, a removed and another organisation's team: 404, and no key is made (K-11)."""
    with served.client(served.globex) as stranger:
        theirs = made(stranger, "secret project")
    gone = made(acme, "gone")
    acme.delete(f"/api/v1/teams/{gone['id']}")
    before = acme.get("/api/v1/keys?limit=500").json()
    mine = before["items"][0]["id"]
    for team in ("nobody", "gone", gone["id"], theirs["id"], "secret project"):
        assert acme.post("/api/v1/keys", json={"name": "x", "team": team}).status_code == 404
        assert acme.patch(f"/api/v1/keys/{mine}", json={"team": team}).status_code == 404
    assert acme.patch(f"/api/v1/keys/{mine}", json={}).status_code == 400
    assert acme.get("/api/v1/keys?limit=500").json() == before


def test_an_organisation_goes_by_its_own_clock(served: Served, acme: httpx.Client) -> None:
    """Set by its owner, seen by any of its keys, and by nobody else (R-16)."""
    assert acme.get("/api/v1/org").json()["time_zone"] == "UTC"
    changed = acme.patch("/api/v1/org", json={"time_zone": "Europe/Berlin"}).json()
    assert (changed["org"], changed["time_zone"]) == ("acme", "Europe/Berlin")
    with served.client(served.key(served.acme, roles=["viewer"])) as viewer:
        assert viewer.get("/api/v1/org").json() == changed
        assert viewer.patch("/api/v1/org", json={"time_zone": "UTC"}).status_code == 403
    with served.client(served.globex) as stranger:
        assert stranger.get("/api/v1/org").json()["time_zone"] == "UTC"


@pytest.mark.parametrize(
    "name",
    [
        *("Mars/Base", "europe/berlin", "Europe", "../../etc/passwd", "/etc/localtime", "UTC\x00"),
        *("localtime", "Factory", "posixrules", "right/UTC", "+02:00", "", " UTC", "é" * 300, None),
    ],
)
def test_what_is_no_time_zone_is_refused(acme: httpx.Client, name: str | None) -> None:
    """Unknown names, files, and clocks that mean something else on each machine: the field is named
    and nothing changes (R-16)."""
    before = acme.get("/api/v1/org").json()
    refused = acme.patch("/api/v1/org", json={"time_zone": name})
    assert refused.status_code == 400
    assert "body.time_zone" in refused.json()["detail"]
    assert acme.get("/api/v1/org").json() == before
