"""What a gateway parent tells its workers and what they answer, over a socketpair.

Frames are a 4-byte big-endian length and a msgpack message. The parent sends one `Snapshot` first,
then changes. What is secret (`Provider.secret`, `Snapshot.pepper`) is a `Secret`: no repr, log,
JSON or pickle shows it. Only encoders that are given `reveal` write it, those of the socketpair and
of the sealed file, and `conceal` takes it back in.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dd0c.base.secrets import Secret
from dd0c.products.route.models import Usage

PROTOCOL = 5
"""Raised when a message changes so that the other side, of another version, would misread it. A
worker refuses a parent of another number; a parent that took over such a worker tells it to drain,
which every version understands, and nothing else (K-7)."""


class KeyEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A key that may use the gateway. `hash` is the keyed hash (32 bytes) of the whole key text.

    `key_id` is what ledger, budgets and limits know it by: the id of the first key of its line.
    `own_id`: its own, where it is another. `networks`: where it may be used from, None is anywhere.
    """

    hash: bytes
    key_id: bytes
    org: bytes
    expires_us: int | None = None
    models: tuple[str, ...] | None = None
    team: bytes | None = None
    networks: tuple[str, ...] | None = None
    own_id: bytes | None = None


class Provider(msgspec.Struct, frozen=True, array_like=True):
    """An upstream. `org` None means that all organisations may use it."""

    id: bytes
    org: bytes | None
    name: str
    dialect: str
    scheme: str
    host: str
    port: int
    path_prefix: str
    secret: Secret
    price_provider: str
    simulated: bool = False

    def __repr__(self) -> str:
        return f"Provider({self.name} {self.dialect} {self.scheme}://{self.host}:{self.port})"


