"""Usage with its cost, as JSON or as CSV."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import csvlines, resources
from dd0c.kernel.web.fields import Moment, Text
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.api import choosing
from dd0c.products.route.models import dollars_text
from dd0c.products.route.store import usage
from dd0c.products.route.store.selection import Filter

router = APIRouter(prefix="/api/v1/route", tags=["route"])


class Sums(BaseModel):
    """Sums over attempts. A null count: no attempt reported it."""

    requests: int
    attempts: int
    input: int | None
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    output: int | None
    reasoning: int | None
    cost_usd: str | None = Field(description="Exact US dollars of what has a price; null: nothing.")
    simulated_cost_usd: str | None = Field(
        description="How much of `cost_usd` a simulated provider would have charged: nobody "
        "charges it. Null: nothing was simulated."
    )
    unpriced_requests: int = Field(description="How many have no known cost; not in `cost_usd`.")


class Row(Sums):
    """Usage of one group; what `by` does not ask for is null, and so is the group of what has no
    team or no tag."""

    model: str | None = Field(None, description="As it was asked for.")
    key: str | None = Field(None, description="The key's name, or its id when it has none.")
    key_id: str | None = None
    provider: str | None = None
    team: str | None = Field(None, description="The team's name.")
    team_id: str | None = None
    tag: str | None = None
    hour: str | None = Field(None, description="When it begins, in UTC.")
    day: str | None = Field(None, description="In UTC.")


class UsageShown(BaseModel):
    """Usage in a span of time; the rows add up to the total, digit by digit. Not so by tag: a
    request with several tags is in the row of each, and once in the total."""

    by: usage.By
    since: datetime | None
    until: datetime | None
    rows: list[Row]
    total: Sums


@router.get(
    "/usage",
    operation_id="show_usage",
    summary="Usage and cost by model, key, provider, team, tag, hour or day",
    response_model=UsageShown,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def show_usage(
    request: Request,
    who: Annotated[Principal, Depends(Requires("route:read"))],
    *,
    by: Annotated[usage.By, Query(description="What a row is.")] = "model",
    since: Annotated[Moment | None, Query(description="Not before this moment.")] = None,
    until: Annotated[Moment | None, Query(description="Before this moment.")] = None,
    team: Annotated[Text | None, Query(description=choosing.TEAM)] = None,
    tag: Annotated[Text | None, Query(description=choosing.TAG)] = None,
    format: Annotated[Literal["json", "csv"], Query(description="How to answer.")] = "json",
) -> UsageShown | Response:
    """Exact sums over the ledger. What has no known cost is counted apart, never taken as free."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        team_id = None if team is None else await choosing.team_id(tx, team)
        wanted = Filter(since=since, until=until, team=team_id, tag=tag)
        report = await usage.usage_by(tx, by, wanted)
    if format == "csv":
        return StreamingResponse(
            csv_lines(report),
            media_type="text/csv",
            headers={"content-disposition": f'attachment; filename="usage-by-{by}.csv"'},
        )
    return UsageShown(
        by=by,
        since=since,
        until=until,
        rows=[Row(**_group(by, row), **_sums(row)) for row in report.rows],
        total=Sums(**_sums(report.total)),
    )


def csv_lines(report: usage.UsageReport) -> Iterator[str]:
    """The report as CSV, head first; without the total, which would count twice in a sheet."""
    group = (report.by, f"{report.by}_id") if report.by in _NAMED else (report.by,)
    yield csvlines.line([*group, *Sums.model_fields])
    for row in report.rows:
        yield csvlines.line((_group(report.by, row) | _sums(row)).values())


def _group(by: usage.By, row: usage.UsageRow) -> dict[str, Any]:
    """What the row is of, in the order of the CSV's columns."""
    if isinstance(row.group, uuid.UUID):
        id_text = ids.text(_NAMED[by], row.group)
        return {by: row.name or id_text, f"{by}_id": id_text}
    if isinstance(row.group, datetime):
        return {by: row.group.strftime("%Y-%m-%dT%H:%M:%SZ")}
    group = None if row.group is None else str(row.group)
    return {by: group, f"{by}_id": None} if by in _NAMED else {by: group}


def _sums(row: usage.UsageRow) -> dict[str, Any]:
    """The row's sums, in the order of the CSV's columns. No attempts cost exactly nothing."""
    same = {name: getattr(row, name) for name in Sums.model_fields if name in _SAME}
    cost = 0 if row.attempts == 0 else row.cost_pico
    return same | {
        "cost_usd": dollars_text(cost),
        "simulated_cost_usd": dollars_text(row.simulated_pico),
        "unpriced_requests": row.unpriced,
    }


_NAMED = {"key": ids.Kind.KEY, "team": ids.Kind.TEAM}
_SAME = frozenset(field.name for field in dataclasses.fields(usage.UsageRow))
