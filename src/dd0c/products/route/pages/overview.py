"""Overview: what today cost, what needs a decision, where the money went, what came last."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.pages import board, commands, rows, span
from dd0c.products.route.pages.span import SPANS, Range
from dd0c.products.route.store import overview, providers, reading
from dd0c.products.route.store.selection import Filter

PATH = "/console/"
LATEST = 10
MISSING_PRICES_MAX = 3

router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def show(
    request: Request,
    who: Annotated[Principal, Depends(Requires("route:read"))],
    range: Range = Range.DAY,
) -> HTMLResponse:
    """The page."""
    use = resources.of(request)
    now, over = use.clock.now(), SPANS[range]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=1)
    async with tenancy.tenant(use.pool, who.org) as tx:
        latest = await reading.list_requests(tx, Filter(), limit=LATEST)
        today = await overview.totals(tx, Filter(since=midnight))
        before = await overview.totals(tx, Filter(since=midnight - day, until=now - day))
        spent = await overview.spend(
            tx, Filter(since=now - over.length), over.step_s, board.MODELS_MAX
        )
        unpriced = await overview.list_unpriced(tx, Filter(since=now - day), MISSING_PRICES_MAX)
        failing = await overview.list_failing(tx, Filter(since=now - timedelta(hours=1)))
        known = await providers.list_visible(tx)
    simulated = {provider.name for provider in known if provider.simulated}
    shown = [rows.of(each, simulated) for each in latest.requests]
    twin = f"/api/v1/route/usage?by=model&since={commands.moment(midnight)}"
    return frame.of(request).render(
        request,
        who,
        "route/overview.html",
        headline={
            "number": figures.short(today.cost_pico),
            "exact": figures.exact(today.cost_pico),
            "words": board.comparison(today, before),
            "lead": board.lead(today),
        },
        decisions=list(board.decisions(unpriced, failing, known)),
        ranges=span.options(PATH, range, {}),
        chart=board.chart(spent, now, over) if spent else None,
        over=over,
        as_of=now,
        first_use="" if shown else commands.first_steps(use.settings),
        rows=shown,
        decimals=rows.decimals(shown),
        twin={"json": twin, "curl": commands.as_json(request, twin)},
    )
