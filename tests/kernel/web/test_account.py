"""One's own account, and the pages of people and teams, as forms without script."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.control import Served
from tests.support.people import PASSWORD, address, browsing, invite, join, member, person, sign_in

NEW = "seven green tractors sing"


def token(client: httpx.Client, path: str = "/console/settings") -> str:
    """What the forms of this session carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]{32})"', client.get(path).text)
    assert found is not None
    return found[1]


def send(client: httpx.Client, path: str, **fields: object) -> httpx.Response:
    """The answer to a form of one's own page."""
    return client.post(path, data={"csrf": token(client), **fields})


def test_another_password_ends_every_other_session(served: Served) -> None:
    """The old one is asked for; then it opens nothing, and who had a session is out (K-21)."""
    with (
        member(served, served.acme, "Dorothy") as client,
        browsing(served) as elsewhere,
        browsing(served) as again,
    ):
        assert sign_in(elsewhere, address("Dorothy")).status_code == 303
        path = "/console/settings/password"
        for fields, said in (
            ({"old": "not the password", "new": NEW}, "is not right"),
            ({"old": PASSWORD, "new": "short"}, "12 characters"),
        ):
            refused = send(client, path, **fields)
            assert (refused.status_code, said in refused.text) == (400, True)
            assert NEW not in refused.text
        assert send(client, path, old=PASSWORD, new=NEW).status_code == 303
        assert client.get("/console/").status_code == 200
        assert elsewhere.get("/console/").status_code == 303
        assert sign_in(again, address("Dorothy")).status_code == 401
        assert sign_in(again, address("Dorothy"), NEW).status_code == 303


def test_signing_out_everywhere(served: Served) -> None:
    """Every session of the person ends, in all organisations, and those of others stay (K-21)."""
    with (
        member(served, served.acme, "Evelyn") as client,
        browsing(served) as other,
        member(served, served.acme, "Betty") as stays,
    ):
        join(other, invite(served, served.globex, address("Evelyn")), "Evelyn")
        assert other.get("/api/v1/me").json()["org"] == "globex"
        answer = send(client, "/console/settings/sign-out-everywhere")
        assert answer.headers["location"] == "/console/sign-in"
        for gone in (client, other):
            assert gone.get("/console/").status_code == 303
        assert stays.get("/console/").status_code == 200


def test_going_to_another_organisation(served: Served) -> None:
    """One password, several organisations: each session is of one, and only of one's own (K-11)."""
    with member(served, served.acme, "Sophie") as client, browsing(served) as other:
        join(other, invite(served, served.globex, address("Sophie")), "Sophie")
        org = other.get("/api/v1/me").json()["org_id"]
        assert "Go to globex" in client.get("/console/settings").text
        before = dict(client.cookies)
        assert send(client, "/console/settings/organisation", org=org).status_code == 303
        assert client.get("/api/v1/me").json()["org"] == "globex"
        other.cookies.update(before)
        assert other.get("/console/").status_code == 303, "the session before is over"
        with member(served, served.acme, "Karen") as stranger:
            refused = send(stranger, "/console/settings/organisation", org=org)
        assert refused.status_code == 404


def test_pages_invite_change_and_remove(served: Served) -> None:
    """The forms do what the API does, under the same rules, and only for this session (K-10)."""
    with (
        member(served, served.acme, "Adele", "owner") as client,
        member(served, served.acme, "Erna", "owner"),
    ):
        made = send(client, "/console/people/invite", email="Vera@example.com", roles="viewer")
        link = re.search(r"http://[^<]*/console/invitation/dd0c_inv_[\w-]{43}", made.text)
        assert link is not None
        assert link[0] not in client.get("/console/people").text
        poor = send(client, "/console/people/invite", email="nobody", roles="viewer")
        assert (poor.status_code, "not an e-mail address" in poor.text) == (400, True)
        with browsing(served) as vera:
            join(vera, link[0].removeprefix(served.url), "Vera")
            path = f"/console/people/{person(served, served.acme, 'Vera')['id']}"
            assert "Invited by</dt><dd>Adele" in client.get(path).text
            assert send(client, f"{path}/change", roles=["operator"], team="").status_code == 303
            assert vera.get("/api/v1/me").json()["roles"] == ["operator"]
            assert send(vera, f"{path}/change", roles=["owner"]).status_code == 403
            assert client.post(f"{path}/remove", data={"confirm": "Vera"}).status_code == 403
            wrong = send(client, f"{path}/remove", confirm="vera")
            assert (wrong.status_code, "not their name" in wrong.text) == (400, True)
            assert vera.get("/console/").status_code == 200
            assert send(client, f"{path}/remove", confirm="Vera").status_code == 303
            assert vera.get("/console/").status_code == 303
        assert "is no longer a member" in client.get(path).text


def test_pages_of_teams(served: Served) -> None:
    """A team is made, named, shows its people and keys, and is removed when its name is typed."""
    with member(served, served.acme, "Hertha", "admin") as client:
        made = send(client, "/console/teams", name="Turbines")
        path = made.headers["location"]
        taken = send(client, "/console/teams", name="turbines")
        assert (taken.status_code, "already" in taken.text) == (400, True)
        assert send(client, f"{path}/rename", name="Rotors").headers["location"] == path
        with served.client(served.acme) as owner:
            owner.post("/api/v1/keys", json={"name": "spinning", "team": "Rotors"})
            one = person(served, served.acme, "Hertha")
            owner.patch(f"/api/v1/people/{one['id']}", json={"team": "Rotors"})
        page = client.get(path).text
        for said in ("Rotors", "Hertha", "spinning", "/console/budgets", "team=team_"):
            assert said in page
        wrong = send(client, f"{path}/remove", confirm="rotors")
        assert (wrong.status_code, "not its name" in wrong.text) == (400, True)
        refused = send(client, f"{path}/remove", confirm="Rotors")
        assert (refused.status_code, "working keys belong" in refused.text) == (400, True)
        assert send(client, f"{path}/rename", name=" ").status_code == 400


def test_a_viewer_sees_no_people(served: Served) -> None:
    """Without `people:read` the pages say so, and roles are for everybody (K-10)."""
    with member(served, served.acme, "Clara") as client:
        for path in ("/console/people", "/console/people/invite"):
            refused = client.get(path)
            assert (refused.status_code, "Not permitted" in refused.text) == (403, True)
        assert "platform:people" in client.get("/console/roles").text


@pytest.mark.parametrize("path", ["/console/people", "/console/teams", "/console/roles"])
def test_pages_have_twins(served: Served, path: str) -> None:
    """The same as JSON, under the same permission."""
    with member(served, served.acme, f"Twin {path[9:]}", "owner") as client:
        found = client.get(f"{path}.json")
    assert found.headers["content-type"] == "application/json"
    assert "items" in found.json()
