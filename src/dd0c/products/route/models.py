"""Frozen types of route: usage, attempts as they travel through the spool, ratings.

Everything here is plain data without I/O; the hot path packs it, the shipper unpacks it. The spool
structs are positional (`array_like`): only ever append fields, with a default, so that an old
gateway's spool stays readable.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any

import msgspec

from dd0c.base import ids

PICO_PER_DOLLAR = 10**12


def dollars(pico: int) -> Decimal:
    """Pico-dollars as dollars, exactly."""
    sign, digits, _ = Decimal(pico).as_tuple()
    return Decimal((sign, digits, -12))


def dollars_text(pico: int | None) -> str | None:
    """Dollars as the shortest exact decimal text (`0.00025`), or None for an unknown cost."""
    return None if pico is None else format(dollars(pico).normalize(_EXACT), "f")


_EXACT = Context(prec=100)


class Dialect(StrEnum):
    """Whose API the caller speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Endpoint(StrEnum):
    """What was called, without the path."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    MODELS = "models"


FREE_ENDPOINTS = frozenset((Endpoint.COUNT_TOKENS, Endpoint.MODELS))
"""They use no tokens, no provider charges for them, and nobody means them by "requests"."""


class EndReason(StrEnum):
    """How an attempt ended (R-10)."""

    COMPLETE = "complete"
    CLIENT_GONE = "client_gone"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_CUT = "upstream_cut"
    TIMEOUT = "timeout"
    LIMIT = "limit"
    BREAKER = "breaker"
    PANIC = "panic"
    LOST = "lost"
    PENDING = "pending"


class UsageSource(StrEnum):
    """Where the usage numbers come from."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    NONE = "none"


class Usage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tokens in disjoint buckets; None means the provider did not say, never 0.

    `output` is without `reasoning`; where the provider gives no split, `output` holds both and
    `reasoning` is None. Audio, image and server-tool counts are part of none of the others.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image: int | None = None
    server_tools: int | None = None


NO_USAGE = Usage()


class AttemptOpened(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Written before anything is sent upstream. Ids are 16 raw bytes, times Unix microseconds."""

    request_id: bytes
    attempt: int
    org: bytes
    key_id: bytes
    started_us: int
    endpoint: str
    dialect: str
    stream: bool
    requested_model: str
    sent_model: str
    provider: str
    price_provider: str
    credential_id: bytes | None
    route: str | None
    route_reason: str
    trace_id: bytes
    queue_us: int
    reserved_pico: int | None = None
    deployment: str | None = None
    region: str | None = None
    policy_version: int | None = None
    parent_request: bytes | None = None
    parent_kind: str | None = None
    end_user: str | None = None
    conversation: str | None = None
    prefix_hash: bytes | None = None
    caller_key: str | None = None
    caller_retry: int | None = None
    tags: tuple[str, ...] = ()
    team: bytes | None = None


class AttemptClosed(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Written before the last byte goes to the client. Durations are microseconds since started."""

    request_id: bytes
    attempt: int
    final: bool
    total_us: int
    first_byte_us: int | None
    status: int | None
    upstream_status: int | None
    end_reason: str
    served_model: str | None
    usage: Usage
    usage_source: str
    usage_raw: bytes | None
    delivered_output_tokens: int | None
    upstream_output_tokens: int | None
    cost_pico: int | None
    price_id: str | None
    cost_reason: str | None
    upstream_request_id: str | None = None
    service_tier: str | None = None
    error_code: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    usage_error: float | None = None
    cost_delivered_pico: int | None = None
    cost_upstream_pico: int | None = None


SpoolRecord = AttemptOpened | AttemptClosed


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price as the ledger keeps it.

    `rates` is {"tiers": [{"above": 0, "input": "0.25", …}]}: dollars per million as decimal text,
    per thousand in names that end in `_per_1000`. `as_of`: the source is at least that fresh.
    """

    id: str
    provider: str
    model: str
    rates: dict[str, Any]
    source: str
    as_of: date | None


@dataclass(frozen=True, slots=True)
class Learned:
    """Sums over answers of a model that its provider counted, and that were counted here as well.

    `counted` tokens of the vocabulary were `actual` ones of the provider. `judged` of the samples
    were estimated before they were learned from: errors are relative to the provider's count.
    """

    samples: int = 0
    counted: int = 0
    actual: int = 0
    judged: int = 0
    error_sum: float = 0.0
    error_squares: float = 0.0

    def __add__(self, other: Learned) -> Learned:
        return Learned(
            self.samples + other.samples,
            self.counted + other.counted,
            self.actual + other.actual,
            self.judged + other.judged,
            self.error_sum + other.error_sum,
            self.error_squares + other.error_squares,
        )


def breaker_of(provider: bytes | uuid.UUID) -> str:
    """What the breaker of a provider is called."""
    return f"provider:{ids.text(ids.Kind.PROVIDER, provider)}"
