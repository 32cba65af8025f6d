"""What differs between two versions of a runbook, step by step, with the risk of each (N-4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame
from dd0c.products.run import diff, documents, runbooks, shapes
from dd0c.products.run.diff import Change
from dd0c.products.run.lineage import Kept
from dd0c.products.run.pages import excerpts, sheets
from dd0c.products.run.pages.kept import NUMBER_MAX
from dd0c.products.run.pages.paste import PATH, Reader
from dd0c.products.run.shapes import StepShown

TONES = {
    Change.SAME: "info",
    Change.MOVED: "info",
    Change.CHANGED: "warn",
    Change.ADDED: "good",
    Change.REMOVED: "bad",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A step in both versions; None: it is not in that one. `fields`: what of it differs."""

    change: Change
    before: StepShown | None
    after: StepShown | None
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says; steps that are the same are only counted."""

    id: str
    name: str
    before: int
    after: int
    same: int
    items: list[Row]


@router.get(f"{PATH}/{{runbook_id}}/diff")
async def show(
    runbook_id: str,
    request: Request,
    who: Reader,
    *,
    before: Annotated[int | None, Query(ge=1, le=NUMBER_MAX)] = None,
    after: Annotated[int | None, Query(ge=1, le=NUMBER_MAX)] = None,
) -> Response:
    """Two versions."""
    runbook = ids.parse(ids.Kind.RUNBOOK, runbook_id)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        old, new = await runbooks.load_pair(tx, request, who, runbook, before=before, after=after)
    found = [one for one in diff.compare(old.steps, new.steps) if one.change is not Change.SAME]
    olds = await _judged(old.steps, [one.before for one in found])
    news = await _judged(new.steps, [one.after for one in found])
    rows = [Row(one.change, olds.get(one.before), news.get(one.after), one.fields) for one in found]
    unchanged = len(new.steps) - sum(one.after is not None for one in found)
    numbers = old.row.number, new.row.number
    page = Page(runbook_id, new.runbook.name, *numbers, unchanged, rows)
    return frame.of(request).page(
        request,
        who,
        "run/diff.html",
        page,
        headline=_headline(rows),
        runbooks=PATH,
        tones=sheets.TONES,
        changes=TONES,
        shown=excerpts.pieces,
    )


async def _judged(
    steps: Sequence[Kept], places: Sequence[int | None]
) -> dict[int | None, StepShown]:
    """The steps at these places, judged by the rules of today."""
    wanted = [at for at in places if at is not None]
    judged = documents.judge([steps[at].step for at in wanted])
    shown = [shapes.show_step(at + 1, await anext(judged)) for at in wanted]
    return dict(zip(wanted, shown, strict=True))


def _headline(rows: Sequence[Row]) -> dict[str, str]:
    counts = Counter(row.change for row in rows)
    told = [f"{counts[change]:,} {change}" for change in Change if counts[change]]
    if not told:
        return {"number": "No step", "words": " differs"}
    verb = "differs" if len(rows) == 1 else "differ"
    return {"number": figures.plural(len(rows), "step"), "words": f" {verb}: {', '.join(told)}"}