class Tier(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Rates that apply to the whole prompt when it has more than `above` input tokens.

    A rate is an integer in units of 10**-(12 + Price.scale) dollars a token, or a call for
    `server_tools` (web searches) and `request` (a fee for each request); None means no price.
    """

    above: int
    input: int | None
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    output: int | None
    audio_input: int | None = None
    audio_output: int | None = None
    reasoning: int | None = None
    image: int | None = None
    server_tools: int | None = None
    request: int | None = None


class Price(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The rates of one model, resolved; tiers in ascending order of `above`, the first is 0.

    No tiers: every rate depends on the service tier or the time, see `variants`. `dated`: the same
    holds for this name with a date behind it (`claude-sonnet-4-5-20250929`). `model` is a name,
    `model_id` the model that it means. `org`: whose price it is, None where it is everybody's.
    `max_output`: the most output tokens of an answer, `context`: of a prompt; None where nobody
    says.
    """

    provider: str
    model: str
    price_id: str
    scale: int
    tiers: tuple[Tier, ...]
    variants: tuple[Variant, ...] = ()
    dated: bool = False
    model_id: str = ""
    org: bytes | None = None
    max_output: int | None = None
    context: int | None = None


class Variant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A price that holds for a service tier ("" is the standard one) or for a time only.

    `from_us` to `until_us` (Unix microseconds, None is open) and, each day, `day_from_s` to
    `day_until_s` (seconds since midnight UTC); the ends are not included.
    """

    service_tier: str
    price: Price
    from_us: int | None = None
    until_us: int | None = None
    day_from_s: int = 0
    day_until_s: int = 86_400


class Rule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A hard budget or a limit: what a request has to fit into.

    `scope`: organisation, team, key, tag, route or model. `subject`: nothing for an organisation,
    32 hexadecimal digits of the id for a team or key, else the text itself. `measure`: usd,
    requests, tokens or concurrency; `amount` in pico-dollars, or a count. `window` (of budgets;
    limits count in the minute, concurrency has none) begins by the clocks of `time_zone`.
    """

    id: bytes
    org: bytes
    scope: str
    subject: str
    measure: str
    window: str
    amount: int
    time_zone: str
    created_us: int


class Terms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How an organisation wants doubtful cases decided; one that never said is not sent.

    `disconnect`: what happens to an answer whose caller left: abort, drain, or drain_up_to_usd
    (`drain_pico`). `store_away`, `spool_full`: open or closed while limits cannot be checked, or
    records cannot be written.
    """

    org: bytes
    disconnect: str = "abort"
    drain_pico: int | None = None
    store_away: str = "open"
    spool_full: str = "closed"


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Everything a worker needs to serve. `pepper` in hexadecimal digits."""

    version: int
    pepper: Secret
    keys: tuple[KeyEntry, ...]
    providers: tuple[Provider, ...]
    prices: tuple[Price, ...]
    rules: tuple[Rule, ...] = ()
    terms: tuple[Terms, ...] = ()
    overrides: tuple[Price, ...] = ()

    def __repr__(self) -> str:
        return f"Snapshot(version={self.version}, keys={len(self.keys)})"


class KeysChanged(msgspec.Struct, frozen=True, tag="keys"):
    """Keys to add or replace, and hashes of keys that are no longer valid."""

    upsert: tuple[KeyEntry, ...]
    remove: tuple[bytes, ...]


class ProvidersChanged(msgspec.Struct, frozen=True, tag="providers"):
    """The whole new list of providers."""

    providers: tuple[Provider, ...]


class PricesChanged(msgspec.Struct, frozen=True, tag="prices"):
    """Prices to add or replace."""

    prices: tuple[Price, ...]


class OverridesChanged(msgspec.Struct, frozen=True, tag="overrides"):
    """All prices that organisations have of their own; they hold in place of everybody's."""

    prices: tuple[Price, ...]


class RulesChanged(msgspec.Struct, frozen=True, tag="rules"):
    """All rules and terms of all organisations."""

    rules: tuple[Rule, ...]
    terms: tuple[Terms, ...]


class SpoolFull(msgspec.Struct, frozen=True, tag="spool_full"):
    """Whether unshipped records are over the bound: new requests are refused while they are."""

    full: bool


class Halted(msgspec.Struct, frozen=True, tag="halted"):
    """Whose requests are all refused, because a panic is on: of these organisations, or of all."""

    orgs: frozenset[bytes] = frozenset()
    everywhere: bool = False

    def __contains__(self, org: bytes) -> bool:
        return self.everywhere or org in self.orgs


class Stale(msgspec.Struct, frozen=True, tag="stale"):
    """Whether changes may be missing (PostgreSQL is away): unknown keys then get 503 (R-32)."""

    stale: bool


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Stop accepting, finish what is open within `seconds`, then exit. `handed_over`: others serve
    on, so callers that keep connections are not cut off but told to come back on a new one.

    Tag and fields stay as they are in every protocol; new ones get a default.
    """

    seconds: float
    handed_over: bool = False


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """The answer to `CountWanted` of that id: tokens of the prompt, of the text received and of the
    part of it that was delivered. None: cannot be told. `error` is relative, of the worst of them.
    """

    id: int
    input: int | None = None
    received: int | None = None
    delivered: int | None = None
    error: float | None = None


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the parent gives to an account of a worker; amounts are pico-dollars, tokens or numbers.

    `remaining` is left in the counter, `tight`: next to nothing. Of a rate: the `second` it was
    granted in, and until when on the monotonic clock it is good.
    """

    amount: int
    remaining: int
    tight: bool
    second: int = 0
    good_until: float = 0.0


class Granted(msgspec.Struct, frozen=True, tag="granted"):
    """The answer to an `Ask` of that id: a grant for each thing wanted, in order."""

    id: int
    grants: tuple[Grant, ...]


class Short(msgspec.Struct, frozen=True, tag="short"):
    """The answer to an `Ask`: the counter of this rule does not have it, nothing was granted.

    `remaining` is left of it. `frees_in_s`: when the need fits again, None if that cannot be told.
    `held`: of money that requests under way hold, where it would fit without them.
    """

    id: int
    rule: bytes
    remaining: int
    frees_in_s: float | None = None
    held: int = 0


class Unasked(msgspec.Struct, frozen=True, tag="unasked"):
    """The answer to an `Ask`: the store of the counters does not answer."""

    id: int


class Recall(msgspec.Struct, frozen=True, tag="recall"):
    """Others need what is idle of these counters: return it. Answered in `Dealings.recalled`."""

    id: int
    counters: tuple[tuple[bytes, int], ...]


class StoreAway(msgspec.Struct, frozen=True, tag="store_away"):
    """Whether the store of the counters is away, so that asking would only cost time."""

    away: bool


class CircuitTold(msgspec.Struct, frozen=True, tag="circuit"):
    """How the breaker of a provider stands. `shut`: nothing goes there but the probe; `troubled`:
    that, or failures are counted. `until`: when a probe may be asked for, on the monotonic clock.
    `probe`: who has asked for it is it."""

    provider: bytes
    shut: bool
    troubled: bool
    epoch: int
    until: float
    probe: bool = False


ToWorker = (
    Snapshot
    | KeysChanged
    | ProvidersChanged
    | PricesChanged
    | OverridesChanged
    | RulesChanged
    | SpoolFull
    | Halted
    | Stale
    | Drain
    | Counted
    | Granted
    | Short
    | Unasked
    | Recall
    | StoreAway
    | CircuitTold
)


class WorkerReady(msgspec.Struct, frozen=True, tag="ready"):
    """The worker has its snapshot and listens."""

    pid: int


class PriceWanted(msgspec.Struct, frozen=True, tag="price_wanted"):
    """A model was served that the price table does not know; sent once per model."""

    provider: str
    model: str


class WorkerStats(msgspec.Struct, frozen=True, tag="stats"):
    """Counters since the start of the worker: name with labels in Prometheus form -> value."""

    counters: dict[str, float]
    gauges: dict[str, float]


COUNT_BYTES_MAX = 16 * 1024 * 1024
"""Of `received` and `body` together. More is not sent, and so not counted."""


class Want(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """At least `need` of a counter, and where there is plenty `want`. `from_s`: its window's
    beginning, 0 where there is none."""

    rule: bytes
    from_s: int
    need: int
    want: int


class Ask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a request waits for: all of it, or nothing."""

    id: int
    org: bytes
    wants: tuple[Want, ...]


class Returned(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Permission that goes back, or with an amount below 0 what was used beyond it. `second`: of a
    rate, when it was granted."""

    rule: bytes
    from_s: int
    amount: int
    second: int | None = None


class Dealings(msgspec.Struct, frozen=True, tag="dealings"):
    """What a worker wants and gives back, once in a turn of its loop. `recalled`: the ids of the
    recalls whose counters are in here, as far as any of theirs was idle."""

    asks: tuple[Ask, ...] = ()
    returned: tuple[Returned, ...] = ()
    recalled: tuple[int, ...] = ()


class CountWanted(msgspec.Struct, frozen=True, tag="count"):
    """Count what a provider did not (R-14). `received` is the text of its answer, as UTF-8, of
    which the first `delivered_chars` characters reached the caller (None: not asked); `body` is the
    request's, None where the input is known. `provider` is the price provider.

    With `actual`, the provider's own usage, it is a sample to learn from and gets no answer.
    """

    id: int
    provider: str
    model: str
    endpoint: str
    received: bytes = b""
    delivered_chars: int | None = None
    body: bytes | None = None
    actual: Usage | None = None


class KeysUsed(msgspec.Struct, frozen=True, tag="used"):
    """Keys that were used since the worker last said so, by their own ids."""

    keys: tuple[bytes, ...]


class ProbeWanted(msgspec.Struct, frozen=True, tag="probe_wanted"):
    """A request would try a provider that has rested. Answered with `CircuitTold`."""

    provider: bytes


Outcome = Literal["success", "failure", "abandoned"]


class Result(msgspec.Struct, frozen=True, tag="result"):
    """What an attempt that began in an epoch says of its provider."""

    provider: bytes
    epoch: int
    outcome: Outcome


FromWorker = (
    WorkerReady
    | PriceWanted
    | WorkerStats
    | CountWanted
    | Dealings
    | KeysUsed
    | ProbeWanted
    | Result
)


def reveal(value: object) -> str:
    """The `enc_hook` of an encoder whose bytes stay among us."""
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"no message holds a {type(value).__name__}")


def conceal(kind: type, value: object) -> Secret:
    """The `dec_hook` that belongs to it."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"no message holds a {kind.__name__} of this form")
