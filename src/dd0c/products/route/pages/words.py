"""The words for how an attempt ended, why a cost is unknown, and what a bucket is."""

from __future__ import annotations

from dataclasses import dataclass

from dd0c.products.route.models import EndReason


@dataclass(frozen=True, slots=True)
class End:
    """A status: its kind (good, info, warn, bad) and its word."""

    kind: str
    word: str


ENDS = {
    EndReason.COMPLETE: End("good", "complete"),
    EndReason.CLIENT_GONE: End("warn", "client gone"),
    EndReason.UPSTREAM_ERROR: End("bad", "provider error"),
    EndReason.UPSTREAM_CUT: End("bad", "cut by provider"),
    EndReason.TIMEOUT: End("bad", "timed out"),
    EndReason.LIMIT: End("warn", "limit"),
    EndReason.BREAKER: End("bad", "provider left alone"),
    EndReason.PANIC: End("warn", "panic"),
    EndReason.LOST: End("bad", "lost"),
    EndReason.PENDING: End("info", "pending"),
}

BUCKETS = {
    "input": "Input",
    "cache_read": "Cache read",
    "cache_write_5m": "Cache write, 5 minutes",
    "cache_write_1h": "Cache write, 1 hour",
    "output": "Output",
    "reasoning": "Reasoning",
    "audio_input": "Audio in",
    "audio_output": "Audio out",
    "image": "Images",
    "server_tools": "Server tools",
}

_REASONS = {
    "no_price": "there is no price for this model",
    "no_price_for_service_tier": "there is no price for this service tier",
    "no_usage": "nobody reported the usage",
    "cached_kind_unknown": "the provider does not say which kind of input was cached",
    "bad_usage": "the reported usage contradicts itself",
    "lost": "the gateway died before the answer ended",
    "pending": "the usage is not known yet",
}


def end(reason: str) -> End:
    """The words for an end reason; one of a newer gateway is shown as it is."""
    try:
        return ENDS[EndReason(reason)]
    except ValueError:
        return End("info", reason)


def why_unknown(reason: str | None) -> str:
    """Why there is no cost."""
    if reason is None:
        return "no cost was recorded"
    if reason.startswith("no_rate_"):
        bucket = reason.removeprefix("no_rate_")
        return f"the price has no rate for {BUCKETS.get(bucket, bucket).lower()}"
    return _REASONS.get(reason, reason)
