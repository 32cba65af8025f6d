"""Endpoints of the audit log: what happened, the proof of it, and exports for others to check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.kernel.audit import catalogue, merkle, reading, tree
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web import audited
from dd0c.kernel.web.audit import bundle, logs, pdf, rows, shapes, table
from dd0c.kernel.web.audit.logs import Log, Which
from dd0c.kernel.web.audit.rows import Selection
from dd0c.kernel.web.audit.shapes import Chosen, EventShown
from dd0c.kernel.web.fields import LIMIT, Cursor, Limit, Page
from dd0c.kernel.web.requires import Requires

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
Reader = Annotated[Principal, Depends(Requires(logs.READ))]
ChosenLog = Annotated[
    Which,
    Query(description=f"Which log; the installation's needs `{logs.READ_INSTALLATION}`."),
]
Size = Annotated[
    int | None,
    Query(ge=1, le=2**53, description="As the log was at this size; default now."),
]


class Format(StrEnum):
    """What an export may be."""

    CSV = "csv"
    PDF = "pdf"
    BUNDLE = "bundle"
    VERIFIER = "verifier"


class Proof(BaseModel):
    """That an event is in its log: RFC 9162, 2.1.3."""

    leaf_hash: str = Field(description="SHA-256 of a zero byte and the entry's bytes, in hex.")
    path: list[str] = Field(description="The hashes beside its way to the root, from the leaf up.")
    size: int = Field(description="How many entries the tree has.")
    root: str = Field(description="Its root, in hex.")
    checkpoint: str = Field(description="The signed note of C2SP that says so.")
    key: str = Field(description="Whose signature that is: `NAME+HASH+KEY`.")


class EventProven(EventShown):
    """An event, with what proves it."""

    private: dict[str, Any] | None = Field(
        description="Text that can be forgotten; null: there is none, or it was erased."
    )
    entry: str = Field(description="The canonical JSON that is hashed.")
    salt: str | None = Field(description="In hex, what the commitment to `private` begins with.")
    proof: Proof


class CheckpointShown(BaseModel):
    """How a log stands."""

    log: str
    origin: str
    size: int
    root: str = Field(description="The root of its Merkle tree, in hex.")
    signed_at: datetime
    note: str = Field(description="The signed note of C2SP: keep it elsewhere.")
    key: str = Field(description="Whose signature that is: `NAME+HASH+KEY`.")


@router.get("/events", operation_id="list_audit_events", summary="List what happened")
async def list_events(
    request: Request,
    who: Reader,
    chosen: Chosen,
    *,
    log: ChosenLog = Which.ORGANISATION,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Page[EventShown]:
    """Newest first. A change is here within a second."""
    read = logs.choose(request, who, log)
    context = (read.name, "audit", *vars_of(chosen))
    after = None if cursor is None else read.use.cursors.read(cursor, *context)
    async with read.begin() as tx:
        before = None if after is None else (await reading.get(tx, read.name, after)).sequence
        found = await reading.list_newest(tx, read.name, limit + 1, chosen, before=before)
        names = await shapes.find_names(tx, found[:limit])
    more = len(found) > limit
    return Page(
        items=[shapes.show(entry, names) for entry in found[:limit]],
        next_cursor=read.use.cursors.write(found[limit - 1].id, *context) if more else None,
    )


def vars_of(chosen: reading.Filter) -> tuple[object, ...]:
    """What a list's pages depend on."""
    return chosen.since, chosen.until, chosen.actor, chosen.name, chosen.subject


@router.get("/events/{event_id}", operation_id="show_audit_event", summary="One event, proven")
async def show_event(
    event_id: str, request: Request, who: Reader, log: ChosenLog = Which.ORGANISATION
) -> EventProven:
    """With its text, if that was not erased, and its path to the newest signed root."""
    return await load(logs.choose(request, who, log), event_id)


async def load(read: Log, event_id: str) -> EventProven:
    """An event with its proof; NotFound."""
    wanted = ids.parse(ids.Kind.EVENT, event_id)
    async with read.begin() as tx:
        entry = await reading.get(tx, read.name, wanted)
        head = await logs.get_head(tx, read)
        size = head.signed.size
        path = await tree.find_path(tx, read.name, entry.sequence, size)
        known = await read.disclose(tx, entry)
        shown = shapes.show(entry, await shapes.find_names(tx, [entry]))
    return EventProven(
        **shown.model_dump(),
        private=None if known is None else dict(known.private),
        salt=None if known is None else known.salt,
        entry=entry.bytes.decode(),
        proof=Proof(
            leaf_hash=merkle.leaf_hash(entry.bytes).hex(),
            path=[each.hex() for each in path],
            size=size,
            root=head.signed.root.hex(),
            checkpoint=head.signed.note,
            key=head.key,
        ),
    )


