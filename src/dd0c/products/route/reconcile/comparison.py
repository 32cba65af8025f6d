"""What a provider told beside what the ledger has, and what may explain a difference. Pure.

A difference is explained as far as it lies where it may come from:

- attempts that ended on the day after the one they began on: the provider may count them there;
- estimated tokens, as far as they say that they may be off;
- attempts whose usage or cost nobody told us, which the provider may have charged: tokens without a
  bound, a cost up to what was reserved for it;
- the tolerance, a share of what the provider told.

What is left is unexplained. Simulated attempts are no provider's, and are left out from the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from dd0c.products.route.reconcile.exports import DAY, Line
from dd0c.products.route.reconcile.forms import Measure
from dd0c.products.route.store import reconciliations

Sums = Mapping[Measure, int]
Place = tuple[date, str | None]
"""A day, and a model where the export tells models apart."""

NOTHING: Sums = {}


@dataclass(frozen=True, slots=True)
class Booked:
    """The ledger's side of a place.

    `leaving` ended on the next day, `arriving` began on the day before; `doubt` is by how much
    estimates may be off. `reserved_pico`: for the `unknown` attempts, of which some are `lost`.
    """

    sums: Sums = field(default_factory=dict)
    simulated: int = 0
    estimated: int = 0
    doubt: Sums = field(default_factory=dict)
    unknown: int = 0
    lost: int = 0
    reserved_pico: int = 0
    crossing: int = 0
    leaving: Sums = field(default_factory=dict)
    arriving: Sums = field(default_factory=dict)

    def plus(self, **news: Any) -> Booked:
        """This and more of it: numbers add up, sums measure by measure."""
        return replace(self, **{name: _added(getattr(self, name), v) for name, v in news.items()})


def _added(one: Any, more: Any) -> Any:
    if isinstance(one, int):
        return one + more
    return {measure: one.get(measure, 0) + more.get(measure, 0) for measure in Measure}


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of one place where the two do not agree. `because`: what may explain it."""

    day: date
    model: str | None
    measure: Measure
    told: int
    booked: int
    unexplained: int
    because: tuple[str, ...]

    @property
    def difference(self) -> int:
        """How much more the provider told."""
        return self.told - self.booked


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it: how many pairs were compared, and those that differ."""

    compared: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether there is nothing unexplained."""
        return not any(one.unexplained for one in self.differences)


def compare(
    told: Mapping[Place, Sums],
    booked: Mapping[Place, Booked],
    measures: Iterable[Measure],
    tolerance: Decimal,
) -> Comparison:
    """Each measure of each place that either side knows; a place that one does not know is 0."""
    compared, differences = 0, []
    for place in sorted(told.keys() | booked.keys(), key=lambda p: (p[0], p[1] or "")):
        of = booked.get(place, Booked())
        for measure in measures:
            theirs, ours = told.get(place, NOTHING).get(measure, 0), of.sums.get(measure, 0)
            compared += bool(theirs or ours)
            if theirs != ours:
                differences.append(_explain(place, measure, theirs, of, tolerance))
    return Comparison(compared, tuple(differences))


def add_up(lines: Iterable[Line], *, by_model: bool) -> dict[Place, dict[Measure, int]]:
    """What the provider told of each place, models as it calls them."""
    told: dict[Place, dict[Measure, int]] = {}
    for line in lines:
        place = told.setdefault((line.day, line.model if by_model else None), {})
        for measure, amount in line.sums.items():
            place[measure] = place.get(measure, 0) + amount
    return told


def assemble(
    booked: Iterable[reconciliations.Booked],
    odd: Iterable[reconciliations.Odd],
    crossing: Iterable[reconciliations.Booked],
    naming: Callable[[str], str | None],
) -> dict[Place, Booked]:
    """The ledger's side, from its rows. `naming` is how the export calls a model."""
    made: dict[Place, Booked] = {}

    def put(day: date, model: str, **news: Any) -> None:
        place = (day, naming(model))
        made[place] = made.get(place, Booked()).plus(**news)

    for row in booked:
        if row.simulated:
            put(row.day, row.model, simulated=row.attempts)
        else:
            put(row.day, row.model, sums=_sums_of(row))
    for one in odd:
        errors = (one.input_error, one.cached_error, one.output_error, one.cost_error_pico)
        put(
            one.day,
            one.model,
            unknown=one.unknown,
            lost=one.lost,
            reserved_pico=one.reserved_pico,
            estimated=one.estimated,
            doubt=dict(zip(Measure, errors, strict=True)),
        )
    for row in crossing:
        put(row.day, row.model, leaving=_sums_of(row), crossing=row.attempts)
        put(row.day + DAY, row.model, arriving=_sums_of(row), crossing=row.attempts)
    return made


def _sums_of(row: reconciliations.Booked) -> Sums:
    return dict(zip(Measure, (row.input, row.cached, row.output, row.cost_pico), strict=True))


def canonical(name: str) -> str:
    """A model by its words and then its numbers: `Claude Haiku 3.5` on a bill is what the API calls
    claude-3-5-haiku-20241022."""
    parts = [p for p in re.split(r"[^a-z0-9]+", name.lower()) if p and not _DATE.fullmatch(p)]
    return "-".join(sorted(parts, key=str.isdecimal))


_DATE = re.compile(r"\d{6,8}|latest")


def _explain(
    place: Place, measure: Measure, told: int, of: Booked, tolerance: Decimal
) -> Difference:
    booked = of.sums.get(measure, 0)
    left = told - booked
    because: list[str] = []
    if of.crossing:
        moved = of.arriving if left > 0 else of.leaving
        if explained := min(abs(left), moved.get(measure, 0)):
            left -= explained if left > 0 else -explained
            because.append(f"{_attempts(of.crossing)} that ended on the next day")
    if of.estimated and (explained := min(abs(left), of.doubt.get(measure, 0))):
        left -= explained if left > 0 else -explained
        because.append(f"{_attempts(of.estimated)} with estimated usage")
    if of.unknown and left > 0:
        bound = of.reserved_pico if measure is Measure.COST else left
        if explained := min(left, bound):
            left -= explained
            lost = f", {of.lost} of them lost" if of.lost else ""
            because.append(f"{_attempts(of.unknown)} without known usage or cost{lost}")
    if left and abs(left) <= told * tolerance:
        left = 0
        because.append("within the tolerance")
    return Difference(*place, measure, told, booked, left, tuple(because))


def _attempts(number: int) -> str:
    return f"{number:,} attempt{'s' if number != 1 else ''}"
