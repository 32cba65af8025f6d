"""The pages of keys: a key is shown once, found by name, and ended by intent."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.console.conftest import Visit, Visitor
from tests.support.control import Served

pytestmark = pytest.mark.browser

KEYS = "/console/keys"
TEXT = re.compile(r"dd0c_sk_[\w-]{43}")


@contextmanager
def browsing(served: Served, key: str) -> Iterator[httpx.Client]:
    """A signed-in client that asks for pages; a change of it comes from our own page."""
    with served.client() as client:
        client.headers.update({"accept": "text/html", "origin": served.url})
        assert client.post("/console/sign-in", data={"key": key}).status_code == 303
        yield client


def form_token(client: httpx.Client) -> str:
    """The token that this session's forms carry."""
    return client.get(KEYS).text.partition('name="csrf" value="')[2].partition('"')[0]


def test_a_key_is_made_shown_once_and_ended(owner: Visit, served: Served) -> None:
    """From form to end: the text is on one page only, works, and stops when its name is typed."""
    page = owner.page
    owner.go(KEYS)
    owner.follow(page.get_by_role("link", name="New key"))
    page.get_by_label("What it is for").fill("checkout service")
    page.get_by_label("api").check()
    page.get_by_label("It ends").select_option("30d")
    owner.follow(page.get_by_role("button", name="Make the key"))
    text = page.inner_text(".once pre")
    with served.client(text) as client:
        me = client.get("/api/v1/me").json()
    assert (me["key"]["name"], me["roles"], me["scopes"]) == (
        "checkout service",
        ["viewer"],
        ["api", "gateway"],
    )
    assert me["expires_at"] is not None
    owner.follow(page.get_by_role("link", name="I have it"))
    assert text not in page.content()
    page.get_by_text("Revoke this key…").click()
    page.get_by_label("Type checkout service to confirm").fill("checkout")
    owner.follow(page.get_by_role("button", name="Revoke this key"))
    assert "nothing was changed" in page.get_by_role("alert").inner_text()
    page.get_by_label("Type checkout service to confirm").fill("checkout service")
    owner.follow(page.get_by_role("button", name="Revoke this key"))
    assert "was revoked" in page.inner_text("h1")
    with served.client(text) as client:
        assert client.get("/api/v1/me").status_code == 401


def test_a_form_cannot_give_more_than_its_maker_has(served: Served) -> None:
    """A role that is not offered is refused all the same, and so is a key for nothing (K-20)."""
    admin = served.key(served.acme, roles=["admin"])
    good = {"name": "n", "roles": ["viewer"], "scopes": ["gateway"], "lifetime": "never"}
    with browsing(served, admin) as client:
        token = form_token(client)
        for changed, said in (
            ({"roles": ["platform"]}, "more than your own"),
            ({"scopes": []}, "works nowhere"),
            ({"roles": ["nonsense"]}, "roles"),
            ({"lifetime": "1000d"}, "when it ends"),
            ({"name": " "}, "name"),
        ):
            answer = client.post(f"{KEYS}/new", data=good | {"csrf": token} | changed)
            assert answer.status_code == 400, changed
            assert said in answer.text
        refused = client.post(f"{KEYS}/new", data=good)
        assert refused.status_code == 403
        made = client.post(f"{KEYS}/new", data=good | {"csrf": token})
        assert made.status_code == 200
        assert "dd0c_sk_" in made.text