@router.get("/checkpoint", operation_id="show_audit_checkpoint", summary="The signed head")
async def show_checkpoint(
    request: Request, who: Reader, log: ChosenLog = Which.ORGANISATION
) -> CheckpointShown:
    """Keep it elsewhere: it shows later that the log was not cut or made anew."""
    read = logs.choose(request, who, log)
    async with read.begin() as tx:
        head = await logs.get_head(tx, read)
    signed = head.signed
    return CheckpointShown(
        log=read.name,
        origin=head.origin,
        size=signed.size,
        root=signed.root.hex(),
        signed_at=signed.signed_at,
        note=signed.note,
        key=head.key,
    )


@router.get(
    "/checkpoint.txt",
    operation_id="show_audit_note",
    summary="The signed head as a note",
    response_class=PlainTextResponse,
)
async def show_note(
    request: Request, who: Reader, log: ChosenLog = Which.ORGANISATION
) -> PlainTextResponse:
    """A signed note of C2SP, as tools for transparency logs take it."""
    read = logs.choose(request, who, log)
    async with read.begin() as tx:
        return PlainTextResponse((await logs.get_head(tx, read)).signed.note)


@router.get(
    "/entries",
    operation_id="stream_audit_entries",
    summary="All entries, as they are hashed",
    response_class=StreamingResponse,
)
async def stream_entries(
    request: Request, who: Reader, log: ChosenLog = Which.ORGANISATION, size: Size = None
) -> StreamingResponse:
    """A line each, oldest first: canonical JSON, the very bytes that are hashed."""
    selected = await select(logs.choose(request, who, log), reading.ALL, size)
    return StreamingResponse(_entries(selected), media_type="application/x-ndjson")


@router.get(
    "/export",
    operation_id="export_audit_log",
    summary="Take events away",
    response_class=Response,
)
async def export(
    request: Request,
    who: Reader,
    chosen: Chosen,
    *,
    format: Annotated[Format, Query(description="`verifier` checks a `bundle`.")] = Format.CSV,
    log: ChosenLog = Which.ORGANISATION,
    size: Size = None,
    disclose: Annotated[
        bool, Query(description="With names, and with texts that can be forgotten.")
    ] = False,
) -> Response:
    """Oldest first. CSV and bundle may be of any size, a PDF has at most 10,000 events."""
    if format is Format.VERIFIER:
        return _attached(PlainTextResponse(bundle.verifier()), bundle.VERIFIER)
    if format is Format.BUNDLE and size is not None:
        raise InvalidInput("query.size: a bundle is of the log as it was signed last")
    read = logs.choose(request, who, log)
    selected = await select(read, chosen, size, disclose=disclose)
    answer = await _write(selected, format)
    async with read.begin() as tx:
        await audited.record(
            tx,
            request,
            catalogue.EXPORTED,
            read.name,
            above=read.org is None,
            format=format.value,
            size=selected.head.signed.size,
            disclosed=disclose,
            whole=selected.is_whole,
        )
    return answer


async def select(
    read: Log, chosen: reading.Filter, size: int | None = None, *, disclose: bool = False
) -> Selection:
    """What is chosen of a log as it is now, or was at another size; NotFound."""
    async with read.begin() as tx:
        head = await logs.get_head(tx, read)
    return Selection(read, head, chosen, disclose, min(size or head.signed.size, head.signed.size))


async def _write(selected: Selection, format: Format) -> Response:
    now = selected.log.use.clock.now()
    name = f"audit-{now:%Y%m%d-%H%M%S}"
    if format is Format.CSV:
        csv = StreamingResponse(table.lines(selected), media_type="text/csv; charset=utf-8")
        return _attached(csv, f"{name}.csv")
    if format is Format.BUNDLE:
        zipped = StreamingResponse(bundle.pieces(selected), media_type="application/zip")
        return _attached(zipped, f"{name}.zip")
    found = await pdf.gather(selected)
    drawn = await asyncio.to_thread(pdf.draw, found, selected, now)
    return _attached(Response(drawn, media_type="application/pdf"), f"{name}.pdf")


def _attached(answer: Response, name: str) -> Response:
    answer.headers["content-disposition"] = f'attachment; filename="{name}"'
    return answer


async def _entries(selected: Selection) -> AsyncIterator[bytes]:
    async for page in rows.pages(selected):
        yield b"".join(entry.bytes + b"\n" for entry in page.entries)
