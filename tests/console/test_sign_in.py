"""The way in and out: with a key, without script, and never on behalf of another site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from dd0c.kernel.web.requires import COOKIE
from tests.console.conftest import Visitor
from tests.support.control import Served

pytestmark = pytest.mark.browser

FORM = "/console/sign-in"
LEAVE = "/console/sign-out"


@contextmanager
def browsing(served: Served, key: str = "") -> Iterator[httpx.Client]:
    """A client that asks for pages and keeps cookies, as a browser does; signed in with a key."""
    with served.client() as client:
        client.headers["accept"] = "text/html"
        if key:
            answer = client.post(FORM, data={"key": key}, headers={"origin": served.url})
            assert answer.status_code == 303, answer.text
        yield client


def test_a_key_opens_the_console(visitor: Visitor, served: Served) -> None:
    """The page asked for comes after the form, and the key is in no address and no page (K-21)."""
    visit = visitor()
    visit.go("/console/route/requests?range=7d")
    assert visit.page.url == f"{served.url}{FORM}?next=%2Fconsole%2Froute%2Frequests%3Frange%3D7d"
    assert "owner.key" in visit.page.inner_text("main")
    visit.page.get_by_label("Key").fill(served.acme)
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url(f"{served.url}/console/route/requests?range=7d")
    assert served.acme not in visit.page.content()
    assert visit.page.get_by_role("link", name="7 d").get_attribute("aria-current") == "true"


def test_a_wrong_key_is_told_so_and_never_repeated(visitor: Visitor, served: Served) -> None:
    """The form says what is wrong with a key, and echoes nothing of it (K-20, K-40)."""
    visit = visitor(script=False)
    visit.go(FORM)
    for wrong, said in (
        ("sk-somebody-elses-secret", "not a key of dd0c"),
        (served.acme[:-1], "51 characters, this one 50"),
        ("dd0c_sk_" + "A" * 43, "No such key"),
    ):
        visit.page.get_by_label("Key").fill(wrong)
        visit.page.get_by_role("button", name="Sign in").click()
        assert said in visit.page.get_by_role("alert").inner_text()
        assert wrong not in visit.page.content()


def test_a_key_without_the_scope_stays_outside(served: Served) -> None:
    """A key that may only call the gateway is no way into the console (K-20)."""
    key = served.key(served.acme, scopes=["gateway"])
    with served.client() as client:
        answer = client.post(FORM, data={"key": key}, headers={"origin": served.url})
    assert answer.status_code == 403
    assert "lacks the scope `console`" in answer.text
    assert not answer.cookies


def test_the_cookie_is_out_of_reach(served: Served) -> None:
    """The session's cookie is HttpOnly and SameSite=Strict, and is not the key (K-21)."""
    with served.client() as client:
        answer = client.post(FORM, data={"key": served.acme}, headers={"origin": served.url})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=dd0c_ses_")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert served.acme not in cookie


def test_signing_out_ends_the_session_everywhere(visitor: Visitor, served: Served) -> None:
    """After signing out the old cookie opens nothing, not only here (K-21)."""
    visit = visitor()
    visit.sign_in(served.acme)
    cookies = {c["name"]: c["value"] for c in visit.page.context.cookies() if "name" in c}
    visit.page.locator(".who summary").click()
    visit.page.get_by_role("button", name="Sign out").click()
    visit.page.wait_for_url(f"{served.url}{FORM}")
    with browsing(served) as client:
        client.cookies.set(COOKIE, cookies[COOKIE])
        answer = client.get("/console/")
    assert answer.status_code == 303


def test_another_site_cannot_sign_anybody_in_or_out(served: Served) -> None:
    """A form of another origin, of none, or of another session changes nothing (K-21)."""
    with browsing(served, served.acme) as client, browsing(served, served.acme) as other:
        page = other.get("/console/").text
        foreign = page.partition('name="csrf" value="')[2].partition('"')[0]
        assert foreign
        own = client.get("/console/").text.partition('name="csrf" value="')[2].partition('"')[0]
        for headers, token in (
            ({"origin": "http://evil.example"}, own),
            ({"origin": "null"}, own),
            ({}, own),
            ({"origin": served.url}, foreign),
            ({"origin": served.url}, ""),
        ):
            refused = client.post(LEAVE, data={"csrf": token}, headers=headers)
            assert refused.status_code == 403, headers
            assert "<h1>" in refused.text
        assert client.get("/console/").status_code == 200
        left = client.post(LEAVE, data={"csrf": own}, headers={"origin": served.url})
        assert left.headers["location"] == FORM
        assert client.get("/console/").status_code == 303
    with browsing(served) as nobody:
        for origin in ("http://evil.example", "null", f"{served.url}0"):
            answer = nobody.post(FORM, data={"key": served.acme}, headers={"origin": origin})
            assert answer.status_code == 403
            assert not answer.cookies


def test_the_way_on_stays_inside(served: Served) -> None:
    """Whatever `next` says, sign-in leads to a page of this console."""
    with browsing(served) as client:
        for after in ("//evil.example/console/", "https://evil.example", "/console/\r\nx: y", "/"):
            answer = client.post(
                FORM, data={"key": served.acme, "next": after}, headers={"origin": served.url}
            )
            assert answer.headers["location"] == "/console/", after
        client.cookies.clear()
        assert client.get("/").headers["location"] == "/console/"
        assert client.get("/console/").headers["location"] == FORM
