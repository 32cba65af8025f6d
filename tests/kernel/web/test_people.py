"""People and invitations over HTTP: who comes in, what they may do, and how it ends."""

from __future__ import annotations

import re

import pytest

from dd0c.kernel.auth import passwords
from tests.support.control import Served
from tests.support.people import PASSWORD, address, browsing, invite, join, member, person, sign_in

FAILED = "The e-mail address or the password is not right"


def test_an_invitation_makes_a_member(served: Served) -> None:
    """The link is shown once and works once; who took it up signs in with the password (K-21)."""
    with served.client(served.acme) as owner, browsing(served) as client:
        link = invite(served, served.acme, "Grace@Example.com", roles=["operator"])
        listed = owner.get("/api/v1/invitations").json()["items"][0]
        assert (listed["email"], listed["state"]) == ("grace@example.com", "open")
        assert link.rpartition("/")[2] not in owner.get("/api/v1/invitations").text
        page = client.get(link)
        assert "Join acme" in page.text
        join(client, link, "  Grace \t Hopper ")
        me = client.get("/api/v1/me", headers={"accept": "application/json"}).json()
        assert (me["org"], me["key"], me["person"]["name"]) == ("acme", None, "Grace Hopper")
        assert (me["roles"], me["scopes"]) == (["operator"], ["console"])
        assert owner.get("/api/v1/invitations").json()["items"][0]["state"] == "used"
    with browsing(served) as again:
        assert again.get(link).status_code == 404
        assert again.post(link, data={"name": "x", "password": PASSWORD}).status_code == 404
        answer = sign_in(again, " GRACE@example.com ")
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
        assert again.get("/console/").status_code == 200


def test_failing_tells_nothing(served: Served) -> None:
    """Wrong password, unknown address, disabled account, one attempt too many: the same page with
    the same words and status, and no password or cookie in it (K-21)."""
    with member(served, served.platform, "Niklaus"), browsing(served) as client:
        found = person(served, served.platform, "Niklaus")
        wrong = sign_in(client, address("Niklaus"), "wrong password 123")
        with served.client(served.platform) as platform:
            path = f"/api/v1/people/{found['id']}"
            assert platform.patch(path, json={"disabled": True}).json()["state"] == "disabled"
        answers = [wrong, sign_in(client, address("Niklaus"))]
        answers += [sign_in(client, "nobody@example.com", "wrong password 123") for _ in range(7)]
        answers.append(sign_in(client, "no address at all", "wrong password 123"))
        assert {answer.status_code for answer in answers} == {401}
        pages = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
        assert len(pages) == 1
        assert FAILED in pages.pop()
        assert not client.cookies
        assert PASSWORD not in answers[1].text


def test_too_many_wrong_ones_lock_the_right_one_out(served: Served) -> None:
    """After five wrong passwords the right one does not help at once; a key still does (K-21)."""
    with member(served, served.acme, "Barbara"), browsing(served) as client:
        for _ in range(5):
            assert sign_in(client, address("Barbara"), "wrong password 123").status_code == 401
        assert sign_in(client, address("Barbara")).status_code == 401
        answer = client.post("/console/sign-in", data={"key": served.acme})
        assert answer.status_code == 303


def test_a_poor_password_is_told_what_is_wrong(served: Served) -> None:
    """The form says what is missing, keeps the name, never the password; the link stays (K-21)."""
    link = invite(served, served.acme, "kathleen@example.com")
    with browsing(served) as client:
        for password, said in (
            ("short one", "12 characters"),
            ("kathleen@example", "little more than a name"),
        ):
            answer = client.post(link, data={"name": "Kathleen", "password": password})
            assert answer.status_code == 400
            assert said in answer.text
            assert 'value="Kathleen"' in answer.text
            assert f'"{password}"' not in answer.text
        too_long = {"name": "K", "password": "x" * (passwords.BYTES_MAX + 1)}
        assert client.post(link, data=too_long).status_code == 400
        join(client, link, "Kathleen")