def test_a_key_is_bound_changed_and_rotated_by_forms(served: Served) -> None:
    """Limits come with the key, networks and models may change, and the key that follows is shown
    once; what is wrong is said in the form, which keeps what was typed (K-20, K-60)."""
    good = {"name": "bound", "roles": ["viewer"], "scopes": ["api"], "lifetime": "90d"}
    bounds = {"networks": "127.0.0.0/8, ::1", "requests_per_minute": "60", "usd": "5"}
    with browsing(served, served.acme) as client, served.client(served.acme) as api:
        token = {"csrf": form_token(client)}
        for wrong, said in (
            ({"networks": "10.0.0.1/8"}, "which of both"),
            ({"concurrency": "a few"}, "a whole number"),
            ({"usd": "much"}, "US dollars"),
        ):
            answer = client.post(f"{KEYS}/new", data=good | bounds | token | wrong)
            assert (answer.status_code, said in answer.text) == (400, True), answer.text
            assert 'value="60"' in answer.text
        made = client.post(f"{KEYS}/new", data=good | bounds | token | {"window": "day"})
        text = TEXT.findall(made.text)[0]
        me = api.get("/api/v1/me", headers={"authorization": f"Bearer {text}"}).json()
        at = f"{KEYS}/{me['key']['id']}"
        limit, budget = (
            next(one for one in api.get(path).json()["items"] if one["subject"] == "bound")
            for path in ("/api/v1/route/limits", "/api/v1/route/budgets")
        )
        assert (limit["requests_per_minute"], limit["concurrency"]) == (60, None)
        assert (budget["usd"], budget["window"]) == ("5", "day")
        assert 'value="127.0.0.0/8 ::1/128"' in client.get(f"{at}/change").text
        kept = {"lifetime": "keep", "networks": "", "models": "gpt-5* o3"}
        assert "asterisk" in client.post(f"{at}/change", data=token | {"models": "*-mini"}).text
        assert client.post(f"{at}/change", data=token | kept).status_code == 303
        shown = client.get(f"{at}.json").json()["key"]
        assert (shown["models"], shown["networks"]) == (["gpt-5*", "o3"], None)
        assert shown["expires_at"] is not None
        assert "for how long" in client.post(f"{at}/rotate", data=token | {"overlap": "9y"}).text
        done = client.post(f"{at}/rotate", data=token | {"overlap": "1d"})
        (new,) = set(TEXT.findall(done.text))
        assert new != text
        for key in (text, new):
            headers = {"authorization": f"Bearer {key}"}
            assert api.get("/api/v1/me", headers=headers).status_code == 200
        again = client.post(f"{at}/rotate", data=token | {"overlap": "1d"})
        assert (again.status_code, "was rotated already" in again.text) == (409, True)
        assert "The key that follows it" in client.get(at).text


def test_ending_the_last_owner_is_said_before(visitor: Visitor, served: Served) -> None:
    """What happens is said exactly: you are signed out, and nobody could make keys (console.md)."""
    visit = visitor()
    visit.sign_in(served.globex)
    visit.go(f"{KEYS}?q=owner")
    visit.follow(visit.page.get_by_role("link", name="owner", exact=True))
    told = visit.page.text_content(".danger ul")
    assert "you will be signed out" in str(told)
    assert "last key with the role owner" in str(told)


def test_keys_are_looked_through_by_address(owner: Visit, served: Served) -> None:
    """State, text and order stand in the address; each key of the CSV is one of the list's."""
    for n in range(3):
        served.key(served.acme, name=f"=sum {n}", expires_at="2090-01-01T00:00:00Z")
    owner.go(f"{KEYS}?q=%3Dsum&sort=name")
    names = owner.page.locator("a[data-row]").all_inner_texts()
    assert names == ["=sum 0", "=sum 1", "=sum 2"]
    owner.follow(owner.page.get_by_role("link", name="Name"))
    assert owner.page.url.endswith("sort=-name")
    assert owner.page.locator("a[data-row]").all_inner_texts() == names[::-1]
    heads = owner.page.locator("th[aria-sort]")
    assert [h.get_attribute("aria-sort") for h in heads.all()] == ["descending", *["none"] * 3]
    owner.page.locator(".twin summary").click()
    link = owner.page.get_by_role("link", name="CSV").get_attribute("href")
    rows = list(csv.DictReader(io.StringIO(owner.page.request.get(served.url + str(link)).text())))
    assert [row["name"] for row in rows] == [f"'{name}" for name in names[::-1]]
    owner.page.get_by_label("State").select_option("expired")
    owner.page.wait_for_url(re.compile("state=expired"))
    assert owner.page.locator("[data-state=filtered]").count() == 1
    assert owner.go(f"{KEYS}?sort=hash") == 400


