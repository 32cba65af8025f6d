"""Signing in through a provider of identities: an independent one, and one that lies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import KeySet, OctKey, RSAKey

from dd0c.base.secrets import Secret
from dd0c.kernel.web.requires import COOKIE
from tests.support import identity
from tests.support.control import Served, serving
from tests.support.database import Cluster
from tests.support.identity import Liar
from tests.support.people import browsing, invite, join, person, sign_in
from tests.support.plain import NO_TLS
from tests.support.told import told

START, BACK = "/console/oidc/start", "/console/oidc/back"
GRACE = {"email": "grace@example.com", "email_verified": True, "name": "Grace Hopper"}


def settings(issuer: str) -> dict[str, Any]:
    """A console that knows this provider."""
    return {
        "oidc_issuer": issuer,
        "oidc_client_id": "dd0c",
        "oidc_client_secret": Secret("a secret of the provider"),
        "oidc_domains": "corp.example, other.example",
    }


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """An oidc-provider-mock."""
    with identity.mock() as url:
        yield url


@pytest.fixture(scope="module")
def served(cluster: Cluster, issuer: str) -> Iterator[Served]:
    """A console that knows it."""
    with serving(cluster, **settings(issuer)) as served:
        yield served


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    """A provider whose words can be changed."""
    with identity.lying() as liar:
        yield liar


@pytest.fixture(scope="module")
def gullible(cluster: Cluster, liar: Liar) -> Iterator[Served]:
    """A console that knows the liar."""
    with serving(cluster, **settings(liar.url)) as served:
        yield served


def authorise(
    client: httpx.Client, issuer: str, claims: dict[str, Any], **begin: str
) -> httpx.Response:
    """Go to the provider, say there who one is, and come back."""
    sub = str(claims["sub"])
    told = {name: value for name, value in claims.items() if name != "sub"}
    with httpx.Client(verify=NO_TLS, trust_env=False) as browser:
        browser.put(f"{issuer}/users/{sub}", json=told).raise_for_status()
        there = client.get(START, params=begin)
        assert there.status_code == 303, there.text
        back = browser.post(there.headers["location"], data={"sub": sub}).headers["location"]
    return client.get(back)


def test_an_invited_person_comes_in(served: Served, issuer: str) -> None:
    """With PKCE, state and nonce; the answer goes on from here, since a Strict cookie does not come
    along from another site; the next time no invitation is needed, and the log is told (K-21)."""
    link = invite(served, served.acme, "grace@example.com", roles=["operator"])
    with browsing(served) as client:
        assert "Join with 127.0.0.1" in client.get(link).text
        there = client.get(START, params={"invitation": link.rpartition("/")[2]})
        asked = {k: v[0] for k, v in parse_qs(urlsplit(there.headers["location"]).query).items()}
        assert asked["code_challenge_method"] == "S256"
        assert len({asked["code_challenge"], asked["state"], asked["nonce"]}) == 3
        assert asked["redirect_uri"] == f"{served.url}{BACK}"
        cookie = there.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/console/oidc" in cookie
        invitation = {"invitation": link.rpartition("/")[2]}
        page = authorise(client, issuer, {"sub": "g-1", **GRACE}, **invitation)
        assert (page.status_code, "You are signed in" in page.text) == (200, True)
        assert "SameSite=strict" in page.headers["set-cookie"]
        me = client.get("/api/v1/me").json()
        assert (me["org"], me["person"]["name"], me["roles"]) == (
            "acme",
            "Grace Hopper",
            ["operator"],
        )
    with browsing(served) as again:
        moved = {"sub": "g-1", "email": "new@example.com", "email_verified": True}
        page = authorise(again, issuer, moved, next="/console/settings")
        assert 'content="0;url=/console/settings"' in page.text
        assert again.get("/api/v1/me").json()["person"]["name"] == "Grace Hopper"
    assert person(served, served.acme, "Grace Hopper")["provider"] == issuer
    heard = [each.name for each in told(served.database)]
    assert heard[-4:] == ["IdentitySet", "InvitationAccepted", "SignedIn", "SignedIn"]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"sub": "s-1", "email": "stranger@example.com", "email_verified": True}, "invited"),
        ({"sub": "s-2", "email": "x@corp.example", "email_verified": False}, "verified"),
        ({"sub": "s-3", "email": "x@corp.example"}, "verified"),
        ({"sub": "s-4", "email": "x@corp.example", "email_verified": "true"}, "verified"),
        ({"sub": "s-5", "email": "x@evil-corp.example", "email_verified": True}, "invited"),
        ({"sub": "s-6"}, "verified"),
    ],
)
def test_strangers_stay_outside(
    served: Served, issuer: str, claims: dict[str, Any], said: str
) -> None:
    """Without an invitation or a verified address of a named domain nobody comes in (K-21)."""
    with browsing(served) as client:
        page = authorise(client, issuer, claims)
        assert (page.status_code, said in page.text) == (403, True)
        assert COOKIE not in client.cookies


def test_an_invitation_is_to_one_address(served: Served, issuer: str) -> None:
    """Somebody else who has the link is refused, and it still works for its address (K-21)."""
    link = invite(served, served.acme, "ada@example.com")
    with browsing(served) as client:
        thief = {"sub": "t-1", "email": "thief@corp.example", "email_verified": True}
        page = authorise(client, issuer, thief, invitation=link.rpartition("/")[2])
        assert page.status_code == 403
        assert COOKIE not in client.cookies
        assert client.get(link).status_code == 200


def test_a_domain_may_come_in(served: Served, issuer: str) -> None:
    """As a viewer of the first organisation, and no more (K-21)."""
    with browsing(served) as client:
        who = {"sub": "c-1", "email": "Joe@Corp.example", "email_verified": True, "name": "Joe"}
        assert authorise(client, issuer, who).status_code == 200
        me = client.get("/api/v1/me").json()
        assert (me["org"], me["roles"]) == ("default", ["viewer"])


def test_who_proves_the_address_owns_the_account(served: Served, issuer: str) -> None:
    """Somebody took an account with an address that was not theirs: its owner comes through the
    provider, and their password and sessions are gone (K-21)."""
    link = invite(served, served.acme, "ceo@example.com")
    owner = {"sub": "ceo", "email": "ceo@example.com", "email_verified": True}
    with browsing(served) as squatter, browsing(served) as client:
        join(squatter, link, "Somebody else")
        assert authorise(client, issuer, owner).status_code == 200
        assert squatter.get("/console/").status_code == 303
        assert sign_in(squatter, "ceo@example.com").status_code == 401
        assert client.get("/console/").status_code == 200
    with browsing(served) as other:
        second = authorise(other, issuer, owner | {"sub": "another ceo"})
        assert (second.status_code, "another identity" in second.text) == (403, True)


def test_only_what_was_begun_here_ends_here(served: Served, issuer: str) -> None:
    """A code that another browser fetched, a state of nobody's, and an answer twice are refused: no
    one is signed in as somebody else (K-21)."""
    who = {"sub": "c-2", "email": "jill@corp.example", "email_verified": True}
    with browsing(served) as client, browsing(served) as victim:
        authorise(client, issuer, who)
        with httpx.Client(verify=NO_TLS, trust_env=False) as browser:
            there = client.get(START).headers["location"]
            back = browser.post(there, data={"sub": "c-2"}).headers["location"]
        assert victim.get(back).status_code == 401
        victim.get(START)
        assert victim.get(back).status_code == 401
        assert client.get(back).status_code == 200
        assert client.get(back).status_code == 401
        for odd in ("x", "e30=", "bm90IGpzb24=", "eyJzdGF0ZSI6MX0="):
            victim.cookies.clear()
            victim.cookies.set("dd0c_oidc", odd, path="/console/oidc")
            assert victim.get(f"{BACK}?code=x&state=").status_code == 401
        assert COOKIE not in victim.cookies


def lie(served: Served, liar: Liar) -> httpx.Response:
    """What the console says to what the liar says."""
    with browsing(served) as client:
        there = urlsplit(client.get(START).headers["location"])
        asked = {name: values[0] for name, values in parse_qs(there.query).items()}
        liar.nonce = asked["nonce"]
        return client.get(BACK, params={"code": "x", "state": asked["state"]})


def test_a_token_must_prove_it(gullible: Served, liar: Liar) -> None:
    """Of another issuer, for another client, old, of tomorrow, without subject or an answer to
    another question; unsigned, signed by a stranger or with our own secret: nobody (K-21)."""
    now, honest = int(time.time()), {"email": "grace@corp.example", "name": "Grace"}
    liar.claims = honest
    assert lie(gullible, liar).status_code == 200, "the control: an honest token is taken"
    for claims in (
        *({"iss": "https://evil.example"}, {"aud": "another"}, {"sub": None}, {"nonce": "other"}),
        *({"nonce": None}, {"exp": now - 120}, {"exp": None}, {"iat": now + 3600}),
        {"aud": ["dd0c", "another"], "azp": "another"},
    ):
        liar.claims = honest | claims
        answer = lie(gullible, liar)
        assert (answer.status_code, "proves nothing" in answer.text) == (403, True), claims
    liar.claims, right = honest, liar.signing
    liar.published = KeySet([right])
    for key, header in (
        (RSAKey.generate_key(2048, {"kid": "1"}), {"alg": "RS256", "kid": "1"}),
        (
            OctKey.import_key(b"a secret of the provider", {"kid": "1"}),
            {"alg": "HS256", "kid": "1"},
        ),
        (OctKey.import_key(b"x" * 32, {"kid": "1"}), {"alg": "none", "kid": "1"}),
    ):
        liar.signing, liar.header = key, header
        assert lie(gullible, liar).status_code == 403, header
    liar.signing, liar.header, liar.published = right, {"alg": "RS256", "kid": "1"}, None


def test_new_keys_are_fetched(gullible: Served, liar: Liar) -> None:
    """A provider that changed its keys is asked once more, and sign-in goes on (K-21)."""
    liar.claims = {"email": "grace@corp.example"}
    assert lie(gullible, liar).status_code == 200
    liar.signing, liar.asked = RSAKey.generate_key(2048, {"kid": "2"}), []
    liar.header = {"alg": "RS256", "kid": "2"}
    assert lie(gullible, liar).status_code == 200
    assert liar.asked.count("/keys") == 1


def test_a_provider_that_is_away_says_so(cluster: Cluster) -> None:
    """Its page is an error that one can try again; password and key go on working (K-21)."""
    with serving(cluster, **settings("http://127.0.0.1:1")) as served, browsing(served) as client:
        there = client.get(START)
        assert there.status_code == 503
        assert client.post("/console/sign-in", data={"key": served.acme}).status_code == 303
