"""Which provider answers: the providers as the data plane needs them, and the choice among them.

An organisation's own providers come first, then the installation's, each in creation order. A model
written `name/model` chooses by name; a name that no provider has is part of the model's name
(`meta-llama/Llama-3`) and passes untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from dd0c.base import secrets
from dd0c.products.route.hotpath.circuits import Circuit
from dd0c.products.route.hotpath.echoes import Forms
from dd0c.products.route.hotpath.heads import quoted
from dd0c.products.route.hotpath.snapshot import Halted, Provider
from dd0c.products.route.models import Dialect


class Origin(NamedTuple):
    """Where connections of a pool go."""

    scheme: str
    host: str
    port: int


class Target:
    """A provider with all that is the same for each request to it; its repr holds no secret.
    `scrub` takes its key out of what it answers."""

    __slots__ = (
        "auth",
        "circuit",
        "host",
        "line",
        "origin",
        "prefix",
        "provider",
        "scrub",
        "secret_bytes_max",
    )

    def __init__(self, provider: Provider, circuit: Circuit):
        self.provider = provider
        self.circuit = circuit
        self.origin = Origin(provider.scheme, provider.host, provider.port)
        self.prefix = provider.path_prefix.rstrip("/").encode()
        name = f"[{provider.host}]" if ":" in provider.host else provider.host
        default = {"http": 80, "https": 443}.get(provider.scheme)
        self.host = (name if provider.port == default else f"{name}:{provider.port}").encode()
        self.auth = _auth(provider)
        self.line = b"x-dd0c-provider: %b\r\n" % quoted(provider.name)
        forms = Forms(provider.secret)
        self.scrub = forms.scrub
        self.secret_bytes_max = forms.bytes_max
        secrets.keep(provider.secret)

    def __repr__(self) -> str:
        return f"Target({self.provider!r})"


class Choice(msgspec.Struct, frozen=True):
    """The provider for a request, the model's name there, and why."""

    target: Target
    model: str
    reason: str


class Routes:
    """All providers, and who may go to none; one immutable table, replaced as a whole."""

    def __init__(
        self,
        providers: Iterable[Provider] = (),
        circuits: Mapping[bytes, Circuit] | None = None,
        halted: Halted | None = None,
    ):
        self.halted = halted or Halted()
        self._defaults: dict[tuple[bytes | None, str], Target] = {}
        self._named: dict[tuple[bytes | None, str, str], Target] = {}
        for provider in providers:
            target = Target(provider, (circuits or {})[provider.id])
            self._defaults.setdefault((provider.org, provider.dialect), target)
            self._named.setdefault((provider.org, provider.dialect, provider.name), target)

    def default(self, org: bytes, dialect: Dialect) -> Target | None:
        """The first provider of a dialect for an organisation."""
        return self._defaults.get((org, dialect)) or self._defaults.get((None, dialect))

    def choose(self, org: bytes, dialect: Dialect, model: str) -> Choice | None:
        """Who answers for `model`; None when no provider speaks the dialect."""
        name, slash, rest = model.partition("/")
        if slash and rest:
            named = self._named.get((org, dialect, name)) or self._named.get((None, dialect, name))
            if named is not None:
                return Choice(named, rest, "named")
        target = self.default(org, dialect)
        return None if target is None else Choice(target, model, "dialect")


def _auth(provider: Provider) -> bytes:
    if not provider.secret:
        return b""
    secret = provider.secret.reveal().encode()
    if provider.dialect == Dialect.ANTHROPIC:
        return b"x-api-key: " + secret + b"\r\n"
    return b"authorization: Bearer " + secret + b"\r\n"
