"""One request in words: the headline, what happened when, and the facts. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dd0c.base import ids
from dd0c.kernel.web.console import charts, figures
from dd0c.products.route.models import EndReason
from dd0c.products.route.pages import words
from dd0c.products.route.store.reading import Attempt, Request

_ENDPOINTS = {"chat": "Chat completion", "messages": "Message", "embeddings": "Embedding"}


@dataclass(frozen=True, slots=True)
class Event:
    """A moment in the life of a request, microseconds after it came in."""

    at: str
    text: str
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time of the final attempt."""

    name: str
    us: int
    colour: str


def title(request: Request) -> str:
    """What became of the request."""
    final = request.final
    tokens = _tokens(final)
    by = final.provider
    took = f" in {figures.duration(final.total_us)}" if final.total_us is not None else ""
    status = f" with {final.upstream_status}" if final.upstream_status else ""
    match final.end_reason:
        case EndReason.COMPLETE:
            return f"Answered{took}" + (f" with {tokens}" if tokens else "")
        case EndReason.CLIENT_GONE:
            return f"Client left after {tokens}" if tokens else "Client left before the answer"
        case EndReason.UPSTREAM_ERROR:
            return f"{by} failed{status}"
        case EndReason.UPSTREAM_CUT:
            return f"{by} cut the answer off" + (f" after {tokens}" if tokens else "")
        case EndReason.TIMEOUT:
            return f"{by} did not answer in time"
        case EndReason.LOST:
            return "Lost with its gateway"
        case EndReason.PENDING:
            return "Not settled yet"
        case EndReason.PANIC:
            return "Refused while a panic was on"
        case EndReason.BREAKER:
            return f"Refused while {by} was left alone"
        case EndReason.LIMIT:
            if final.attempt == 0:
                return "Refused by a limit"
            return "Cut off by a limit" + (f" after {tokens}" if tokens else "")
        case other:
            return f"Ended: {words.end(other).word}"


def billed(request: Request) -> str:
    """What it cost, as the second half of the headline."""
    found = [a.cost_pico for a in request.attempts if a.cost_pico is not None]
    if not found:
        return ", cost unknown"
    least = "at least" if len(found) < len(request.attempts) else "billed"
    return f", {least} ${figures.exact(sum(found))}"


def events(request: Request) -> Iterator[Event]:
    """What happened, in order."""
    first = request.attempts[0]
    what = _ENDPOINTS.get(request.endpoint, request.endpoint)
    streamed = ", streamed" if request.stream else ""
    asked = f"model {first.requested_model}"
    yield Event(figures.duration(0), f"{what} asked for{streamed}", asked)
    for attempt in request.attempts:
        shift = int((attempt.started_at - request.started_at).total_seconds() * 1_000_000)
        yield from _attempt_events(attempt, shift)


def _attempt_events(attempt: Attempt, shift: int) -> Iterator[Event]:
    if attempt.attempt > 0:
        asked = attempt.sent_model
        why = f"route reason: {attempt.route_reason}"
        sent = figures.DASH
        if attempt.queue_us is not None:
            sent = figures.duration(shift + attempt.queue_us)
        yield Event(sent, f"Sent to {attempt.provider} as {asked}", why)
    if attempt.first_byte_us is not None:
        yield Event(figures.duration(shift + attempt.first_byte_us), "First byte of the answer")
    end = words.end(attempt.end_reason)
    at = figures.DASH
    if attempt.total_us is not None:
        at = figures.duration(shift + attempt.total_us)
    yield Event(at, _ending(attempt), _end_note(attempt), end.kind)


