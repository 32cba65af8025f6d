"""What one attempt was and used, as the two records of the spool (R-10, R-15)."""

from __future__ import annotations

import time

import msgspec

from dd0c.products.route.hotpath import facts
from dd0c.products.route.hotpath.admission import HALTED, Plan
from dd0c.products.route.hotpath.bill import Bill
from dd0c.products.route.hotpath.circuits import BREAKER_OPEN
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.identity import Identity
from dd0c.products.route.hotpath.received import Received
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.models import (
    NO_USAGE,
    AttemptClosed,
    AttemptOpened,
    EndReason,
    UsageSource,
)

_DENIALS = {BREAKER_OPEN: EndReason.BREAKER, HALTED.code: EndReason.PANIC}


class Meter:
    """Times of one attempt, and its records."""

    def __init__(self, who: Identity, attempt: int, started_us: int):
        self.request_id = who.id
        self.attempt = attempt
        self.trace_id = who.trace.trace_id
        self.started_us = started_us
        self.begun_ns = time.monotonic_ns()  # durations must not jump with the wall clock
        self.first_byte_us: int | None = None
        self._total_us: int | None = None

    def elapsed_us(self) -> int:
        """Microseconds since the attempt started."""
        return (time.monotonic_ns() - self.begun_ns) // 1000

    def stop(self) -> None:
        """The attempt is over, though its record is written later."""
        self._total_us = self.elapsed_us()

    def opened(
        self, request: Request, plan: Plan, reserved_pico: int | None = None
    ) -> AttemptOpened:
        """The record that is written before anything is sent, and anew when more is reserved."""
        end_user = facts.end_user(plan.body, plan.found, plan.lane.dialect)
        return msgspec.structs.replace(
            plan.lane.record(request),
            request_id=self.request_id,
            attempt=self.attempt,
            started_us=self.started_us,
            stream=plan.stream,
            route_reason=plan.reason,
            trace_id=self.trace_id,
            reserved_pico=reserved_pico,
            end_user=end_user,
        )

    def closed(
        self,
        got: Received,
        bill: Bill,
        end: EndReason,
        *,
        final: bool,
        status: int | None,
        own_id: str | None,
        error_code: str | None,
        bytes_in: int,
        bytes_out: int,
    ) -> AttemptClosed:
        """The record that is written before the last byte goes to the caller. `status` is what the
        caller gets, None when that is nothing; `own_id` what the provider calls it."""
        rating, reading = bill.rating, got.reading
        return AttemptClosed(
            self.request_id,
            self.attempt,
            final,
            self.elapsed_us() if self._total_us is None else self._total_us,
            self.first_byte_us,
            status,
            got.status or None,
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
            own_id,
            reading.service_tier,
            error_code,
            bytes_in,
            bytes_out,
            bill.error,
            bill.delivered_pico,
            bill.upstream_pico,
        )

    def denied(self, refusal: Refusal, bytes_in: int) -> AttemptClosed:
        """The record of a request that a limit, a breaker or a panic refused: it costs nothing."""
        end = _DENIALS.get(refusal.code, EndReason.LIMIT)
        return AttemptClosed(
            self.request_id,
            self.attempt,
            True,
            self.elapsed_us(),
            None,
            refusal.status,
            None,
            end,
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
