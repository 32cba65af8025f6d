"""What one attempt was and used, as the two records of the spool (R-10, R-15)."""

from __future__ import annotations

import time

import msgspec

from dd0c.base.clock import Clock
from dd0c.products.route.hotpath import tariff
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.answers import Reading
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.snapshot import Price
from dd0c.products.route.hotpath.tariff import Rating
from dd0c.products.route.models import (
    NO_USAGE,
    AttemptClosed,
    AttemptOpened,
    Endpoint,
    EndReason,
    Usage,
    UsageSource,
)

FREE = Rating(0, None, None)  # listing models uses no tokens and no provider charges for it


class Bill(msgspec.Struct, frozen=True):
    """Usage of an attempt and what it costs; the cost is None with the reason when unknown."""

    usage: Usage
    source: UsageSource
    rating: Rating


class Meter:
    """Times of one attempt, and its records."""

    __slots__ = ("_clock_ns", "attempt", "first_byte_us", "request_id", "started_us", "trace_id")

    def __init__(self, request_id: bytes, attempt: int, trace_id: bytes, clock: Clock):
        self.request_id = request_id
        self.attempt = attempt
        self.trace_id = trace_id
        self.started_us = clock.now_us()
        self._clock_ns = time.monotonic_ns()  # durations must not jump with the wall clock
        self.first_byte_us: int | None = None

    def elapsed_us(self) -> int:
        """Microseconds since the attempt started."""
        return (time.monotonic_ns() - self._clock_ns) // 1000

    def opened(self, request: Request, plan: Plan) -> AttemptOpened:
        """The record that is written before anything is sent."""
        route, entry, provider = request.route, request.entry, plan.target.provider
        assert route is not None
        assert entry is not None
        return AttemptOpened(
            request_id=self.request_id,
            attempt=self.attempt,
            org=entry.org,
            key_id=entry.key_id,
            started_us=self.started_us,
            endpoint=route.endpoint,
            dialect=route.dialect,
            stream=plan.stream,
            requested_model=plan.requested_model,
            sent_model=plan.sent_model,
            provider=provider.name,
            price_provider=provider.price_provider,
            credential_id=provider.id,
            route=None,
            route_reason=plan.reason,
            trace_id=self.trace_id,
            queue_us=0,
        )

    def bill(
        self, reading: Reading, end: EndReason, endpoint: Endpoint, price: Price | None
    ) -> Bill:
        """What is owed, as far as the provider told.

        Counts told before the end are not the last word: an attempt that was cut has a cost only
        if its final usage had been heard.
        """
        complete = end is EndReason.COMPLETE
        if endpoint is Endpoint.MODELS and complete:
            return Bill(NO_USAGE, UsageSource.NONE, FREE)
        usage = reading.usage()
        if usage == NO_USAGE:
            return Bill(NO_USAGE, UsageSource.NONE, Rating(None, None, "no_usage"))
        counted = usage.output is not None or endpoint is Endpoint.EMBEDDINGS
        if not counted or not (complete or reading.final):
            return Bill(usage, UsageSource.PROVIDER, Rating(None, None, "usage_incomplete"))
        rating = tariff.rate(price, usage, reading.service_tier, self.started_us)
        return Bill(usage, UsageSource.PROVIDER, rating)

    def closed(
        self,
        reading: Reading,
        bill: Bill,
        end: EndReason,
        *,
        final: bool,
        status: int | None,
        upstream_status: int | None,
        upstream_request_id: str | None,
        error_code: str | None,
        delivered_any: bool,
        bytes_in: int,
        bytes_out: int,
    ) -> AttemptClosed:
        """The record that is written before the last byte goes to the caller. `status` is what the
        caller gets, None when that is nothing."""
        complete = end is EndReason.COMPLETE
        produced = _output_tokens(bill.usage) if complete or reading.final else None
        rating = bill.rating
        return AttemptClosed(
            self.request_id,
            self.attempt,
            final,
            self.elapsed_us(),
            self.first_byte_us,
            status,
            upstream_status,
            end,
            reading.model,
            bill.usage,
            bill.source,
            reading.usage_raw,
            produced if complete else None if delivered_any else 0,
            produced,
            rating.cost_pico,
            rating.price_id,
            rating.reason,
            upstream_request_id,
            reading.service_tier,
            error_code,
            bytes_in,
            bytes_out,
        )


def _output_tokens(usage: Usage) -> int | None:
    """All output tokens, reasoning and audio included; None when the provider did not say."""
    if usage.output is None:
        return None
    return usage.output + (usage.reasoning or 0) + (usage.audio_output or 0)
