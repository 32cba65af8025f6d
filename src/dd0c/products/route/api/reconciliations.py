"""Reconciling with a provider's exports over HTTP (R-17)."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import InvalidInput, NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body, Day, Moment, Text
from dd0c.kernel.web.packed import unpack
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import events, standings
from dd0c.products.route.models import dollars_text
from dd0c.products.route.reconcile import books, comparison, exports
from dd0c.products.route.reconcile.comparison import Difference
from dd0c.products.route.reconcile.exports import Export, Line
from dd0c.products.route.reconcile.forms import Measure, Source
from dd0c.products.route.store import providers
from dd0c.products.route.store import reconciliations as store
from dd0c.products.route.store.reconciliations import Reconciliation, Waiting

router = APIRouter(prefix="/api/v1/route", tags=["route"])

Reader = Annotated[Principal, Depends(Requires("route:read"))]
Tolerance = Annotated[
    Decimal,
    Field(ge=0, le=1, max_digits=12, decimal_places=10),
]
UNPACKED_BYTES_MAX = 32 * 1024 * 1024


class ExportGiven(Body):
    """An export of a provider, as it is."""

    provider: Source
    export: str = Field(description="The text of the export.")
    packed: bool = Field(
        False, strict=True, description="`export` is base64 of its bytes packed with zlib."
    )
    credential: Text | None = Field(
        None, description="The name of the provider here whose requests it is about; null: all."
    )
    api_key: Text | None = Field(
        None, description="Only lines of this API key, by the name or id that the export has."
    )
    since: Day | None = Field(None, description="Not before this day, UTC.")
    until: Day | None = Field(None, description="Before this day, UTC.")
    tolerance: Tolerance = Field(
        Decimal(0), description="A difference of this share of what was told is none."
    )


class DifferenceShown(BaseModel):
    """Tokens, or US dollars for `cost`, as decimal text."""

    day: date
    model: str | None = Field(description="Null: the export does not tell models apart.")
    measure: Measure
    told: str
    ledger: str
    difference: str = Field(description="How much more the provider told.")
    unexplained: str = Field(description="What of it nothing explains.")
    because: list[str] = Field(description="What explains the rest.")


class Imported(BaseModel):
    """An import that is kept."""

    id: str
    provider: Source
    kind: str
    credential: str | None
    since: date
    until: date = Field(description="Not included.")
    settled: int = Field(description="Attempts that this import brought a cost.")
    imported_at: datetime


class Reconciled(Imported):
    """An import, compared with the ledger as it is now."""

    equal: bool = Field(description="Whether nothing is unexplained.")
    compared: int = Field(description="Numbers that were compared.")
    simulated_attempts: int = Field(description="In the same days; no provider's, not compared.")
    differences: list[DifferenceShown]


class ImportsShown(BaseModel):
    """The newest imports."""

    items: list[Imported]


class WaitingShown(BaseModel):
    """An attempt whose cost is not known."""

    request_id: str
    attempt: int
    started_at: datetime
    end_reason: str
    provider: str
    model: str
    upstream_request_id: str | None
    reserved_usd: str | None = Field(description="What it is charged until then.")


class AllWaiting(BaseModel):
    """The newest thousand."""

    items: list[WaitingShown]


@router.post("/reconciliations", operation_id="reconcile", summary="Import an export and compare")
async def reconcile(
    given: ExportGiven,
    request: Request,
    who: Annotated[Principal, Depends(Requires("route:write"))],
) -> Reconciled:
    """Keeps what the export says by day and model, and compares it with the ledger. The same export
    again is not imported again. Lines that name a request give it the cost that was not known."""
    use = resources.of(request)
    text = await asyncio.to_thread(
        unpack, "export", given.export, packed=given.packed, bytes_max=UNPACKED_BYTES_MAX
    )
    read = await asyncio.to_thread(exports.read, given.provider, text)
    today = use.clock.now().astimezone(UTC).date()
    since = max(given.since or read.since, read.since)
    until = min(given.until or read.until, read.until, today)
    if since >= until:
        raise InvalidInput("no day of the export lies in the span and is over (UTC)")
    async with tenancy.tenant(use.pool, who.org) as tx:
        lines = [one for one in read.lines if since <= one.day < until]
        lines, name = _choose(lines, given.api_key, given.credential)
        credential = await _credential(tx, name)
        content = _content(given, text, credential, since, until)
        kept = await store.find_by_content(tx, content)
        settled = 0
        if kept is None:
            settled = await books.settle(tx, lines, use.clock.now())
            kept = Reconciliation(
                id=ids.new(),
                source=given.provider,
                kind=read.form.kind,
                credential_id=credential.id if credential else None,
                price_provider=_price_provider(given.provider, credential),
                since=since,
                until=until,
                by_model=read.by_model,
                named=read.form.named,
                measures=_measures(read, lines),
                lines=_to_keep(lines, read.by_model),
                settled=settled,
                content=content,
                imported_by=who.actor.id,
                imported_at=use.clock.now(),
            )
            await store.save(tx, who.org, kept)
            await audited.record(
                tx,
                request,
                events.EXPORT_RECONCILED,
                ids.text(ids.Kind.RECONCILIATION, kept.id),
                provider=given.provider,
                since=since.isoformat(),
                until=until.isoformat(),
                settled=settled,
            )
        shown = await _shown(tx, kept, given.tolerance)
    if settled:
        async with tenancy.tenant(use.pool, who.org) as tx:
            await standings.count_anew(tx, use.counters, use.clock.now())
    return shown


@router.get("/reconciliations", operation_id="list_reconciliations", summary="List imports")
async def list_reconciliations(request: Request, who: Reader) -> ImportsShown:
    """The newest first."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await store.list_newest(tx)
        names = {one.id: one.name for one in await providers.list_visible(tx)}
    return ImportsShown(items=[Imported(**_imported(one, names)) for one in found])


