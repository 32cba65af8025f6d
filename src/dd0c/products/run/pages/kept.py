"""A runbook that is kept: its newest version or another as a sheet, saving one, what differs
between two, and its end."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from dd0c.base import ids
from dd0c.base.errors import Conflict, InvalidInput, PlanExceeded, TooLarge
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import forgery
from dd0c.kernel.web.fields import Name
from dd0c.products.run import runbooks, shapes
from dd0c.products.run.models import Parsed
from dd0c.products.run.pages import paste, sheets
from dd0c.products.run.pages.paste import PATH, WRITE, Reader, Writer
from dd0c.products.run.pages.sheets import Book
from dd0c.products.run.runbooks import Document, Stored
from dd0c.products.run.store import runbooks as store
from dd0c.products.run.store import versions
from dd0c.products.run.store.versions import Row

VERSIONS_SHOWN = 20
NUMBER_MAX = 2**31 - 1
NAME = TypeAdapter(Name)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Version:
    """A version in the list of them; `risk` as it was judged when it was saved."""

    number: int
    steps: int
    risk: str | None
    saved_at: datetime
    saved_by: str


@router.get(f"{PATH}/{{runbook_id}}")
async def show(
    runbook_id: str,
    request: Request,
    who: Reader,
    version: Annotated[int | None, Query(ge=1, le=NUMBER_MAX)] = None,
) -> Response:
    """A version of a runbook."""
    return await _page(request, who, ids.parse(ids.Kind.RUNBOOK, runbook_id), version)


@router.post(PATH)
async def create(request: Request, who: Writer) -> Response:
    """A new runbook; or its sheet again with what is wrong."""

    async def keep(book: Book, document: Document) -> uuid.UUID:
        try:
            name = NAME.validate_python(book.name)
        except ValidationError as wrong:
            raise InvalidInput(f"name: {wrong.errors()[0]['msg']}") from None
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            return await runbooks.create(tx, request, who, name, document)

    return await _keep(request, who, keep)


@router.post(f"{PATH}/{{runbook_id}}/versions")
async def save(runbook_id: str, request: Request, who: Writer) -> Response:
    """Another version; or its sheet again with what is wrong."""
    runbook = ids.parse(ids.Kind.RUNBOOK, runbook_id)

    async def keep(book: Book, document: Document) -> uuid.UUID:
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            await runbooks.save(tx, request, who, runbook, document=document, based_on=book.version)
        return runbook

    return await _keep(request, who, keep)


@router.post(f"{PATH}/{{runbook_id}}/remove")
async def remove(
    request: Request,
    runbook_id: str,
    who: Writer,
    csrf: Annotated[str, Form()] = "",
    confirm: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """End the runbook when its name was typed; else its page again, saying so."""
    forgery.check_token(request, csrf)
    runbook = ids.parse(ids.Kind.RUNBOOK, runbook_id)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        found = await store.get(tx, runbook)
        if confirm.strip() == found.name:
            await runbooks.remove(tx, request, runbook)
            return RedirectResponse(PATH, 303)
    return await _page(
        request, who, runbook, None, problem="That is not its name: nothing was changed."
    )


Keep = Callable[[Book, Document], Awaitable[uuid.UUID]]


async def _keep(request: Request, who: Principal, keep: Keep) -> Response:
    """To the page of what was kept; or the text again with what is wrong."""
    async with paste.posted(request) as given:
        try:
            book = await paste.read_book(given)
            document = await runbooks.read(request, who, book.source, paste.read_format(given))
            runbook = await keep(book, document)
        except (InvalidInput, TooLarge, Conflict, PlanExceeded) as problem:
            return await paste.again(request, who, given, problem)
    return RedirectResponse(f"{PATH}/{ids.text(ids.Kind.RUNBOOK, runbook)}", 303)


async def _page(
    request: Request, who: Principal, runbook: uuid.UUID, number: int | None, *, problem: str = ""
) -> Response:
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        stored = await runbooks.load(tx, request, who, runbook, number)
        rows = await versions.list_versions(tx, runbook, VERSIONS_SHOWN)
    text = stored.text
    book = Book(
        source=text.source,
        name=stored.runbook.name,
        id=ids.text(ids.Kind.RUNBOOK, runbook),
        version=stored.row.number,
        kept=stored.steps,
    )
    return await sheets.answer(
        request,
        who,
        book,
        Parsed(text.format, text.steps, text.remarks),
        status=400 if problem else 200,
        **paste.names(who, book)
        | {
            "versions": [_version(row) for row in rows],
            "newest": stored.runbook.version,
            "danger": _danger(stored, problem) if WRITE in who.permissions else None,
        },
    )


def _version(row: Row) -> Version:
    return Version(row.number, row.steps, shapes.risk_name(row.risk), row.saved_at, row.saved_by)


def _danger(stored: Stored, problem: str) -> dict[str, object]:
    """Exactly what removing it does."""
    return {
        "label": "Remove this runbook",
        "name": stored.runbook.name,
        "effects": [
            "It is shown no longer, and its name is free.",
            "What it said stays with what was done by it, until the organisation is erased.",
        ],
        "action": f"{PATH}/{ids.text(ids.Kind.RUNBOOK, stored.runbook.id)}/remove",
        "problem": problem,
    }