def _ending(attempt: Attempt) -> str:
    match attempt.end_reason:
        case EndReason.COMPLETE:
            return "Answer complete"
        case EndReason.CLIENT_GONE:
            return "Client closed the connection; the provider's side was aborted"
        case EndReason.UPSTREAM_ERROR:
            return f"{attempt.provider} answered with an error"
        case EndReason.UPSTREAM_CUT:
            return f"{attempt.provider} closed the connection inside the answer"
        case EndReason.TIMEOUT:
            return f"{attempt.provider} took longer than the deadline"
        case EndReason.LOST:
            return "The gateway ended before the answer did"
        case EndReason.LIMIT | EndReason.BREAKER | EndReason.PANIC if attempt.attempt == 0:
            return f"Refused: {attempt.route_reason}"
        case EndReason.LIMIT:
            return "Cut off: a limit had nothing left for the rest of the answer"
        case other:
            return words.end(other).word.capitalize()


def _end_note(attempt: Attempt) -> str:
    parts = []
    if attempt.status is not None:
        parts.append(f"status {attempt.status}")
    if attempt.error_code:
        parts.append(attempt.error_code)
    if tokens := _tokens(attempt):
        parts.append(tokens)
    return ", ".join(parts)


def phases(attempt: Attempt) -> tuple[Phase, ...]:
    """How the time of an attempt divides; none when its end was not seen, or nothing was sent."""
    if attempt.total_us is None or attempt.queue_us is None or not attempt.attempt:
        return ()
    first = attempt.first_byte_us
    before = min(attempt.queue_us, attempt.total_us)
    until = attempt.total_us if first is None else min(max(first, before), attempt.total_us)
    found = (
        Phase("Inside dd0c", before, "s0"),
        Phase("Waiting for the first byte", until - before, "s1"),
        Phase("Receiving", attempt.total_us - until, "s2"),
    )
    return tuple(phase for phase in found if phase.us)


def strip(parts: tuple[Phase, ...]) -> str:
    """The phases as a bar."""
    label = ", ".join(f"{phase.name} {figures.duration(phase.us)}" for phase in parts)
    return charts.strip(f"Time: {label}", [(phase.colour, phase.us) for phase in parts])


def facts(request: Request) -> Iterator[tuple[str, str]]:
    """Names and values that are known; what does not apply is left out."""
    final = request.final
    what = _ENDPOINTS.get(request.endpoint, request.endpoint)
    served = final.served_model if final.served_model != final.requested_model else None
    error = f", ± {figures.percent(final.usage_error)}" if final.usage_error else ""
    passed = None
    if final.bytes_in is not None and final.bytes_out is not None:
        passed = f"{figures.size(final.bytes_in)} in, {figures.size(final.bytes_out)} out"
    found = {
        "Asked": final.requested_model,
        "Served": served,
        "Provider": " · ".join(filter(None, (final.provider, final.deployment, final.region))),
        "Kind": f"{what}, {'streamed' if request.stream else 'in one piece'}",
        "Why": final.route_reason if final.attempt else "",
        "Tier": final.service_tier,
        "Usage from": {"none": "nobody"}.get(final.usage_source, final.usage_source) + error,
        "Status": _status(final),
        "Error": final.error_code,
        "Bytes": passed,
        "Held for it": _usd(final.reserved_pico),
        "Charged to budgets": _usd(final.charged_pico if final.reserved_pico is not None else None),
        "Team": request.team_name or (request.team and ids.text(ids.Kind.TEAM, request.team)),
        "End user": request.end_user,
        "Retry": str(request.caller_retry) if request.caller_retry else "",
        "Tags": ", ".join(final.tags),
        "Provider's id": final.upstream_request_id,
        "Trace": final.trace_id.hex(),
    }
    return ((name, value) for name, value in found.items() if value)


def _usd(pico: int | None) -> str:
    return "" if pico is None else f"${figures.exact(pico)}"


def _status(attempt: Attempt) -> str:
    upstream, ours = attempt.upstream_status, attempt.status
    if upstream is not None and ours is not None and upstream != ours:
        return f"{ours} to the caller, {upstream} from the provider"
    return str(ours or upstream or "")


def _tokens(attempt: Attempt) -> str:
    count = attempt.delivered_output_tokens
    if count is None and attempt.end_reason == EndReason.COMPLETE:
        count = attempt.usage.output
    return figures.plural(count, "token") if count else ""
