"""Signing in through a provider of identities: OpenID Connect, code flow with PKCE (K-21).

What a browser carries between going and coming back (state, nonce, verifier) lies in a cookie of
its own. The identity is `iss` and `sub` of a signed token, never the e-mail address, which may
change hands; an address counts only where the provider says that it verified it. Tokens of the
provider are used once and not kept.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dd0c.base.errors import Forbidden, InvalidInput, Timeout, Unavailable
from dd0c.base.outbound import Breaker, Outbound, Policy, Request
from dd0c.base.settings import Settings
from dd0c.kernel.auth import people
from dd0c.kernel.auth.signing_in import Identity

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from joserfc.jwk import KeySet

SCOPE = "openid email profile"
WITHIN_S = 10.0
KNOWN_FOR_S = 600.0
CLOCK_SKEW_S = 60
ENDPOINTS = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
ASKED_FOR = ("email", "email_verified", "name")
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Pending:
    """What must come back, or be sent along, when the browser does."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider says of itself, and its keys."""

    facts: dict[str, Any]
    keys: KeySet
    at: float


class Provider:
    """The one provider of an installation. Its libraries are loaded when somebody signs in."""

    def __init__(self, settings: Settings, breaker: Breaker):
        self.issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._outbound = Outbound(settings)
        self._breaker = breaker
        self._known: _Known | None = None

    @property
    def shown(self) -> str:
        """What people know it by."""
        return urlsplit(self.issuer).hostname or self.issuer

    async def begin(self, back: str) -> tuple[str, Pending]:
        """Where to send the browser, which comes back to the address `back`."""
        pending = Pending(*(secrets.token_urlsafe(32) for _ in range(3)))
        facts = (await self._know()).facts
        async with self._client(back) as client:
            url, _ = client.create_authorization_url(
                facts["authorization_endpoint"],
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.verifier,
            )
        return str(url), pending

    async def finish(self, back: str, code: str, pending: Pending) -> Identity:
        """Who came back with this code; Forbidden when it proves nothing, Unavailable."""
        from authlib.oauth2 import OAuth2Error

        facts = (await self._know()).facts
        try:
            async with asyncio.timeout(WITHIN_S), self._client(back) as client:
                told = await client.fetch_token(
                    facts["token_endpoint"], code=code, code_verifier=pending.verifier
                )
                claims = await self._read(str(told.get("id_token", "")), pending.nonce)
                if "email" not in claims and (userinfo := facts.get("userinfo_endpoint")):
                    more = _object((await client.get(userinfo)).content)
                    if more.get("sub") == claims["sub"]:
                        claims |= {name: more.get(name) for name in ASKED_FOR}
        except OAuth2Error:
            raise Forbidden("the provider of identities refused this sign-in") from None
        except (Unavailable, Timeout, TimeoutError, ValueError) as error:
            raise self._away(error) from None
        return _identity(self.issuer, claims)

    async def _read(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of a token that is signed, for us, of now, and the answer to our question."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        rules = jwt.JWTClaimsRegistry(
            leeway=CLOCK_SKEW_S,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        for fresh in (False, True):  # a provider that changed its keys is asked once more
            keys = (await self._know(fresh=fresh)).keys
            try:
                claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
                rules.validate(claims)
            except (JoseError, ValueError):
                continue
            if claims.get("azp", self._client_id) == self._client_id:
                return claims
        raise Forbidden("the provider of identities sent a token that proves nothing here")

    async def _know(self, *, fresh: bool = False) -> _Known:
        """What the provider says of itself; asked again after a while, or for `fresh` keys."""
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        known = self._known
        if known is not None and not fresh and time.monotonic() - known.at < KNOWN_FOR_S:
            return known
        try:
            async with asyncio.timeout(WITHIN_S):
                place = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                facts = await self._read_object(place)
                if missing := [name for name in ENDPOINTS if not isinstance(facts.get(name), str)]:
                    raise ValueError(missing)
                keys = KeySet.import_key_set(await self._read_object(facts["jwks_uri"]))
        except (Unavailable, Timeout, TimeoutError, InvalidInput, JoseError, ValueError) as error:
            raise self._away(error) from None
        if facts["issuer"] != self.issuer:
            raise Unavailable("the provider of identities calls itself by another name")
        self._known = _Known(facts, keys, time.monotonic())
        return self._known

    def _client(self, back: str) -> AsyncOAuth2Client:
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        from dd0c.kernel.auth.carrier import Carrier

        return AsyncOAuth2Client(
            self._client_id,
            self._secret.reveal(),
            scope=SCOPE,
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=WITHIN_S,
            transport=Carrier(self._outbound, self._breaker, WITHIN_S),
        )

    async def _read_object(self, url: str) -> Any:
        """The JSON object that is there; ValueError when there is none."""
        answer = await self._outbound.send(
            Request("GET", url, {"Accept": "application/json"}),
            within_s=WITHIN_S,
            policy=Policy.CONFIGURED,
            breaker=self._breaker,
        )
        if answer.status != 200:
            raise ValueError(answer.status)
        return _object(answer.body)

    def _away(self, error: Exception) -> Unavailable:
        """What people are told; when to come back is the breaker's to say."""
        after_s = error.retry_after_s if isinstance(error, Unavailable) else None
        told = "the provider of identities does not answer as it should"
        return Unavailable(told, retry_after_s=after_s or 30)


def _object(body: bytes) -> Any:
    """The JSON object of an answer; ValueError when it is none."""
    found = json.loads(body)
    if isinstance(found, dict):
        return found
    raise ValueError("no JSON object")


def _identity(issuer: str, claims: dict[str, Any]) -> Identity:
    """What the claims prove."""
    email = claims.get("email") if claims.get("email_verified") is True else None
    try:
        verified = people.read_email(email) if isinstance(email, str) else None
    except InvalidInput:
        verified = None
    name = " ".join(str(claims.get("name") or verified or "unnamed").split())
    printable = "".join(c for c in name if c.isprintable())[:64].strip()
    return Identity(issuer, str(claims["sub"]), verified, printable or "unnamed")
