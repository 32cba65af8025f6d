"""The one client for what leaves: webhooks, KMS, providers of identities, chats (K-71).

    answer = await outbound.send(
        Request("POST", url, headers, body), within_s=10.0, policy=Policy.PUBLIC, breaker=breaker
    )

What holds for every call:

- One deadline for all of it: resolving, connecting, TLS, sending and reading.
- A name is resolved once, its addresses are judged (`destinations.py`), and the connection goes to
  an address that was judged: a name that stands for something else a moment later changes nothing.
  One address that is refused refuses the name.
- Redirects are answers like others; nothing is followed. Nothing is decompressed.
- A body is read to a bound. What is beyond is left unread, and the answer says `cut`.
- A connection carries one call, so none is shared between those who may go to different places.
- Through a proxy (HTTPS_PROXY) tenants' calls are pinned too: it is asked for the address. Where
  an administrator configured the name, the proxy is given the name, which only it may know.

`Policy.PUBLIC` is for what a tenant typed, `Policy.CONFIGURED` for what an administrator set up.
Errors: InvalidInput when the URL may not be called, ever; Unavailable (from
an open breaker too) and Timeout where trying later helps. Messages name the host and never the
path, which may be a secret.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol

from dd0c.base import addresses, destinations
from dd0c.base.addresses import Address
from dd0c.base.destinations import Destination
from dd0c.base.errors import InvalidInput, Timeout, Unavailable
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings

BODY_BYTES_MAX = 1_048_576
ADDRESSES_MAX = 4
FAILING = 500

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, as text; OSError when there are none."""


class Policy(StrEnum):
    """Whose word it is that the call may go there."""

    PUBLIC = "public"
    CONFIGURED = "configured"


class Outcome(StrEnum):
    """What a call says about what it went to. Abandoned: nothing, we left."""

    SUCCESS = "success"
    FAILURE = "failure"
    ABANDONED = "abandoned"


@dataclass(slots=True)
class Attempt:
    """One call that a breaker let through, and what became of it."""

    outcome: Outcome = Outcome.ABANDONED


class Breaker(Protocol):
    """Refuses calls to what has failed too often; `kernel/guard/breakers.py` has them."""

    def attempt(self) -> AbstractAsyncContextManager[Attempt]:
        """Around one call, which sets the outcome; Unavailable when the breaker is open."""
        ...


class Unguarded:
    """Lets every call through: for a process that makes one and ends."""

    def attempt(self) -> AbstractAsyncContextManager[Attempt]:
        return nullcontext(Attempt())


UNGUARDED: Breaker = Unguarded()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent. Headers about host, length, coding and connection are ours to say."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as it came: names of headers in small letters, several values joined."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine's resolver has for a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Outbound:
    """Sends requests. Certificates are read at the first one; there is nothing to close."""

    def __init__(self, settings: Settings, resolver: Resolver = resolve):
        self._allowed = addresses.parse_list(settings.outbound_allow)
        self._ca_bundle = settings.ca_bundle
        self._proxy = settings.proxy
        self._no_proxy = settings.no_proxy
        self._resolve = resolver
        self._tls: ssl.SSLContext | None = None

    async def send(
        self,
        request: Request,
        *,
        within_s: float,
        policy: Policy,
        breaker: Breaker = UNGUARDED,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> Answer:
        """The answer, whatever its status. 5xx counts as a failure of the other side."""
        destination = destinations.read_url(request.url)
        async with breaker.attempt() as attempt:
            try:
                async with asyncio.timeout(within_s):
                    answer = await self._send(request, destination, policy, body_bytes_max)
            except TimeoutError:
                attempt.outcome = Outcome.FAILURE
                told = f"{destination.host} did not answer within {within_s:g} s"
                raise Timeout(told) from None
            except Unavailable:
                attempt.outcome = Outcome.FAILURE
                raise
            failed = answer.status >= FAILING
            attempt.outcome = Outcome.FAILURE if failed else Outcome.SUCCESS
            return answer

    async def check(self, url: str, within_s: float = 5.0) -> None:
        """InvalidInput when a tenant's URL may not be called, as far as can be told now: for the
        form that it is typed into. A name that does not resolve yet passes."""
        destination = destinations.read_url(url)
        try:
            async with asyncio.timeout(within_s):
                found = await self._look_up(destination)
        except (Unavailable, TimeoutError):
            return
        self._judge(destination, found)

    async def _send(
        self, request: Request, destination: Destination, policy: Policy, body_bytes_max: int
    ) -> Answer:
        host = destination.host
        proxied = bool(self._proxy) and not destinations.goes_direct(host, self._no_proxy)
        if proxied and policy is Policy.CONFIGURED:
            hosts = [host]
        else:
            found = await self._look_up(destination)
            if policy is Policy.PUBLIC:
                self._judge(destination, found)
            hosts = [str(address) for address in found[:ADDRESSES_MAX]]
        from dd0c.base import pinned  # its library takes 190 ms to load: for those who call

        tls = await self._trust() if proxied or destination.scheme == "https" else None
        way = pinned.Way(hosts, tls, self._proxy if proxied else Secret(""))
        return await pinned.exchange(request, destination, way, body_bytes_max)

    async def _look_up(self, destination: Destination) -> list[Address]:
        host = destination.host
        try:
            found = await self._resolve(host, destination.port)
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise Unavailable(f"{host} does not resolve to an address")
        return [ip_address(text.partition("%")[0]) for text in found]

    def _judge(self, destination: Destination, found: Sequence[Address]) -> None:
        for address in found:
            if why := destinations.find_refusal(destination, address, self._allowed):
                raise InvalidInput(
                    f"{destination.host} may not be called: {why}",
                    hint="an administrator can allow its network with DD0C_OUTBOUND_ALLOW",
                )

    async def _trust(self) -> ssl.SSLContext:
        if self._tls is None:  # reading certificates would hold up everybody else for 20 ms
            self._tls = await asyncio.to_thread(_load_trust, self._ca_bundle)
        return self._tls


def _load_trust(ca_bundle: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(ca_bundle)
    return context
