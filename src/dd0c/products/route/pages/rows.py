"""Requests as rows of a table: what is shown of each, and where it leads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dd0c.base import ids
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web.console import figures
from dd0c.kernel.web.console.frame import Hit
from dd0c.products.route.models import Usage
from dd0c.products.route.pages import words
from dd0c.products.route.store.reading import Request, list_starting

PATH = "/console/route/requests"
HITS_MAX = 5
_PREFIX = "req_"
_IN = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "image")
_OUT = ("output", "reasoning", "audio_output")


@dataclass(frozen=True, slots=True)
class Row:
    """One request, of its final attempt; the cost is that of all attempts."""

    id: str
    at: datetime
    model: str
    asked: str
    key: str
    provider: str
    simulated: bool
    end: words.End
    input: int | None
    cached: int | None
    output: int | None
    first_byte_us: int | None
    total_us: int | None
    cost_pico: int | None
    cost_reason: str

    @property
    def href(self) -> str:
        """Its page."""
        return f"{PATH}/{self.id}"


def of(request: Request) -> Row:
    """The row of a request."""
    final = request.final
    model = final.served_model or final.requested_model
    unknown = next((a for a in request.attempts if a.cost_pico is None), None)
    return Row(
        id=ids.text(ids.Kind.REQUEST, request.request_id),
        at=request.started_at,
        model=model,
        asked=final.requested_model if model != final.requested_model else "",
        key=key_name(request),
        provider=final.provider,
        simulated=final.simulated,
        end=words.end(final.end_reason),
        input=_sum(final.usage, _IN),
        cached=final.usage.cache_read,
        output=_sum(final.usage, _OUT),
        first_byte_us=final.first_byte_us,
        total_us=final.total_us,
        cost_pico=request.cost_pico,
        cost_reason=words.why_unknown(unknown.cost_reason) if unknown else "",
    )


def key_name(request: Request) -> str:
    """What the key is called; its id when it has no name here."""
    return request.key_name or ids.text(ids.Kind.KEY, request.key_id)


def decimals(rows: Iterable[Row]) -> int:
    """Decimal places that show every cost exactly, in one column."""
    costs = [None if r.cost_pico is None else figures.dollars(r.cost_pico) for r in rows]
    return figures.places(costs, least=4)


def _sum(usage: Usage, buckets: tuple[str, ...]) -> int | None:
    """The reported buckets together; None when none was."""
    known = [n for bucket in buckets if (n := getattr(usage, bucket)) is not None]
    return sum(known) if known else None


async def find(tx: Transaction, text: str, now: datetime) -> list[Hit]:
    """Requests for the palette, by the beginning of their id."""
    del now
    if not text.startswith(_PREFIX):
        return []
    found = await list_starting(tx, text.removeprefix(_PREFIX), limit=HITS_MAX)
    shown = [of(request) for request in found]
    return [Hit("request", row.id, row.href, f"{row.model}, {row.end.word}") for row in shown]
