"""All settings: one frozen value, read once by a composition root, passed in.

A value comes from, first wins: a command-line flag, the environment (`DD0C_…`), `dd0c.toml` in the
home, the default here. Each field's `doc` says what it is, its unit and why the default is what it
is; docs/reference/settings.md is generated from it.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import re
import tomllib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from dd0c.base import addresses, secrets
from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret

ALL = "docs/reference/settings.md lists them all"

OTHER_VARIABLES = frozenset(
    {
        *("DD0C_URL", "DD0C_KEY", "DD0C_PROFILE"),  # where and as whom the command line asks
        *("DD0C_LIFELINE_FD", "DD0C_HANDOVER_FD", "DD0C_FLAGS"),  # from a supervisor to its parts
        "DD0C_CRASH_AT",  # drills
    }
)
"""Variables that are ours and no settings."""

_OF_KUBERNETES = re.compile(r"DD0C(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_\w+)?)")
"""What a pod finds in its environment for each service whose name begins with `dd0c`."""


def _setting(default: Any, env: str, doc: str) -> Any:
    return field(default=default, metadata={"env": env, "doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Names in the environment are in each field's metadata."""

    home: Path = _setting(
        Path("~/.dd0c"),
        "DD0C_HOME",
        "Folder with all state of an embedded installation.",
    )
    gateway_host: str = _setting(
        "127.0.0.1",
        "DD0C_GATEWAY_HOST",
        "Address the gateway listens on; loopback by default.",
    )
    gateway_port: int = _setting(8080, "DD0C_GATEWAY_PORT", "Port of the LLM gateway.")
    gateway_admin_port: int = _setting(
        0,
        "DD0C_GATEWAY_ADMIN_PORT",
        "Loopback port of the gateway parent (/metrics, /readyz); 0 picks a free one.",
    )
    worker_admin_port: int = _setting(
        0,
        "DD0C_WORKER_ADMIN_PORT",
        "Loopback port of the job worker (/metrics, /readyz); 0 picks a free one.",
    )
    console_host: str = _setting(
        "127.0.0.1", "DD0C_CONSOLE_HOST", "Address the console and API listen on."
    )
    console_port: int = _setting(8081, "DD0C_CONSOLE_PORT", "Port of the console and the API.")
    console_url: str = _setting(
        "",
        "DD0C_CONSOLE_URL",
        "Where browsers find the console, such as `https://dd0c.example.com`, for links that leave"
        " it and come back; empty means where each caller found it, without a proxy's TLS.",
    )
    workers: int = _setting(
        0, "DD0C_WORKERS", "Gateway worker processes; 0 means one per processor, at most 8."
    )
    database_url: Secret = _setting(
        Secret(""), "DD0C_DATABASE_URL", "PostgreSQL for the runtime roles; empty means embedded."
    )
    database_admin_url: Secret = _setting(
        Secret(""),
        "DD0C_DATABASE_ADMIN_URL",
        "PostgreSQL account that creates roles and migrates; never used by a serving process.",
    )
    valkey_url: Secret = _setting(
        Secret(""), "DD0C_VALKEY_URL", "Valkey or Redis; empty means embedded."
    )
    memory_mb: int = _setting(
        512,
        "DD0C_MEMORY_MB",
        "What the embedded PostgreSQL may plan with, in MB: an eighth is its shared buffers, a"
        " sixteenth for maintenance, a 128th for each sort; it counts on half for the disk cache.",
    )
    drain_s: float = _setting(
        30.0, "DD0C_DRAIN_S", "Seconds that open requests get to finish at a stop."
    )
    header_bytes_max: int = _setting(
        32_768, "DD0C_HEADER_BYTES_MAX", "Bytes of request line and headers; more gives 431."
    )
    body_bytes_max: int = _setting(
        33_554_432, "DD0C_BODY_BYTES_MAX", "Bytes of a request body (32 MiB); more gives 413."
    )
    head_timeout_s: float = _setting(
        15.0, "DD0C_HEAD_TIMEOUT_S", "Seconds for a complete request head; slower gives 408."
    )
    body_timeout_s: float = _setting(
        60.0, "DD0C_BODY_TIMEOUT_S", "Seconds for a complete request body; slower gives 408."
    )
    idle_timeout_s: float = _setting(
        120.0, "DD0C_IDLE_TIMEOUT_S", "Seconds that an unused client connection is kept."
    )
    connections_max: int = _setting(
        20_000, "DD0C_CONNECTIONS_MAX", "Client connections per gateway worker; more are refused."
    )
    connect_timeout_s: float = _setting(
        10.0, "DD0C_CONNECT_TIMEOUT_S", "Seconds to connect to a provider, TLS included."
    )
    first_byte_timeout_s: float = _setting(
        300.0,
        "DD0C_FIRST_BYTE_TIMEOUT_S",
        "Seconds until a provider's first byte; long, as reasoning models think before they speak.",
    )
    stall_timeout_s: float = _setting(
        120.0, "DD0C_STALL_TIMEOUT_S", "Seconds of silence inside a provider's answer."
    )
    total_timeout_s: float = _setting(
        1800.0, "DD0C_TOTAL_TIMEOUT_S", "Seconds for a whole attempt."
    )
    upstream_connections_max: int = _setting(
        4096, "DD0C_UPSTREAM_CONNECTIONS_MAX", "Connections to one provider per worker."
    )
    spool_bytes_max: int = _setting(
        2_147_483_648,
        "DD0C_SPOOL_BYTES_MAX",
        "Bytes of unshipped ledger records a gateway may hold (2 GiB); beyond it refuses requests.",
    )
    spool_sync_ms: int = _setting(
        100,
        "DD0C_SPOOL_SYNC_MS",
        "At most this many milliseconds of closed records lost at a power cut; 0 syncs each.",
    )
    max_stale_s: float = _setting(
        86_400.0,
        "DD0C_MAX_STALE_S",
        "Seconds that a gateway serves known keys while PostgreSQL is away, from memory or, after "
        "a restart, from disk; a day, to outlast a night. A key revoked meanwhile works so long.",
    )
    prices_stale_days: int = _setting(
        45,
        "DD0C_PRICES_STALE_DAYS",
        "Days after which the built-in price list counts as stale: `dd0c doctor`, the console and "
        "`dd0c route prices` then warn. Providers change prices and add models every few weeks.",
    )
    log_format: str = _setting(
        "text", "DD0C_LOG_FORMAT", "`text` for people, `json` for machines; one line a record."
    )
    trusted_proxies: str = _setting(
        "",
        "DD0C_TRUSTED_PROXIES",
        "Addresses and networks of proxies before us, with commas between: only from them"
        " `X-Forwarded-For` says who asks, which keys with allowed networks are held to. None by"
        " default, as anybody can write that header.",
    )
    vault: str = _setting(
        "local",
        "DD0C_VAULT",
        "Where the key-encryption key is: `local` (secrets/kek.key), `aws-kms:ARN` of a key, or"
        " `vault-transit:URL/MOUNT/KEY`. After commas: others, which only open what they wrapped.",
    )
    vault_token_file: str = _setting(
        "",
        "DD0C_VAULT_TOKEN_FILE",
        "File with the token for `vault-transit:…`, as a Vault agent writes it; read at each call.",
    )
    audit_key: str = _setting(
        "",
        "DD0C_AUDIT_KEY",
        "File with the key that signs the audit log; empty: secrets/audit.key of the home. A job"
        " worker without it leaves the log to another.",
    )
    content: str = _setting(
        "database",
        "DD0C_CONTENT",
        "Where content lies: `database`, `files` (below the home: one machine), or"
        " `s3://BUCKET/PREFIX`, of this installation alone: what it does not know there it deletes."
        " After commas: buckets that are only read from any more.",
    )
    ca_bundle: str = _setting("", "DD0C_CA_BUNDLE", "PEM file of extra certificate authorities.")
    proxy: Secret = _setting(
        Secret(""),
        "HTTPS_PROXY",
        "Proxy that webhooks, the KMS and the provider of identities are called through, such as"
        " `http://user:password@proxy:3128`. Gateways call providers without it.",
    )
    no_proxy: str = _setting(
        "",
        "NO_PROXY",
        "What is called past the proxy: names, which stand for what is below them too, addresses"
        " and networks, with commas between. This machine always is.",
    )
    outbound_allow: str = _setting(
        "",
        "DD0C_OUTBOUND_ALLOW",
        "Networks of yours that webhooks may go to, with commas between. None by default: who may"
        " set up a webhook must not reach what only this machine can.",
    )
    smtp_url: Secret = _setting(
        Secret(""),
        "DD0C_SMTP_URL",
        "Mail server that notifications go through: `smtps://user:password@host`, or `smtp://…`"
        " with STARTTLS where it is offered, which it must be for a password. Empty: no mail.",
    )
    mail_from: str = _setting(
        "", "DD0C_MAIL_FROM", "Who mail of dd0c comes from, such as `dd0c@example.com`."
    )
    breaker_failures: int = _setting(
        5,
        "DD0C_BREAKER_FAILURES",
        "Failures of a provider, the KMS and the like, without a success between them, after which"
        " calls to it are refused at once.",
    )
    breaker_rest_s: float = _setting(
        10.0, "DD0C_BREAKER_REST_S", "Seconds until one call then tries whether it is back."
    )
    plan: str = _setting(
        "unlimited",
        "DD0C_PLAN",
        "Plan of the organisations that have none of their own (`dd0c plan set`): `free`, `team` or"
        " `unlimited`. Whoever runs dd0c for themselves needs no bounds.",
    )
    oidc_issuer: str = _setting(
        "",
        "DD0C_OIDC_ISSUER",
        "Provider of identities that people may sign in through (OpenID Connect), such as"
        " `https://accounts.google.com`; empty means none.",
    )
    oidc_client_id: str = _setting(
        "", "DD0C_OIDC_CLIENT_ID", "What that provider knows this console as."
    )
    oidc_client_secret: Secret = _setting(
        Secret(""), "DD0C_OIDC_CLIENT_SECRET", "The secret that goes with it."
    )
    oidc_domains: str = _setting(
        "",
        "DD0C_OIDC_DOMAINS",
        "Domains with commas between: who signs in with a verified address there needs no"
        " invitation, and is a viewer in the first organisation.",
    )
    run_model: str = _setting(
        "",
        "DD0C_RUN_MODEL",
        "Model that is asked for commands in sentences of a runbook that no rule could place, such"
        " as `gpt-5-mini`; through route, and shown the runbooks of the key's organisation only."
        " Empty: none, and such steps stay with people.",
    )
    run_key: Secret = _setting(
        Secret(""), "DD0C_RUN_KEY", "The key of dd0c that it is asked with, with the scope gateway."
    )
    run_gateway_url: str = _setting(
        "", "DD0C_RUN_GATEWAY_URL", "The gateway that it is asked through; empty: of this machine."
    )
    openai_api_key: Secret = _setting(
        Secret(""), "OPENAI_API_KEY", "Registers OpenAI as a provider at `dd0c up`."
    )
    openai_base_url: str = _setting("", "OPENAI_BASE_URL", "Where that OpenAI provider is.")
    anthropic_api_key: Secret = _setting(
        Secret(""), "ANTHROPIC_API_KEY", "Registers Anthropic as a provider at `dd0c up`."
    )
    anthropic_base_url: str = _setting("", "ANTHROPIC_BASE_URL", "Where that provider is.")

    @property
    def worker_count(self) -> int:
        """Gateway workers to start."""
        return self.workers or min(8, os.cpu_count() or 1)


