"""The lines of a bill: bucket x rate = dollars, adding up to the stored cost, digit by digit.

The stored cost is what was billed, rounded once to whole pico-dollars; the lines are worked out
again from the usage and the price that the rating names, exactly. Any difference is a line of its
own, with its name: less than one pico-dollar is rounding, more is said to be unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import Any

from dd0c.kernel.web.console import figures
from dd0c.products.route.models import PriceRow, Usage
from dd0c.products.route.pages import words
from dd0c.products.route.store.ratings import Rating
from dd0c.products.route.store.reading import Attempt

_PROMPT = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "image")
_ALWAYS = ("input", "output")  # shown even when nobody reported them
_ONE_PICO = figures.dollars(1)
_EXACT = Context(prec=100)  # more digits than a count times a rate can have


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `per` is what the rate counts: a million tokens, a thousand calls."""

    name: str
    count: int | None
    rate: Decimal | None
    per: int
    usd: Decimal | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """The lines, the sum of what is known in pico-dollars, and what must be said beside it.

    `known_pico` is None when no cost is known; `whole` says whether it is the cost of everything.
    """

    lines: tuple[Line, ...]
    known_pico: int | None
    whole: bool
    notes: tuple[str, ...]
    price: PriceRow | None


def of(attempts: Sequence[Attempt]) -> Bill:
    """The bill of a whole request: the lines of each attempt that has any."""
    lines: list[Line] = []
    notes: list[str] = []
    for attempt in attempts:
        label = f"attempt {attempt.attempt}" if len(attempts) > 1 else ""
        with localcontext(_EXACT):
            lines += [replace(line, note=line.note or label) for line in _lines(attempt)]
        notes += _notes(attempt, len(attempts) > 1)
    known = [attempt.cost_pico for attempt in attempts if attempt.cost_pico is not None]
    return Bill(
        lines=tuple(lines),
        known_pico=sum(known) if known else None,
        whole=len(known) == len(attempts),
        notes=tuple(dict.fromkeys(notes)),
        price=next((a.price for a in reversed(attempts) if a.price), None),
    )


def _lines(attempt: Attempt) -> Iterator[Line]:
    rates = _rates(attempt.price, attempt.usage)
    exact = Decimal(0)
    for bucket, name in words.BUCKETS.items():
        count = getattr(attempt.usage, bucket)
        if not count and bucket not in _ALWAYS:
            continue
        line = _line(name, count, bucket, rates)
        exact += line.usd or 0
        yield line
    if fee := rates.get("request_per_1000"):
        yield Line("Per call", 1, Decimal(fee), 1000, Decimal(fee) / 1000)
        exact += Decimal(fee) / 1000
    if attempt.cost_pico is not None:
        rest = figures.dollars(attempt.cost_pico) - exact
        if rest:
            small = abs(rest) < _ONE_PICO
            note = "to whole pico-dollars" if small else "not explained by this price"
            if attempt.price is None:
                note = "told as a sum, without rates"
            yield Line("Rounding" if small else "Difference", None, None, 1, rest, note)


def _line(name: str, count: int | None, bucket: str, rates: Mapping[str, str]) -> Line:
    per = 1_000_000
    text = rates.get(bucket)
    if text is None and f"{bucket}_per_1000" in rates:
        per, text = 1000, rates[f"{bucket}_per_1000"]
    rate = None if text is None else Decimal(text)
    usd = None if rate is None or count is None else count * rate / per
    return Line(name, count, rate, per, Decimal(0) if count == 0 else usd)


def _rates(price: PriceRow | None, usage: Usage) -> Mapping[str, str]:
    """The rates that hold for a prompt of this size: those of the last tier that it exceeds."""
    if price is None:
        return {}
    prompt = sum(getattr(usage, bucket) or 0 for bucket in _PROMPT)
    tiers: list[dict[str, Any]] = price.rates.get("tiers", [])
    holding = [tier for tier in tiers if tier["above"] == 0 or prompt > tier["above"]]
    return holding[-1] if holding else {}


def _notes(attempt: Attempt, many: bool) -> Iterator[str]:
    if attempt.cost_pico is None:
        which = f"The cost of attempt {attempt.attempt}" if many else "The cost"
        yield f"{which} is unknown, not zero: {words.why_unknown(attempt.cost_reason)}."
    if not attempt.attempt:
        yield "Nothing was sent to a provider, so nothing is billed."
    if attempt.ratings:
        yield _rated_again(attempt.ratings)
    if attempt.usage_source == "estimated":
        within = figures.percent(attempt.usage_error)
        counted = f"dd0c counted it, within {within}" if within else "dd0c counted it"
        yield f"The provider did not report the usage; {counted}."
    if cut := _cut(attempt):
        yield cut


def _cut(attempt: Attempt) -> str:
    """What of an answer that was cut off reached the caller, and which part is billed."""
    made, got = attempt.upstream_output_tokens, attempt.delivered_output_tokens
    if made is None or got is None or made <= got:
        return ""
    text = f"{got:,} of {figures.plural(made, 'output token')} reached the caller."
    theirs, ours = attempt.cost_upstream_pico, attempt.cost_delivered_pico
    if theirs is None or ours is None or theirs == ours:
        return text
    text += f" Input included, that cost ${figures.exact(ours)}; all that the provider"
    text += f" made cost ${figures.exact(theirs)}."
    if attempt.cost_pico == ours:
        return f"{text} Billed is what reached the caller."
    if attempt.cost_pico == theirs:
        return f"{text} Billed is all of it: the answer was read on after the caller had left."
    return text


def _rated_again(ratings: Sequence[Rating]) -> str:
    first, last = ratings[0], ratings[-1]
    was = "without a cost"
    if first.cost_pico is not None:
        was = f"${figures.exact(first.cost_pico)}"
    why = f": {last.reason}" if last.reason else ""
    return f"Billed {was} at first, rated again on {last.rated_at:%Y-%m-%d}{why}."
