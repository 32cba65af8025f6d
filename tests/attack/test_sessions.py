"""Sessions: tokens that were changed, moved or planted, and forms that another page sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from dd0c.kernel.db import roles
from dd0c.kernel.web.requires import COOKIE
from tests.isolation.asking import filled, questions
from tests.isolation.tenants import Books, Tenant
from tests.support.control import Served

WITHOUT_TOKEN = {
    "POST /console/sign-in": "nobody is signed in yet; where it comes from is checked",
    "POST /console/invitation/{text}": "the same",
}
"""Forms that carry no token of a session."""


@pytest.fixture
def signed_in(served: Served) -> Iterator[httpx.Client]:
    """A browser of acme's owner."""
    with served.client() as browser:
        yield _sign_in(browser, served)


def _sign_in(browser: httpx.Client, served: Served) -> httpx.Client:
    browser.headers["origin"] = served.url
    answer = browser.post("/console/sign-in", data={"key": served.acme})
    assert answer.status_code == 303
    return browser


def _status(served: Served, cookie: bytes) -> int:
    """What a page answers to a header `cookie`."""
    with served.client() as client:
        answer = client.get("/api/v1/me", headers=[(b"cookie", cookie)])
    return answer.status_code


def test_a_token_is_whole_or_nothing(served: Served, signed_in: httpx.Client) -> None:
    """Any character changed, cut, added or spelled otherwise: nobody is signed in, and no odd
    cookie is a bug of ours (K-21)."""
    token = signed_in.cookies[COOKIE].encode()
    name = COOKIE.encode()
    assert _status(served, name + b"=" + token) == 200
    changed = [
        token[:place] + (b"A" if token[place : place + 1] != b"A" else b"B") + token[place + 1 :]
        for place in range(len(token))
    ]
    odd = [token[:-1], token + b"A", token.upper(), token.swapcase(), b"", b"%00", b"null", b"\xff"]
    odd += [token.replace(b"_", b"%5f"), b'"\\144\\104"', b"a" * 8_000, b"[]", b"../" * 9]
    for each in (*changed, *odd):
        assert _status(served, name + b"=" + each) == 401, each
    assert _status(served, name.upper() + b"=" + token) == 401


def test_one_secret_does_not_stand_for_another(served: Served, signed_in: httpx.Client) -> None:
    """A key is no session, a session no key, and neither is what pages call a session by."""
    token = signed_in.cookies[COOKIE]
    mark = signed_in.get("/console/settings.json").json()["this_session"]
    for cookie in (served.acme, mark):
        assert _status(served, f"{COOKIE}={cookie}".encode()) == 401
    for bearer in (token, mark):
        with served.client(bearer) as client:
            assert client.get("/api/v1/me").status_code == 401


def test_a_planted_session_is_replaced(served: Served) -> None:
    """Whoever signs in gets a token that nobody knew before (session fixation)."""
    planted = f"dd0c_ses_{secrets.token_urlsafe(32)}"
    with served.client() as browser:
        browser.headers["cookie"] = f"{COOKIE}={planted}"
        _sign_in(browser, served)
        assert browser.cookies[COOKIE] != planted
    assert _status(served, f"{COOKIE}={planted}".encode()) == 401


def test_the_cookie_is_the_browsers_alone(served: Served) -> None:
    """No script reads it, no other site sends it, no other host or path gets it; behind TLS it
    never travels without."""
    for scheme in ("http", "https"):
        origin = served.url.replace("http", scheme, 1)
        with served.client() as browser:
            answer = browser.post(
                "/console/sign-in", data={"key": served.acme}, headers={"origin": origin}
            )
        parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= parts
        assert ("secure" in parts) == (scheme == "https")
        assert not any(part.startswith("domain") for part in parts)


def test_every_form_is_ours_and_of_this_session(
    served: Served, acme: Tenant, signed_in: httpx.Client
) -> None:
    """Without the session's own token, with another session's or from another page, no form of the
    console changes anything (K-21)."""
    with served.client() as other:
        page = _sign_in(other, served).get("/console/keys/new").text
    theirs = page.split('name="csrf" value="')[1].split('"')[0]
    mine = signed_in.get("/console/keys/new").text.split('name="csrf" value="')[1].split('"')[0]
    forged: list[tuple[dict[str, str], dict[str, str]]] = [
        *(({"csrf": token}, {}) for token in ("", theirs, mine[:-1], mine.upper(), "é", "\x00")),
        *(({"csrf": mine}, {"origin": origin}) for origin in _origins(served)),
    ]
    forms = [
        each
        for each in questions(served.app)[0]
        if each.is_page and each.method == "POST" and each.route not in WITHOUT_TOKEN
    ]
    assert len(forms) > 20
    with psycopg.connect(
        served.database.conninfo(roles.OWNER).reveal(), autocommit=True
    ) as connection:
        books = Books(connection)
        before = books.read(acme.org)
        for form in forms:
            path = form.path.format_map(acme.names)
            for fields, headers in forged:
                body = (filled(form.body, acme.names) or {}) | fields
                answer = signed_in.post(path, data=body, headers=headers)
                assert answer.status_code == 403, (str(form), fields, headers, answer.text)
        assert books.read(acme.org) == before


def _origins(served: Served) -> list[str]:
    """Other pages, and what no page sends."""
    port = served.url.rpartition(":")[2]
    near = [f"http://127.0.0.1:{int(port) + 1}", f"http://localhost:{port}", f"{served.url}.evil"]
    return [*near, "null", "", "http://[", "http://", served.url.removeprefix("http://")]