@router.get("/reconciliations/{reconciliation_id}", operation_id="show_reconciliation")
async def show_reconciliation(
    reconciliation_id: str,
    request: Request,
    who: Reader,
    tolerance: Annotated[Tolerance, Query(description="As in the import.")] = Decimal(0),
) -> Reconciled:
    """An import, compared with the ledger as it is now."""
    use = resources.of(request)
    wanted = ids.parse(ids.Kind.RECONCILIATION, reconciliation_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        kept = await store.find(tx, wanted)
        if kept is None:
            raise NotFound(f"there is no import {reconciliation_id}")
        return await _shown(tx, kept, tolerance)


@router.get("/waiting", operation_id="list_waiting", summary="Attempts without a known cost")
async def list_waiting(
    request: Request,
    who: Reader,
    since: Annotated[Moment | None, Query(description="Not before this moment.")] = None,
) -> AllWaiting:
    """What an export that names requests can bring a cost, the newest first."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await store.list_waiting(tx, since=since)
    return AllWaiting(items=[_waiting(one) for one in found])


async def _credential(tx: Transaction, name: str | None) -> providers.Listed | None:
    if name is None:
        return None
    found = [one for one in await providers.list_visible(tx) if one.name == name]
    if not found:
        raise InvalidInput(f"credential: there is no provider {name}")
    return found[0]


def _price_provider(source: Source, credential: providers.Listed | None) -> str:
    if credential is not None:
        return credential.price_provider
    return "" if source is Source.CSV else source.value


def _choose(
    lines: list[Line], api_key: str | None, credential: str | None
) -> tuple[list[Line], str | None]:
    """The lines of the key and the credential asked for, and which credential that is."""
    if api_key is not None:
        lines = [one for one in lines if api_key in one.keys]
        if not lines:
            raise InvalidInput(f"api_key: no line of the export is of {api_key}")
    named = {one.credential for one in lines}
    if credential is None and len(named) > 1:
        names = ", ".join(sorted(one or "(none)" for one in named))
        raise InvalidInput(f"credential: the export has several, name one of them: {names}")
    if credential is not None and named != {None}:
        lines = [one for one in lines if one.credential == credential]
        if not lines:
            raise InvalidInput(f"credential: no line of the export is of {credential}")
    return lines, credential or next(iter(named), None)


def _content(
    given: ExportGiven,
    text: str,
    credential: providers.Listed | None,
    since: date,
    until: date,
) -> bytes:
    """What makes two imports the same one."""
    of = credential.id.bytes if credential else b""
    parts = (given.provider.encode(), of, (given.api_key or "").encode(), text.encode())
    ends = (since.isoformat().encode(), until.isoformat().encode())
    hashed = (hashlib.sha256(part).digest() for part in (*parts, *ends))
    return hashlib.sha256(b"".join(hashed)).digest()


def _measures(read: Export, lines: list[Line]) -> list[str]:
    return [m for m in Measure if m in read.form.sums and any(m in one.sums for one in lines)]


def _to_keep(lines: list[Line], by_model: bool) -> list[Any]:
    told = comparison.add_up(lines, by_model=by_model)
    return [[day.isoformat(), model, dict(sums)] for (day, model), sums in told.items()]


def _imported(kept: Reconciliation, names: dict[uuid.UUID, str]) -> dict[str, Any]:
    return {
        "id": ids.text(ids.Kind.RECONCILIATION, kept.id),
        "provider": kept.source,
        "kind": kept.kind,
        "credential": kept.credential_id and names.get(kept.credential_id),
        "since": kept.since,
        "until": kept.until,
        "settled": kept.settled,
        "imported_at": kept.imported_at,
    }


async def _shown(tx: Transaction, kept: Reconciliation, tolerance: Decimal) -> Reconciled:
    compared = await books.compare(tx, kept, tolerance)
    names = {one.id: one.name for one in await providers.list_visible(tx)}
    return Reconciled(
        **_imported(kept, names),
        equal=compared.found.equal,
        compared=compared.found.compared,
        simulated_attempts=compared.simulated,
        differences=[_difference(one) for one in compared.found.differences],
    )


def _difference(one: Difference) -> DifferenceShown:
    def text(amount: int) -> str:
        return str(dollars_text(amount) if one.measure is Measure.COST else amount)

    return DifferenceShown(
        day=one.day,
        model=one.model,
        measure=one.measure,
        told=text(one.told),
        ledger=text(one.booked),
        difference=text(one.difference),
        unexplained=text(one.unexplained),
        because=list(one.because),
    )


def _waiting(one: Waiting) -> WaitingShown:
    return WaitingShown(
        request_id=ids.text(ids.Kind.REQUEST, one.request_id),
        attempt=one.attempt,
        started_at=one.started_at,
        end_reason=one.end_reason,
        provider=one.provider,
        model=one.model,
        upstream_request_id=one.upstream_request_id,
        reserved_usd=dollars_text(one.reserved_pico),
    )
