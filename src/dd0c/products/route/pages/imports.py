"""Imports of providers' exports: what each says beside the ledger as it is now (R-17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.reconcile import books
from dd0c.products.route.reconcile.comparison import Comparison, Difference
from dd0c.products.route.reconcile.forms import Measure
from dd0c.products.route.store import reconciliations as store
from dd0c.products.route.store.reconciliations import Reconciliation

PATH = "/console/route/reconciliations"
LINES_MAX = 100  # keeps the page under 60 kB; the twin has every difference

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Import:
    """An export that was imported; `until` is not in it."""

    id: str
    source: str
    kind: str
    since: date
    until: date
    settled: int
    imported_at: datetime

    @property
    def href(self) -> str:
        """Its page."""
        return f"{PATH}/{self.id}"

    @property
    def what(self) -> str:
        """Whose export it is, and of what."""
        return self.source if self.source == self.kind else f"{self.source}, {self.kind}"


@dataclass(frozen=True, slots=True)
class Line:
    """A number on which both do not agree, as it is written: tokens, or dollars."""

    day: date
    model: str
    measure: str
    told: str
    ledger: str
    difference: str
    unexplained: str
    because: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says, what is unexplained first."""

    of: Import
    compared: int
    unexplained: int
    lines: list[Line]


@router.get(f"{PATH}/{{import_id}}")
async def show(
    import_id: str, request: Request, who: Annotated[Principal, Depends(Requires("route:read"))]
) -> Response:
    """One import, compared with the ledger as it is now."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        kept = await store.find(tx, ids.parse(ids.Kind.RECONCILIATION, import_id))
        if kept is None:
            raise NotFound
        compared = await books.compare(tx, kept, Decimal(0))
    found = sorted(compared.found.differences, key=lambda one: not one.unexplained)
    page = Page(
        of=of(kept),
        compared=compared.found.compared,
        unexplained=sum(bool(one.unexplained) for one in found),
        lines=[_line(one) for one in found],
    )
    return frame.of(request).page(
        request,
        who,
        "route/import.html",
        page,
        headline=_headline(compared.found, page.unexplained),
        shown=page.lines[:LINES_MAX],
    )


def of(kept: Reconciliation) -> Import:
    """An import as pages show it."""
    return Import(
        id=ids.text(ids.Kind.RECONCILIATION, kept.id),
        source=kept.source,
        kind=kept.kind,
        since=kept.since,
        until=kept.until,
        settled=kept.settled,
        imported_at=kept.imported_at,
    )


def _headline(found: Comparison, unexplained: int) -> dict[str, str]:
    of_all = f" of {figures.plural(found.compared, 'number')}"
    if unexplained:
        verb = "differs" if unexplained == 1 else "differ"
        return {"number": f"{unexplained:,}{of_all}", "words": f" {verb}, and nothing explains it"}
    if found.differences:
        return {"number": f"{len(found.differences):,}{of_all}", "words": " differ, all explained"}
    return {"number": f"All {figures.plural(found.compared, 'number')}", "words": " agree"}


def _line(one: Difference) -> Line:
    def text(amount: int) -> str:
        shown = figures.exact(amount) if one.measure is Measure.COST else figures.count(amount)
        return shown.replace("-", "−")

    return Line(
        day=one.day,
        model=one.model or "",
        measure="cost, USD" if one.measure is Measure.COST else str(one.measure),
        told=text(one.told),
        ledger=text(one.booked),
        difference=text(one.difference),
        unexplained=text(one.unexplained) if one.unexplained else "",
        because="; ".join(one.because),
    )
