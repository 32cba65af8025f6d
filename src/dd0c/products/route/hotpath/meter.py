"""What one attempt was and used, as the two records of the spool (R-10, R-15)."""

from __future__ import annotations

import time

from dd0c.base.clock import Clock
from dd0c.products.route.hotpath import facts
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.answers import Reading
from dd0c.products.route.hotpath.bill import Bill
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.models import (
    NO_USAGE,
    AttemptClosed,
    AttemptOpened,
    EndReason,
    UsageSource,
)


class Meter:
    """Times of one attempt, and its records."""

    def __init__(self, request_id: bytes, attempt: int, trace_id: bytes, clock: Clock):
        self.request_id = request_id
        self.attempt = attempt
        self.trace_id = trace_id
        self.started_us = clock.now_us()
        self._clock_ns = time.monotonic_ns()  # durations must not jump with the wall clock
        self.first_byte_us: int | None = None
        self._total_us: int | None = None

    def elapsed_us(self) -> int:
        """Microseconds since the attempt started."""
        return (time.monotonic_ns() - self._clock_ns) // 1000

    def stop(self) -> None:
        """The attempt is over, though its record is written later."""
        self._total_us = self.elapsed_us()

    def opened(
        self, request: Request, plan: Plan, reserved_pico: int | None = None
    ) -> AttemptOpened:
        """The record that is written before anything is sent, and anew when more is reserved."""
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
            reserved_pico=reserved_pico,
            end_user=facts.end_user(plan.body, plan.found, route.dialect),
            caller_key=request.caller_key,
            caller_retry=request.caller_retry,
            tags=request.tags,
            team=entry.team,
        )

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
        bytes_in: int,
        bytes_out: int,
    ) -> AttemptClosed:
        """The record that is written before the last byte goes to the caller. `status` is what the
        caller gets, None when that is nothing."""
        rating = bill.rating
        return AttemptClosed(
            self.request_id,
            self.attempt,
            final,
            self.elapsed_us() if self._total_us is None else self._total_us,
            self.first_byte_us,
            status,
            upstream_status,
            end,
            reading.model,
            bill.usage,
            bill.source,
            reading.usage_raw,
            bill.delivered_tokens,
            bill.upstream_tokens,
            rating.cost_pico,
            rating.price_id,
            rating.reason,
            upstream_request_id,
            reading.service_tier,
            error_code,
            bytes_in,
            bytes_out,
            bill.error,
            bill.delivered_pico,
            bill.upstream_pico,
        )

    def denied(self, refusal: Refusal, bytes_in: int) -> AttemptClosed:
        """The record of a request that a limit refused: it costs nothing."""
        return AttemptClosed(
            self.request_id,
            self.attempt,
            True,
            self.elapsed_us(),
            None,
            refusal.status,
            None,
            EndReason.LIMIT,
            None,
            NO_USAGE,
            UsageSource.NONE,
            None,
            0,
            0,
            0,
            None,
            None,
            error_code=refusal.code,
            bytes_in=bytes_in,
            cost_delivered_pico=0,
            cost_upstream_pico=0,
        )
