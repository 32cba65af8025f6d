"""Erasing people, whom other organisations know as well."""

from __future__ import annotations

import re

from dd0c.kernel.web.requires import COOKIE
from tests.support.control import Served
from tests.support.people import PASSWORD, address, browsing, invite, join, member, person, sign_in

SETTINGS, PEOPLE = "/console/settings", "/console/people"


def test_an_erased_person_is_nobody_everywhere(served: Served) -> None:
    """Whoever runs the installation erases somebody by address, of whichever organisation: they are
    signed out, cannot come back, and no table knows name, address or password; what they did is
    still somebody's, and the address may be invited anew (K-14)."""
    with member(served, served.acme, "Annie Easley", "operator") as annie:
        found = person(served, served.acme, "Annie Easley")
        assert annie.get("/console/people").status_code == 200
        invite(served, served.globex, address("Annie Easley"))
        assert "annie.easley" in people_of(served)
        with served.client(served.acme) as owner, served.client(served.platform) as platform:
            body = {"person": address("Annie Easley").title()}
            assert owner.post("/api/v1/people/erase", json=body).status_code == 403
            answer = platform.post("/api/v1/people/erase", json=body)
            assert (answer.status_code, answer.json()["person"]) == (200, found["id"])
            again = platform.post("/api/v1/people/erase", json={"person": found["id"]})
            assert again.status_code == 200
            assert platform.post("/api/v1/people/erase", json=body).status_code == 404
            shown = owner.get(f"/api/v1/people/{found['id']}").json()
        assert (shown["name"], shown["state"]) == ("erased person", "erased")
        assert annie.get("/api/v1/me").status_code == 401
    left = people_of(served)
    assert "Easley" not in left
    assert "annie.easley" not in left
    with browsing(served) as back:
        assert sign_in(back, address("Annie Easley")).status_code == 401
        join(back, invite(served, served.acme, address("Annie Easley")), "Annie")
    assert person(served, served.acme, "Annie")["id"] != found["id"]


def test_the_last_owner_is_not_erased(served: Served) -> None:
    """An organisation whose only owner it is would have none: nothing is done (K-14, K-10)."""
    with member(served, served.globex, "Ida Rhodes", "owner") as ida:
        with served.client(served.platform) as platform:
            body = {"person": address("Ida Rhodes")}
            refused = platform.post("/api/v1/people/erase", json=body)
            assert refused.status_code == 409
            assert "globex" in refused.text
            assert ida.get("/api/v1/me").status_code == 200
            with member(served, served.globex, "Mina Rees", "owner"):
                assert platform.post("/api/v1/people/erase", json=body).status_code == 200
        assert ida.get("/api/v1/me").status_code == 401


def test_people_of_no_other_organisation_are_erased_with_it(served: Served) -> None:
    """Who belongs to another organisation too keeps their account, the others do not; the first
    organisation, one's own and one that is named wrongly stay; the name is free again (K-14)."""
    with served.client(served.platform) as platform, browsing(served) as both:
        made = platform.post("/api/v1/orgs", json={"name": "Hooli"}).json()
        join(both, invite(served, served.acme, "both@example.com"), "Both Ways")
        link = invite(served, made["owner_key"], "both@example.com")
        assert both.post(link, data={"password": PASSWORD}).status_code == 303
        hooli = both.cookies[COOKIE]
        with member(served, made["owner_key"], "Only Hooli", "owner"):
            erased = platform.delete(f"/api/v1/orgs/{made['id']}", params={"confirm": "Hooli"})
        assert erased.status_code == 202, erased.text
        left = people_of(served)
        assert ("Both Ways" in left, "Only Hooli" in left) == (True, False)
        with served.client() as browser:
            browser.cookies.set(COOKIE, hooli)
            assert browser.get("/api/v1/me").status_code == 401
        assert platform.post("/api/v1/orgs", json={"name": "Hooli"}).status_code == 201
        me = platform.get("/api/v1/me").json()
        own = platform.delete(f"/api/v1/orgs/{me['org_id']}", params={"confirm": me["org"]})
        assert (own.status_code, "you are in" in own.text) == (409, True)


def test_pages_say_what_is_erased_and_want_it_typed(served: Served) -> None:
    """Whoever runs the installation erases on the pages where others are shown, when the name, or
    address, was typed; owners of organisations are not offered it (K-14)."""
    wanted = invite(served, served.platform, "beatrice@example.com")
    with browsing(served) as platform, browsing(served) as owner, browsing(served) as beatrice:
        join(beatrice, wanted, "Beatrice Worsley")
        for client, key in ((platform, served.platform), (owner, served.acme)):
            client.post("/console/sign-in", data={"key": key})
        assert "/erase" not in owner.get(SETTINGS).text
        with served.client(served.platform) as api:
            assert api.post("/api/v1/orgs", json={"name": "Doomed"}).status_code == 201
        whom = person(served, served.platform, "Beatrice Worsley")["id"]
        for page, path, typed in (
            (SETTINGS, f"{SETTINGS}/organisations/erase", "Doomed"),
            (f"{PEOPLE}/{whom}", f"{PEOPLE}/{whom}/erase", "beatrice@example.com"),
        ):
            shown = platform.get(page).text
            assert f'action="{path}"' in shown
            csrf = re.findall(r'name="csrf" value="([0-9a-f]+)"', shown)[0]
            wrong = platform.post(path, data={"csrf": csrf, "confirm": typed.title()[:-1]})
            assert (wrong.status_code, 'role="alert"' in wrong.text) == (400, True)
            done = platform.post(path, data={"csrf": csrf, "confirm": typed})
            assert done.status_code == 303, done.text
            assert typed not in platform.get(page).text
        assert "erased person" in platform.get(f"{PEOPLE}/{whom}").text


def people_of(served: Served) -> str:
    """All that is kept of people, in any table of theirs."""
    with served.database.cluster.admin(served.database.name) as admin:
        rows = [
            row
            for query in (
                "SELECT p::text FROM kernel.people p",
                "SELECT i::text FROM kernel.invitations i WHERE revoked_at IS NULL",
            )
            for row in admin.execute(query).fetchall()
        ]
    return "\n".join(str(text) for (text,) in rows)
