"""The runbooks that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame, links
from dd0c.products.run import shapes
from dd0c.products.run.pages import paste, sheets
from dd0c.products.run.pages.paste import PATH, WRITE, Reader
from dd0c.products.run.store import runbooks as store
from dd0c.products.run.store.runbooks import Runbook

PAGE_ROWS = 50

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A runbook; steps and risk are those of its newest version, as it was judged when saved."""

    id: str
    name: str
    version: int
    steps: int
    risk: str | None
    changed_at: datetime

    @property
    def href(self) -> str:
        """Its page."""
        return f"{PATH}/{self.id}"


@dataclass(frozen=True, slots=True)
class List:
    """What the page says."""

    items: list[Row]
    next: str


@router.get(PATH)
async def show_list(
    request: Request, who: Reader, cursor: Annotated[str, Query(max_length=128)] = ""
) -> Response:
    """The page."""
    use = resources.of(request)
    after = use.cursors.read(cursor, who.org, "console runbooks") if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await store.list_runbooks(tx, PAGE_ROWS + 1, after)
    shown, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    following = use.cursors.write(shown[-1].id, who.org, "console runbooks") if more else ""
    items = [_row(one) for one in shown]
    page = List(items, links.to(PATH, {"cursor": following}) if more else "")
    return frame.of(request).page(
        request,
        who,
        "run/list.html",
        page,
        headline=_headline(items, more=more),
        tones=sheets.TONES,
        paste=paste.PASTE,
        sample=links.to(paste.PASTE, {"sample": "true"}),
        may_write=WRITE in who.permissions,
        paging={"words": "", "first": PATH if cursor else "", "next": page.next},
    )


def _row(found: Runbook) -> Row:
    return Row(
        id=ids.text(ids.Kind.RUNBOOK, found.id),
        name=found.name,
        version=found.version,
        steps=found.steps,
        risk=shapes.risk_name(found.risk),
        changed_at=found.changed_at,
    )


def _headline(items: Sequence[Row], *, more: bool) -> dict[str, str]:
    if not items:
        return {"number": "No runbook", "words": " is kept here yet"}
    grave = sum(one.risk in ("dangerous", "blocked") for one in items)
    words = f", {grave:,} with a step that is dangerous or blocked" if grave else ""
    count = f"{len(items):,} and more runbooks" if more else figures.plural(len(items), "runbook")
    return {"number": count, "words": words}
