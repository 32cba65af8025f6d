"""Parts: every process of the installation, and every dependency exercised a moment ago."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import State
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame, live
from dd0c.kernel.web.parts import PartShown
from dd0c.kernel.web.parts import show as shown
from dd0c.kernel.web.probes import Finding, Health, Report
from dd0c.kernel.web.requires import Requires

PATH = "/console/parts"
PERMISSION = "platform:health"
TOPIC = "parts"
CHECK_TONES = {"ok": "good", "degraded": "warn", "failing": "bad", "unknown": "info"}
TONES = {State.ALIVE: "good", State.STALE: "bad", State.STOPPED: "info"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A part with the moment of its last report."""

    part: PartShown
    reported_at: datetime

    @property
    def tone(self) -> str:
        """How its state is coloured."""
        return TONES[self.part.state]

    @property
    def addresses(self) -> str:
        """Where it answers, on a line."""
        told = self.part.facts.items()
        return " · ".join(f"{_words(name)} {value}" for name, value in told if _is_address(value))

    @property
    def facts(self) -> list[tuple[str, str]]:
        """All that it says of itself, named by the way to it."""
        return list(_flat(self.part.facts))


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says."""

    as_of: datetime
    items: list[Row]
    checks: Report


@router.get(PATH)
async def show(
    request: Request, who: Annotated[Principal, Depends(Requires(PERMISSION))]
) -> Response:
    """The page."""
    stream = live.follow(request, who, TOPIC)
    use = resources.of(request)
    health: Health = request.app.state.health
    async with tenancy.system(use.pool) as tx:
        found = [shown(seen) for seen in await register.list_parts(tx)]
    now = use.clock.now()
    rows = [Row(part, now - timedelta(seconds=part.silent_s)) for part in found]
    page = Page(now, rows, await health.report())
    return frame.of(request).page(
        request,
        who,
        "parts_page.html",
        page,
        live=stream,
        tones=CHECK_TONES,
        headline=headline(found, page.checks.items),
        versions=sorted({part.version for part in found if part.state == State.ALIVE}),
    )


def headline(parts: Sequence[PartShown], checks: Sequence[Finding]) -> dict[str, str]:
    """Whether all is well, and else what is not, the worst first."""
    silent = [part for part in parts if part.state == State.STALE]
    failing = [check.name for check in checks if check.status == "failing"]
    alive = sum(part.state == State.ALIVE for part in parts)
    passed = f"{sum(check.status == 'ok' for check in checks)} of {len(checks)}"
    lead = f"{figures.plural(alive, 'part')} reported within 20 s, {passed} checks passed."
    if failing:
        number = f"{failing[0]} fails" if len(failing) == 1 else f"{len(failing)} checks fail"
        which = f": {', '.join(failing)}" if len(failing) > 1 else ""
        return {"number": number, "words": which + _silence(silent), "lead": lead}
    if silent:
        return {"number": f"{_name(silent[0])} is silent", "words": _more(silent), "lead": lead}
    for status in ("degraded", "unknown"):
        if names := [check.name for check in checks if check.status == status]:
            rest = f", and {', '.join(names[1:])}" if names[1:] else ""
            return {"number": f"{names[0]} is {status}", "words": rest, "lead": lead}
    return {"number": "All is well", "words": f", {figures.plural(alive, 'part')}", "lead": lead}


def _silence(silent: Sequence[PartShown]) -> str:
    return f", {figures.plural(len(silent), 'part')} silent" if silent else ""


def _more(silent: Sequence[PartShown]) -> str:
    rest = len(silent) - 1
    return f", and {figures.plural(rest, 'other')}" if rest else ""


def _name(part: PartShown) -> str:
    return f"{part.kind} on {part.host}"


def _flat(value: Any, *way: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, *way, name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flat(inner, *way, str(number))
    else:
        yield _words(" ".join(way)), _written(value)


def _written(value: Any) -> str:
    if value is None or value == "":
        return figures.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return figures.count(value) if isinstance(value, int) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


async def mark(tx: Transaction) -> str:
    """A text that differs when a part came, went or fell silent, and every five seconds."""
    cursor = await tx.execute(
        "SELECT md5(string_agg(id::text || (stopped_at IS NULL)::text"
        " || (seen_at < now() - interval '20 seconds')::text, ',' ORDER BY id)),"
        " floor(extract(epoch FROM now()) / 5)::bigint FROM kernel.parts"
    )
    row = await cursor.fetchone()
    assert row is not None
    return f"{row[0]}-{row[1]}"
