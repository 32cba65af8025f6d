"""Providers: where requests go, and with which credential.

A base URL is kept as the SDK of its dialect takes it: OpenAI's holds the `/v1`, Anthropic's does
not. People export `OPENAI_BASE_URL=http://127.0.0.1:8080/v1` and a dd0c key for their own programs;
registering those as a provider would send the gateway to itself, so they are ignored, loudly.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from psycopg import AsyncConnection

from dd0c.base import ids
from dd0c.base.errors import Internal, InvalidInput
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.canonical import Value
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.products.route import events
from dd0c.products.route.models import Dialect
from dd0c.products.route.store import providers as store

OWN_KEY_PREFIX = "dd0c_sk_"
SIMULATED_NAME = "sim"
SIMULATED_KEY = Secret("sk-simulated")  # the simulator wants one, as providers do, and takes any
DEFAULT_PORTS = {"http": 80, "https": 443}
DEFAULT_BASE_URLS = {
    Dialect.OPENAI: "https://api.openai.com/v1",
    Dialect.ANTHROPIC: "https://api.anthropic.com",
}
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9])?|[0-9a-f:.]+")
_KEY = re.compile(r"[\x21-\x7e]+")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL taken apart: the host without brackets, no `/` at the end of the prefix."""

    scheme: str
    host: str
    port: int
    path_prefix: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path_prefix}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A provider that the environment asks for."""

    name: str
    dialect: Dialect
    base_url: str
    secret: Secret
    simulated: bool = False


def parse_base_url(text: str, dialect: Dialect) -> Address:
    """The address in a base URL, `/v1` added or removed as the dialect's SDK has it."""
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError as error:
        raise InvalidInput(f"the base URL is not valid: {error}") from None
    if url.scheme not in DEFAULT_PORTS:
        raise InvalidInput("a base URL starts with https:// or http://")
    if url.username is not None or url.password is not None:
        raise InvalidInput("a base URL carries no user name or password; give the key apart")
    if url.query or url.fragment:
        raise InvalidInput("a base URL has no ?query and no #fragment")
    host = url.hostname or ""
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(url.path):
        raise InvalidInput("a base URL has a host name and a path of plain ASCII characters")
    path = url.path.rstrip("/")
    if dialect is Dialect.OPENAI and not path:
        path = "/v1"
    elif dialect is Dialect.ANTHROPIC:
        path = path.removesuffix("/v1")
    return Address(url.scheme, host, port or DEFAULT_PORTS[url.scheme], path)


def from_environment(settings: Settings) -> tuple[list[Wanted], list[str]]:
    """The providers whose keys the environment holds, and one line for each thing ignored."""
    found: list[Wanted] = []
    warnings: list[str] = []
    for dialect, key, base_url in (
        (Dialect.OPENAI, settings.openai_api_key, settings.openai_base_url),
        (Dialect.ANTHROPIC, settings.anthropic_api_key, settings.anthropic_base_url),
    ):
        name = dialect.value.upper()
        if not key:
            if base_url:
                warnings.append(f"{name}_BASE_URL without {name}_API_KEY is ignored")
            continue
        if key.reveal().startswith(OWN_KEY_PREFIX):
            warnings.append(f"{name}_API_KEY is a dd0c key, not a provider's: ignored")
            continue
        if not _KEY.fullmatch(key.reveal()):
            raise InvalidInput(f"{name}_API_KEY has a character that no HTTP header may have")
        try:
            address = parse_base_url(base_url or DEFAULT_BASE_URLS[dialect], dialect)
        except InvalidInput as error:
            raise InvalidInput(f"{name}_BASE_URL: {error.message}") from None
        if _is_ourselves(address, settings):
            warnings.append(f"{name}_BASE_URL points at this gateway: ignored, the default is used")
            address = parse_base_url(DEFAULT_BASE_URLS[dialect], dialect)
        found.append(Wanted(dialect.value, dialect, str(address), key))
    return found, warnings


def _is_ourselves(address: Address, settings: Settings) -> bool:
    if address.port != settings.gateway_port:
        return False
    host = address.host
    if host in ("localhost", settings.gateway_host.lower()):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified


def simulated(sim_url: str) -> list[Wanted]:
    """The two providers of the simulator."""
    return [
        Wanted(
            name=SIMULATED_NAME,
            dialect=dialect,
            base_url=str(parse_base_url(sim_url, dialect)),
            secret=SIMULATED_KEY,
            simulated=True,
        )
        for dialect in Dialect
    ]


async def ensure_from_environment(
    settings: Settings, tx: AsyncConnection[Any], vault: Vault, sim_url: str | None
) -> list[str]:
    """Register what the environment asks for, for the whole installation; returns warnings.

    `tx` speaks as the owner role. A registered provider stays when its variable goes. Without any
    real one the simulator at `sim_url` serves; once there is one, simulated ones are switched off.
    """
    wanted, warnings = from_environment(settings)
    known = [p for p in await store.list_visible(tx) if p.org is None]
    has_real = bool(wanted) or any(p.enabled and not p.simulated for p in known)
    if not has_real and sim_url is not None:
        wanted = simulated(sim_url)
    ids_known = {(p.name, p.dialect): p.id for p in known}
    served = {p.id: p for p in await store.list_sealed(tx)}
    for one in wanted:
        row = ids_known.get((one.name, one.dialect)) or ids.new()
        if not await _is(one, served.get(row), tx, vault):
            await _save(tx, vault, row, one)
    if has_real:
        for row in await store.disable_simulated(tx):
            await _tell(tx, events.PROVIDER_DISABLED, row, {})
    return warnings


async def _is(
    one: Wanted, known: store.Sealed | None, tx: AsyncConnection[Any], vault: Vault
) -> bool:
    """Whether it is what serves already, its secret too; one that does not open is another."""
    if known is None or known.base_url != one.base_url:
        return False
    if known.secret is None or known.data_key is None:
        return False
    try:
        secret = await vault.open(tx, None, known.id, Sealed(known.data_key, known.secret))
    except Internal:
        return False
    return secret == one.secret


async def _save(tx: AsyncConnection[Any], vault: Vault, row: uuid.UUID, one: Wanted) -> None:
    sealed = await vault.seal(tx, None, row, one.secret)
    await store.save(
        tx,
        store.Sealed(
            id=row,
            org=None,
            name=one.name,
            dialect=one.dialect,
            base_url=one.base_url,
            price_provider=one.dialect,
            simulated=one.simulated,
            secret=sealed.ciphertext,
            data_key=sealed.data_key,
        ),
    )
    facts: dict[str, Value] = {
        "name": one.name,
        "dialect": one.dialect,
        "simulated": one.simulated,
    }
    await _tell(tx, events.PROVIDER_SET, row, facts)


async def _tell(
    tx: AsyncConnection[Any], what: EventType, row: uuid.UUID, facts: Mapping[str, Value]
) -> None:
    subject = ids.text(ids.Kind.PROVIDER, row)
    await outbox.record(tx, None, Event(what.name, outbox.SYSTEM, subject, facts))