Source = Literal["flag", "environment", "file", "default"]

FLAGS = "DD0C_FLAGS"
"""Tells a child which of its settings were flags of the supervisor; not a setting itself."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A setting as people may see it: no secret, and where its value comes from."""

    name: str
    value: str
    source: Source
    environment: str
    doc: str

    @property
    def is_default(self) -> bool:
        """Whether nobody asked for another value."""
        return self.source == "default"


def load(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Settings from flags (None means not given), environment and `dd0c.toml`; else SetupError."""
    env = os.environ if environ is None else environ
    given = {k: v for k, v in (flags or {}).items() if v is not None}
    home = Path(given.get("home") or env.get("DD0C_HOME") or "~/.dd0c").expanduser().absolute()
    toml = _read_toml(home / "dd0c.toml")
    _refuse_unknown(env)
    values: dict[str, Any] = {"home": home}
    for f in fields(Settings):
        if f.name == "home":
            continue
        for source, raw in (
            (f"--{f.name.replace('_', '-')}", given.get(f.name)),
            (f.metadata["env"], env.get(f.metadata["env"]) or None),
            (f"{f.name} in {home / 'dd0c.toml'}", toml.get(f.name)),
        ):
            if raw is not None:
                values[f.name] = _convert(source, raw, type(f.default))
                break
    settings = Settings(**values)
    _check(settings)
    return settings


def environment(flags: Mapping[str, Any]) -> dict[str, str]:
    """What flags say, as the environment of a child; what they do not say it reads for itself."""
    names = {f.name: f.metadata["env"] for f in fields(Settings)}
    given = {name: str(value) for name, value in flags.items() if value is not None}
    return {names[name]: value for name, value in given.items()} | {FLAGS: " ".join(given)}


def explain(settings: Settings, environ: Mapping[str, str] | None = None) -> tuple[Explained, ...]:
    """Every setting with the source that makes its value what it is.

    What repeats a lower source is not named: a variable that says what the default says anyway
    makes no difference.
    """
    env = os.environ if environ is None else environ
    toml, flags = _read_toml(settings.home / "dd0c.toml"), env.get(FLAGS, "").split()
    found = []
    for f in fields(Settings):
        value, filed = getattr(settings, f.name), toml.get(f.name)
        default: Any = f.default
        source: Source
        if value == (default.expanduser() if f.name == "home" else default):
            source = "default"
        elif filed is not None and _convert(f.name, filed, type(default)) == value:
            source = "file"
        else:
            source = "flag" if f.name in flags or not env.get(f.metadata["env"]) else "environment"
        found.append(Explained(f.name, _shown(value), source, f.metadata["env"], f.metadata["doc"]))
    return tuple(found)


def _shown(value: Any) -> str:
    """The value for people: of a secret only that it is set, of an address no password."""
    if isinstance(value, Secret):
        return "set, hidden" if value else ""
    text = str(value)
    return f"{text[: text.index('://')]}://…@{text.rpartition('@')[2]}" if "@" in text else text


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        raise SetupError(f"{path.parent} is no folder", hint="choose another with --home") from None
    except OSError as error:
        why = error.strerror
        raise SetupError(f"{path} cannot be read: {why}", hint="mend or remove it") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}", hint="mend or remove it") from error
    known = {f.name for f in fields(Settings)} - {"home"}
    for name in sorted(set(content) - known):
        raise SetupError(f"{path} has an unknown setting {name!r}{_nearest(name, known)}", hint=ALL)
    return content


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {f.metadata["env"] for f in fields(Settings)} | OTHER_VARIABLES
    for name in sorted(environ):
        if name.startswith("DD0C_") and name not in known and not _OF_KUBERNETES.fullmatch(name):
            raise SetupError(f"{name} is no setting of dd0c{_nearest(name, known)}", hint=ALL)


def _nearest(name: str, known: Set[str]) -> str:
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f"; did you mean {found[0]}?" if found else ""


def _convert(source: str, raw: Any, kind: type) -> Any:
    try:
        if kind is Secret:
            return raw if isinstance(raw, Secret) else _secret(str(raw))
        if isinstance(raw, bool) or (kind is int and isinstance(raw, float)):
            raise TypeError
        return kind(raw)
    except (TypeError, ValueError):
        shown = "" if kind is Secret else f", not {raw!r}"
        raise SetupError(f"{source} must be {_NAMES.get(kind, kind.__name__)}{shown}") from None


_PROXY = re.compile(r"https?://(?:[^@/\s]*@)?(?:[^@:/\s\[\]]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?/?")
_PASSWORD = re.compile(r"\bpassword\s*=\s*(?:'([^']*)'|([^\s'&]+))")


def _secret(text: str) -> Secret:
    """The secret, remembered together with the password that an address may hold."""
    found = [match[1] or match[2] for match in _PASSWORD.finditer(text)]
    with contextlib.suppress(ValueError):
        found.append(urlsplit(text).password or "")
    for password in found:
        for spelled in (password, unquote(password)):
            secrets.keep(Secret(spelled))
    return secrets.keep(Secret(text))


_NAMES = {int: "a whole number", float: "a number", str: "a text"}


def _check(s: Settings) -> None:
    for name in ("gateway_port", "console_port", "gateway_admin_port", "worker_admin_port"):
        if not 0 <= getattr(s, name) <= 65535:
            raise SetupError(f"{name} must be between 0 and 65535, not {getattr(s, name)}")
    _refuse_shared_ports(s)
    if s.database_admin_url and not s.database_url:
        raise SetupError(
            "DD0C_DATABASE_ADMIN_URL is set without DD0C_DATABASE_URL: which database is meant?",
            hint="set both for your own PostgreSQL, or neither for the embedded one",
        )
    if s.ca_bundle and not os.access(s.ca_bundle, os.R_OK):
        raise SetupError(
            f"ca_bundle {s.ca_bundle} cannot be read", hint="DD0C_CA_BUNDLE names a PEM file"
        )
    for name in ("trusted_proxies", "outbound_allow"):
        try:
            addresses.parse_list(getattr(s, name))
        except ValueError as error:
            raise SetupError(f"{name}: {error}") from None
    if s.proxy and not _PROXY.fullmatch(s.proxy.reveal()):
        raise SetupError(
            "HTTPS_PROXY is no address of a proxy", hint="http://proxy:3128, or https://…"
        )
    _check_oidc(s)
    if s.run_model and not s.run_key:
        raise SetupError(
            "DD0C_RUN_MODEL is set without DD0C_RUN_KEY: who asks it, and who pays?",
            hint="make one that may only call models: dd0c key create run",
        )
    if s.breaker_failures < 1:
        raise SetupError(f"breaker_failures must be 1 or more, not {s.breaker_failures}")
    if not 0 <= s.workers <= 256:
        raise SetupError(f"workers must be between 0 and 256, not {s.workers}")
    if s.prices_stale_days < 1:
        raise SetupError(f"prices_stale_days must be 1 or more, not {s.prices_stale_days}")
    if s.log_format not in ("text", "json"):
        raise SetupError(f"log_format must be text or json, not {s.log_format!r}")
    for f in fields(Settings):
        value = getattr(s, f.name)
        if f.name.endswith(("_s", "_max", "_mb")) and not 0 < value < math.inf:
            raise SetupError(f"{f.name} must be more than 0, not {value}")
    if s.spool_sync_ms < 0:
        raise SetupError(f"spool_sync_ms must be 0 or more, not {s.spool_sync_ms}")


def _check_oidc(s: Settings) -> None:
    given = (s.oidc_issuer, s.oidc_client_id, s.oidc_client_secret)
    if any(given) and not all(given):
        raise SetupError(
            "DD0C_OIDC_ISSUER, DD0C_OIDC_CLIENT_ID and DD0C_OIDC_CLIENT_SECRET go together",
            hint="set all three, or none",
        )
    where = urlsplit(s.oidc_issuer)
    if s.oidc_issuer and where.scheme != "https" and where.hostname not in _LOOPBACK:
        raise SetupError(
            f"oidc_issuer must begin with https://, not {s.oidc_issuer!r}",
            hint="what proves who somebody is must not be changed on its way",
        )


_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _refuse_shared_ports(s: Settings) -> None:
    taken: dict[int, str] = {0: ""}
    for name in ("gateway_port", "console_port", "gateway_admin_port"):
        port = getattr(s, name)
        if taken.get(port):
            raise SetupError(
                f"{taken[port]} and {name} cannot both be {port}",
                hint="give each a port of its own",
            )
        taken.setdefault(port, name)
