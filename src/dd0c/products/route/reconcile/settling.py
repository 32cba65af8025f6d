"""Lines that name a request, for attempts whose provider had not told what they used. Pure.

A line brings an attempt what it says of tokens, and its cost: as told, or from the tokens by the
price that held when the attempt began. It applies where it names exactly one attempt that waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.products.route.hotpath.tariff import Rating
from dd0c.products.route.models import EndReason, Usage, UsageSource
from dd0c.products.route.reconcile.exports import Line
from dd0c.products.route.reconcile.forms import Measure
from dd0c.products.route.store.ledger import Settlement
from dd0c.products.route.store.reconciliations import Waiting

WHY = "reconciled with what the provider told"

Rate = Callable[[Waiting, Usage], Rating]


class Named(NamedTuple):
    """The requests that lines name, in our words and in the provider's."""

    ours: dict[bytes, Line]
    theirs: dict[str, Line]


@dataclass(frozen=True, slots=True)
class Decided:
    """What an attempt gets."""

    of: Waiting
    settlement: Settlement


def name(lines: Iterable[Line]) -> Named:
    """The lines that name a request; two that name the same one are refused."""
    named = Named({}, {})
    seen: dict[str, str] = {}
    for line in lines:
        if line.request is None:
            continue
        if line.request in seen:
            raise InvalidInput(f"{line.where}: {line.request} was told in {seen[line.request]}")
        seen[line.request] = line.where
        if line.request.startswith(f"{ids.Kind.REQUEST}_"):
            try:
                named.ours[ids.parse(ids.Kind.REQUEST, line.request).bytes] = line
            except InvalidInput as error:
                raise InvalidInput(f"{line.where}, request_id: {error.message}") from None
        else:
            named.theirs[line.request] = line
    return named


def decide(named: Named, waiting: Sequence[Waiting], rate: Rate) -> list[Decided]:
    """What each attempt gets that is named by one line, and is the only one that it names."""
    lines = [(one, _line_of(one, named)) for one in waiting]
    chosen = Counter(id(line) for _, line in lines)
    return [
        Decided(one, settlement)
        for one, line in lines
        if line is not None
        and chosen[id(line)] == 1
        and (settlement := _settle(one, line, rate)) is not None
    ]


def _line_of(one: Waiting, named: Named) -> Line | None:
    theirs = one.upstream_request_id and named.theirs.get(one.upstream_request_id)
    return theirs or named.ours.get(one.request_id.bytes)


def _settle(one: Waiting, line: Line, rate: Rate) -> Settlement | None:
    usage, told = one.usage, line.sums
    counted = Measure.INPUT in told and Measure.OUTPUT in told
    if counted:
        cached = told.get(Measure.CACHED)
        usage = Usage(
            input=told[Measure.INPUT] - (cached or 0),
            cache_read=cached,
            output=told[Measure.OUTPUT],
        )
    cost, price = told.get(Measure.COST), None
    if cost is None and counted:
        rating = rate(one, usage)
        cost, price = rating.cost_pico, rating.price_id
    if cost is None:
        return None
    ended = EndReason(one.end_reason)
    return Settlement(
        end_reason=EndReason.COMPLETE if ended is EndReason.PENDING else ended,
        usage=usage,
        usage_source=UsageSource.PROVIDER,
        usage_raw=None,
        price_id=price,
        cost_pico=cost,
    )