def test_an_address_of_somebody_is_not_taken_over(served: Served) -> None:
    """Another organisation's invitation to an address that has an account needs its password: no
    administrator becomes somebody by inviting them (K-10)."""
    with member(served, served.acme, "Radia"):
        link = invite(served, served.globex, address("Radia"), roles=["owner"])
        with browsing(served) as thief:
            for password in ("a password of my own", "another one of mine"):
                answer = thief.post(link, data={"name": "Radia", "password": password})
                assert answer.status_code == 400
                assert FAILED in answer.text
            assert not thief.cookies
        with browsing(served) as client:
            join(client, link, "ignored")
            me = client.get("/api/v1/me", headers={"accept": "application/json"}).json()
            assert (me["org"], me["person"]["name"]) == ("globex", "Radia")
    assert person(served, served.acme, "Radia")["roles"] == ["viewer"]
    assert person(served, served.globex, "Radia")["roles"] == ["owner"]


def test_removal_ends_sessions_at_once(served: Served) -> None:
    """Who is removed has no session, no way back by an own invitation, and stays elsewhere; what
    they did keeps their name (K-10, K-21)."""
    with (
        member(served, served.acme, "Frances", "owner") as client,
        served.client(served.acme) as owner,
    ):
        back = client.post("/api/v1/invitations", json={"email": "frances.two@example.com"}).json()
        found = person(served, served.acme, "Frances")
        with member(served, served.acme, "Jean", "owner"):
            removed = owner.delete(f"/api/v1/people/{found['id']}")
        assert (removed.status_code, removed.json()["state"]) == (200, "removed")
        answer = client.get("/api/v1/me", headers={"accept": "application/json"})
        assert answer.status_code == 401
        with browsing(served) as other:
            assert other.get(back["link"].removeprefix(served.url)).status_code == 404
            assert sign_in(other, address("Frances")).status_code == 401
        assert owner.get(f"/api/v1/people/{found['id']}").json()["name"] == "Frances"
        assert owner.delete(f"/api/v1/people/{found['id']}").status_code == 404


def test_the_last_owner_stays(served: Served) -> None:
    """Neither demoted nor removed nor disabled, by themselves or by a key (K-10)."""
    with served.client(served.platform) as platform:
        key = platform.post("/api/v1/orgs", json={"name": "umbrella"}).json()["owner_key"]
    with member(served, key, "Hedy", "owner"), served.client(key) as owner:
        path = f"/api/v1/people/{person(served, key, 'Hedy')['id']}"
        for change in ({"roles": ["admin"]}, None):
            refused = owner.patch(path, json=change) if change else owner.delete(path)
            assert refused.status_code == 409, change
            assert "last owner" in refused.json()["detail"]
        with member(served, key, "Lynn", "owner"):
            changed = owner.patch(path, json={"roles": ["admin"]})
            assert (changed.status_code, changed.json()["roles"]) == (200, ["admin"])


def test_nobody_gives_or_takes_more_than_they_have(served: Served) -> None:
    """An administrator makes no owner, demotes none and removes none; the role platform is not an
    organisation's to give (K-10)."""
    admin = served.key(served.acme, roles=["admin"], scopes=["api"])
    with member(served, served.acme, "Mary", "owner"), served.client(admin) as client:
        path = f"/api/v1/people/{person(served, served.acme, 'Mary')['id']}"
        invited = {"email": "new@example.com", "roles": ["owner"]}
        for refused in (
            client.post("/api/v1/invitations", json=invited),
            client.patch(path, json={"roles": ["viewer"]}),
            client.patch(path, json={"team": None}),
            client.patch(path, json={"platform": True}),
            client.delete(path),
        ):
            assert refused.status_code == 403, refused.text
        with served.client(served.acme) as owner:
            assert owner.patch(path, json={"platform": True}).status_code == 403
            assert owner.patch(path, json={"disabled": True}).status_code == 403
            for call in (
                owner.patch(path, json={"roles": ["platform"]}),
                owner.post("/api/v1/invitations", json=invited | {"roles": ["platform"]}),
            ):
                assert (call.status_code, call.json()["code"]) == (400, "invalid_input")


