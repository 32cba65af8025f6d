"""The design system on one page: every component with invented data, to look at after a change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web.console import charts, curves, figures, frame, tables
from dd0c.kernel.web.console.charts import Bin, Drawn, Series
from dd0c.kernel.web.console.curves import Curve
from dd0c.kernel.web.console.tables import Column
from dd0c.kernel.web.requires import Requires

router = APIRouter(include_in_schema=False)

_CENT = 10**10
_HOURS = 24
_GAP = range(13, 16)
_AMOUNTS = ("1204.5", "0.068790", "0.00000025", "0")
_COLUMNS = (
    Column("Name", sort="name"),
    Column("State"),
    Column("Last day", show="wide"),
    Column("Amount", "USD", sort="amount", number=True),
)


@dataclass(frozen=True, slots=True)
class Kit:
    """The invented data; the page draws every component from it."""

    at: datetime
    amounts: Sequence[Decimal]
    hours: Sequence[int | None]


@router.get("/console/kit")
async def show(
    request: Request,
    who: Annotated[Principal, Depends(Requires())],
    sort: str = "name",
) -> Response:
    """The page."""
    tables.read(_COLUMNS, sort)
    hours = [None if h in _GAP else round(40 + 30 * math.sin(h / 4)) for h in range(_HOURS)]
    kit = Kit(
        datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC), list(map(Decimal, _AMOUNTS)), hours
    )
    return frame.of(request).page(
        request,
        who,
        "kit.html",
        kit,
        bars=_bars(),
        curve=_curve(hours),
        heat=curves.heat("Calls in each hour of a day", _bins(hours), hours),
        strip=charts.strip("A strip of three", [("s0", 1), ("s1", 30), ("s2", 60)]),
        sparks=[curves.sparkline("Its last day", hours[n:]) for n in (0, 4, 8, 12)],
        heads=tables.heads(_COLUMNS, "/console/kit", {"sort": sort}),
        decimals=figures.places(kit.amounts),
        old=kit.at + timedelta(seconds=1),
        danger={
            "label": "Delete this",
            "name": "checkout",
            "effects": ["It ends at once.", "It cannot be undone."],
            "action": "#",
            "problem": "",
        },
    )


def _bins(values: Sequence[int | None]) -> list[Bin]:
    return [
        Bin(f"{h:02}:00", f"{h:02}:00: {figures.count(value)} calls")
        for h, value in enumerate(values)
    ]


def _bars() -> Drawn:
    series = [
        Series("first", [_CENT * (4 + h % 5) for h in range(_HOURS)]),
        Series("second", [_CENT * (1 + h % 3) for h in range(_HOURS)]),
        Series("everything else", [_CENT * (h % 2) for h in range(_HOURS)], rest=True),
    ]
    bins = [
        Bin(f"{h:02}:00", f"{h:02}:00: an amount", unknown=int(h in _GAP)) for h in range(_HOURS)
    ]
    return Drawn(
        title="Spend per hour",
        svg=charts.stacked_bars("Spend per hour", bins, series, charts.money_axis(13 * _CENT)),
        legend=[
            (charts.swatch(charts.colour(i, one)), one.name, figures.short(sum(one.values)))
            for i, one in enumerate(series)
        ],
        unknown="not measured",
        head=["From, UTC", *(one.name for one in series)],
        rows=[
            [each.label, *(figures.exact(one.values[i]) for one in series)]
            for i, each in enumerate(bins)
        ],
        cross="kit",
    )


def _curve(hours: Sequence[int | None]) -> Drawn:
    half = [None if value is None else value // 2 for value in hours]
    both = [Curve("slowest of a hundred", hours), Curve("half of them", half)]
    axis = charts.count_axis(70, lambda ms: f"{ms} ms")
    return Drawn(
        title="Time to the first byte",
        svg=curves.lines("Time to the first byte", _bins(hours), both, axis),
        head=["From, UTC", *(one.name for one in both)],
        rows=[
            [f"{h:02}:00", *(figures.count(one.values[h]) for one in both)] for h in range(_HOURS)
        ],
        cross="kit",
    )
