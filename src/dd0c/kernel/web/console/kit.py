"""The design system on one page: every component with invented data, to look at after a change."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web.console import charts, figures, frame
from dd0c.kernel.web.requires import Requires

router = APIRouter(include_in_schema=False)

_CENT = 10**10


@router.get("/console/kit")
async def show(request: Request, who: Annotated[Principal, Depends(Requires())]) -> HTMLResponse:
    """The page."""
    series = [
        charts.Series("first", [_CENT * n for n in (4, 6, 5, 0, 7, 8)]),
        charts.Series("second", [_CENT * n for n in (2, 2, 3, 0, 1, 4)]),
        charts.Series("everything else", [_CENT * n for n in (1, 0, 1, 0, 1, 1)], rest=True),
    ]
    bins = [
        charts.Bin(f"{hour:02}:00", f"{hour:02}:00", unknown=int(hour == 4)) for hour in range(6)
    ]
    return frame.of(request).render(
        request,
        who,
        "kit.html",
        chart=charts.stacked_bars("A stacked chart", bins, series, charts.money_axis(13 * _CENT)),
        legend=[(charts.swatch(charts.colour(i, s)), s.name) for i, s in enumerate(series)],
        strip=charts.strip("A strip of three", [("s0", 1), ("s1", 30), ("s2", 60)]),
        at=datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        amounts=[(Decimal(text), figures.places([Decimal("0.00000025")])) for text in _AMOUNTS],
    )


_AMOUNTS = ("1204.5", "0.068790", "0.00000025", "0")
