"""Paste a runbook and see its steps, edit it in place, save it as a version.

Nothing is kept between two looks: the form carries the whole text, and each of its buttons posts
it. So it works without script, and an edit is what it seems: other lines in the same text.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile

from dd0c.base import ids
from dd0c.base.errors import Error, InvalidInput, LimitExceeded, TooLarge
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web.console import forgery, frame
from dd0c.kernel.web.requires import Requires
from dd0c.products.run import advice, documents, judging
from dd0c.products.run.models import Format
from dd0c.products.run.pages import sheets
from dd0c.products.run.pages.excerpts import Source
from dd0c.products.run.pages.sheets import Book

PATH = "/console/run/runbooks"
PASTE = f"{PATH}/preview"
READ, WRITE = "run:read", "run:write"
FIELDS_MAX = 200
FILL = "fill:"
_LINES = re.compile(r"([1-9][0-9]{0,6})-([1-9][0-9]{0,6})")
SAMPLE = """\
# Queue does not drain

1. Check how long it is:

   ```console
   $ redis-cli -h <queue-host> llen jobs
   (integer) 48211
   ```

   More than 10,000 is too long.
2. See what the workers say:

   ```sh
   kubectl -n jobs logs deploy/worker --tail=50
   ```

3. Restart the workers:

   ```sh
   kubectl -n jobs rollout restart deploy/worker
   ```

   To undo it: `kubectl -n jobs rollout undo deploy/worker`
4. Wait 5 minutes, then see whether the queue drains.
5. If the jobs are worthless, throw them away:

   ```sh
   redis-cli -h <queue-host> del jobs
   ```
"""

router = APIRouter(include_in_schema=False)

Reader = Annotated[Principal, Depends(Requires(READ))]
Writer = Annotated[Principal, Depends(Requires(WRITE, in_panic=False))]


@router.get(PASTE)
async def show(request: Request, who: Reader, sample: bool = False) -> Response:
    """Where a text is pasted."""
    return _form(request, who, SAMPLE if sample else "")


@router.post(PASTE)
async def preview(request: Request, who: Reader) -> Response:
    """The text as steps; or the form again with what is wrong."""
    async with posted(request) as given:
        try:
            book = await read_book(given)
            await documents.require_rate(resources.of(request).rates, who.org)
            return await sheet(request, who, book, given)
        except (InvalidInput, TooLarge, LimitExceeded) as problem:
            return _form(request, who, _text(given), problem)


async def again(request: Request, who: Principal, given: FormData, problem: Error) -> Response:
    """The text that was not kept, and why; the form where it cannot be read."""
    try:
        book = replace(await read_book(given), problem=problems.sentence(problem))
        return await sheet(request, who, book, given, problem.status)
    except (InvalidInput, TooLarge):
        return _form(request, who, _text(given), problem)


async def sheet(
    request: Request, who: Principal, book: Book, given: FormData, status: int = 200
) -> Response:
    """The steps of a text that was posted."""
    parsed = await documents.read(book.source, read_format(given))
    if advisor := advice.advisor(request, who):
        placed = await advisor.place(book.source, parsed.steps)
        parsed = msgspec.structs.replace(parsed, steps=tuple(placed))
    return await sheets.answer(request, who, book, parsed, status=status, **names(who, book))


def names(who: Principal, book: Book) -> dict[str, Any]:
    """What the template of a sheet asks besides, where no more is said."""
    return {
        "versions": (),
        "newest": None,
        "danger": None,
        "runbooks": PATH,
        "preview": PASTE,
        "keep": f"{PATH}/{book.id}/versions" if book.id else PATH,
        "may_write": WRITE in who.permissions,
    }


@asynccontextmanager
async def posted(request: Request) -> AsyncIterator[FormData]:
    """What our own page posted; Forbidden."""
    async with request.form(
        max_files=1, max_fields=FIELDS_MAX, max_part_size=judging.SOURCE_BYTES_MAX
    ) as given:
        forgery.check_token(request, _field(given, "csrf"))
        yield given


async def read_book(given: FormData) -> Book:
    """The text that was posted, with the edit that came with it; InvalidInput, TooLarge."""
    text = await _uploaded(given) or _text(given)
    if not text.strip():
        raise InvalidInput("there is no text", hint="paste it, or choose a file")
    edit, lines = _field(given, "edit"), _field(given, "lines")
    if lines and not _field(given, "drop"):
        first, last = _range(lines, text)
        text = Source(text).replaced(first, last, _unix(_field(given, "text")))
    book = Book(
        source=text,
        name=_field(given, "name").strip(),
        id=_runbook(given),
        version=_version(given),
        filled={
            name.removeprefix(FILL): value.strip()
            for name, value in given.multi_items()
            if name.startswith(FILL) and isinstance(value, str) and value.strip()
        },
    )
    return replace(book, edited=_range(edit, text)) if edit else book


def _runbook(given: FormData) -> str:
    text = _field(given, "runbook")
    return ids.text(ids.Kind.RUNBOOK, ids.parse(ids.Kind.RUNBOOK, text)) if text else ""


def _version(given: FormData) -> int | None:
    text = _field(given, "version")
    return int(text) if re.fullmatch("[1-9][0-9]{0,8}", text) else None


async def _uploaded(given: FormData) -> str:
    file = given.get("file")
    if not isinstance(file, UploadFile) or not file.size:
        return ""
    await file.seek(0)
    try:
        return _unix((await file.read()).decode())
    except UnicodeDecodeError:
        raise InvalidInput(
            "that file is not UTF-8 text", hint="save the page as HTML, Markdown or text"
        ) from None


def _text(given: FormData) -> str:
    return _unix(_field(given, "source"))


def _unix(text: str) -> str:
    """Lines as they were: a form ends each with two characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _field(given: FormData, name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


def read_format(given: FormData) -> Format | None:
    """How it is written, as was chosen; InvalidInput."""
    name = _field(given, "format")
    if name and name not in set(Format):
        raise InvalidInput("choose how it is written")
    return Format(name) if name else None


def _range(text: str, source: str) -> tuple[int, int]:
    found = _LINES.fullmatch(text)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= first <= last <= Source(source).lines:
        raise InvalidInput("there are no such lines", hint="go back and load the page again")
    return first, last


def _form(request: Request, who: Principal, text: str, problem: Error | None = None) -> Response:
    return frame.of(request).render(
        request,
        who,
        "run/paste.html",
        problem.status if problem else 200,
        text=text,
        problem=problems.sentence(problem) if problem else "",
        action=PASTE,
        runbooks=PATH,
        formats=list(Format),
    )