def test_a_person_may_run_the_installation(served: Served) -> None:
    """The role platform is a mark of the person, given and taken by who holds it (K-10)."""
    with (
        member(served, served.platform, "Margaret", "admin") as client,
        served.client(served.platform) as platform,
    ):
        path = f"/api/v1/people/{person(served, served.platform, 'Margaret')['id']}"
        assert client.get("/api/v1/orgs").status_code == 403
        assert platform.patch(path, json={"platform": True}).json()["platform"] is True
        assert client.get("/api/v1/orgs").status_code == 200
        platform.patch(path, json={"platform": False})
        assert client.get("/api/v1/orgs").status_code == 403


def test_invitations_end(served: Served) -> None:
    """A revoked one, and one that another to the same address replaced, open nothing (K-10)."""
    with served.client(served.acme) as owner, browsing(served) as client:
        first = invite(served, served.acme, "joan@example.com")
        second = invite(served, served.acme, "joan@example.com")
        assert client.get(first).status_code == 404
        assert client.get(second).status_code == 200
        newest = owner.get("/api/v1/invitations").json()["items"][0]
        revoked = owner.delete(f"/api/v1/invitations/{newest['id']}")
        assert revoked.json()["state"] == "revoked"
        assert client.get(second).status_code == 404
        for odd in ("x", "dd0c_inv_" + "A" * 43, "%00", "dd0c_inv_" + "A" * 42 + "%0a"):
            assert client.get(f"/console/invitation/{odd}").status_code == 404


def test_sessions_are_listed_and_ended(served: Served) -> None:
    """Everybody sees and ends their own; who administers people, those of all; nobody another
    organisation's (K-11, K-21)."""
    with (
        member(served, served.acme, "Annie") as annie,
        member(served, served.acme, "Ida") as ida,
        served.client(served.acme) as owner,
        served.client(served.globex) as stranger,
    ):
        own = annie.get("/api/v1/sessions").json()["items"]
        assert [each["name"] for each in own] == ["Annie"]
        theirs = ida.get("/api/v1/sessions").json()["items"][0]["id"]
        for other in (annie, stranger):
            assert other.delete(f"/api/v1/sessions/{theirs}").status_code == 404
        assert ida.get("/api/v1/me").status_code == 200
        names = {each["name"] for each in owner.get("/api/v1/sessions").json()["items"]}
        assert {"Annie", "Ida"} <= names
        assert owner.delete(f"/api/v1/sessions/{theirs}").status_code == 200
        assert ida.get("/api/v1/me").status_code == 401
        path = f"/api/v1/people/{person(served, served.acme, 'Annie')['id']}/sign-out"
        assert owner.post(path).json() == {"ended": 1}
        assert annie.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    "email", ["", "x", "a@", "@b", "a b@c.d", "a@b@c", "ä@b.c", "a@b\n", "a@-", f"{'a' * 250}@b.cd"]
)
def test_what_is_no_address_is_refused(served: Served, email: str) -> None:
    """One spelling for each person: ASCII, one `@`, no blanks (K-10)."""
    with served.client(served.acme) as owner:
        refused = owner.post("/api/v1/invitations", json={"email": email})
    assert refused.status_code == 400
    assert "body.email" in refused.json()["detail"]


def test_roles_say_what_they_hold(served: Served) -> None:
    """The table of permissions is the one that endpoints are checked against (K-10)."""
    with served.client(served.key(served.acme, roles=["viewer"])) as viewer:
        roles = {r["role"]: r["permissions"] for r in viewer.get("/api/v1/roles").json()["items"]}
        assert roles["viewer"] == viewer.get("/api/v1/me").json()["permissions"]
    assert set(roles["admin"]) < set(roles["owner"])
    assert "platform:orgs" in roles["platform"]