def test_pages_of_keys_hold_each_key_once(served: Served) -> None:
    """In each order, following `Next` shows every key once, whatever they are called."""
    keys = [served.key(served.globex, name=name) for name in ["same"] * 52]
    with browsing(served, served.globex) as client:
        client.headers["accept"] = "application/json"
        for sort in ("name", "-name", "created", "expires"):
            seen, at = [], f"{KEYS}?sort={sort}"
            while at:
                page = client.get(at).json()
                seen += [row["key"]["id"] for row in page["items"]]
                at = page["next"]
            assert len(seen) == len(set(seen)) == page["counts"]["working"], sort
            assert len(seen) > len(keys)


def test_nobody_sees_or_ends_a_key_of_another(served: Served) -> None:
    """Another organisation's key is a 404 to look at and to end, and it goes on working (K-11)."""
    with served.client(served.acme) as client:
        foreign = client.get("/api/v1/me").json()["key"]["id"]
    with browsing(served, served.globex) as client:
        data = {"csrf": form_token(client), "confirm": "owner"}
        assert client.get(f"{KEYS}/{foreign}").status_code == 404
        assert client.post(f"{KEYS}/{foreign}/revoke", data=data).status_code == 404
        assert foreign not in client.get(f"{KEYS}.json").text
        assert foreign not in client.get("/console/find.json?q=owner").text
    with browsing(served, served.acme) as client:
        assert client.get(f"{KEYS}/{foreign}").status_code == 200


def test_the_palette_goes_anywhere(owner: Visit, served: Served) -> None:
    """Ctrl-K finds pages and keys while one types; Enter goes there, Esc closes."""
    served.key(served.acme, name="billing export")
    page = owner.page
    page.keyboard.press("Control+k")
    page.keyboard.type("billing e")
    page.get_by_role("option", name="billing export").wait_for()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "billing export" in page.inner_text("h1")
    page.keyboard.press("Control+k")
    page.keyboard.type("part")
    page.get_by_role("option", name="Parts").wait_for()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()
    assert not owner.said


def test_search_without_script_lists_what_is_meant(visitor: Visitor, served: Served) -> None:
    """The same finds, as a page: several things of a name are listed; keys only to who may."""
    served.key(served.acme, name="weekly report")
    visit = visitor(script=False)
    visit.sign_in(served.acme)
    visit.page.get_by_role("searchbox").fill("weekly")
    visit.page.get_by_role("searchbox").press("Enter")
    assert "weekly report" in visit.page.inner_text("main")
    viewer = served.key(served.acme, roles=["viewer"])
    with browsing(served, viewer) as client:
        found = client.get("/console/find.json?q=weekly").json()
        assert {hit["kind"] for hit in found["hits"]} <= {"search", "page"}
        assert client.get(KEYS).status_code == 403


def test_a_key_is_made_for_a_team(served: Served) -> None:
    """The form offers the organisation's teams, a team that is gone is said to be, and the key's
    page and the list name its team (K-10)."""
    with served.client(served.acme) as client:
        client.post("/api/v1/teams", json={"name": "checkout"})
    fields = {"name": "of a team", "roles": "viewer", "scopes": "gateway", "team": "checkout"}
    with browsing(served, served.acme) as client:
        assert "<option>checkout</option>" in client.get(f"{KEYS}/new").text
        fields["csrf"] = form_token(client)
        gone = client.post(f"{KEYS}/new", data=fields | {"team": "gone"})
        assert (gone.status_code, "There is no such team." in gone.text) == (400, True)
        made = client.post(f"{KEYS}/new", data=fields)
        (path,) = re.findall(rf'href="({KEYS}/key_\w+)"', made.text)
        assert "<dd>checkout</dd>" in client.get(path).text
        assert ">checkout</td>" in client.get(KEYS).text
