"""Autonomy: whether a panic is on, the brake, and how far products act by themselves (K-63).

The page for three at night: on a phone the brake is under the thumb, and its word is short.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from dd0c.base import ids
from dd0c.base.errors import Conflict, InvalidInput, Timeout, Unavailable
from dd0c.kernel.audit import entries, reading
from dd0c.kernel.audit.entries import Entry
from dd0c.kernel.audit.reading import Filter
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.autonomy import events
from dd0c.kernel.autonomy.states import Event, Mode, Panic
from dd0c.kernel.web import autonomy, panics, problems, resources
from dd0c.kernel.web.audit import logs, shapes
from dd0c.kernel.web.audit.logs import Log
from dd0c.kernel.web.autonomy import PanicShown
from dd0c.kernel.web.console import forgery, frame
from dd0c.kernel.web.fields import Text
from dd0c.kernel.web.panics import PANIC, PLATFORM, WRITE
from dd0c.kernel.web.requires import Requires

PATH = "/console/autonomy"
WORD = "panic"
HISTORY_MAX = 10
DISCLOSE_WITHIN_S = 1.0
MEANS = {
    Panic.PASSTHROUGH: (
        "Requests go to the model that they ask for; nothing is decided for them.",
        "Providers, prices, budgets, limits and policies stay as they are now.",
    ),
    Panic.HALT: (
        "Every request is refused with 503. Streams that run may end.",
        "Providers, prices, budgets, limits and policies stay as they are now.",
    ),
}
CHANNELS = {"database": "PostgreSQL", "cache": "Valkey", "file": "The local file"}
_REASON: TypeAdapter[str] = TypeAdapter(Text)

router = APIRouter(include_in_schema=False)
Somebody = Annotated[Principal, Depends(Requires())]
Braker = Annotated[Principal, Depends(Requires(PANIC))]
Writer = Annotated[Principal, Depends(Requires(WRITE))]
Given = Annotated[str, Form(max_length=300)]


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that the audit log tells. `what` is a panic or a mode; null: a panic ended."""

    id: str
    at: datetime
    what: str | None
    by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says. `panic` is what holds, whoever said it. `history` is null for those who
    may not read the audit log."""

    panic: Panic | None
    mode: Mode
    shown: PanicShown
    history: list[Happened] | None


@router.get(PATH)
async def show(request: Request, who: Somebody) -> Response:
    """The page."""
    return await _page(request, who)


@router.post(f"{PATH}/panic")
async def begin(
    request: Request,
    who: Braker,
    *,
    mode: Given = "",
    reason: Given = "",
    confirm: Given = "",
    everywhere: Given = "",
    csrf: Given = "",
) -> Response:
    """Put the brake on where the word was typed; else the page again, saying what is missing."""
    forgery.check_token(request, csrf)
    try:
        if confirm.strip().casefold() != WORD:
            raise InvalidInput(f"nothing was done: type {WORD} to confirm")
        await panics.press(request, who, _event(mode), _reason(reason), everywhere=bool(everywhere))
    except (Conflict, InvalidInput) as problem:
        told = problems.sentence(problem, hint=True)
        return await _page(request, who, {mode: told}, reason)
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/release")
async def release(
    request: Request,
    who: Braker,
    reason: Given = "",
    everywhere: Given = "",
    csrf: Given = "",
) -> Response:
    """Release the brake, with a reason; else the page again."""
    forgery.check_token(request, csrf)
    try:
        given = _reason(reason)
    except InvalidInput as problem:
        return await _page(request, who, {"end": problems.sentence(problem)}, reason)
    await panics.press(request, who, Event.END, given, everywhere=bool(everywhere))
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/mode")
async def set_mode(
    request: Request, who: Writer, mode: Annotated[Mode, Form()], csrf: Given = ""
) -> Response:
    """Say how far products act by themselves."""
    forgery.check_token(request, csrf)
    await panics.set_mode(request, who, mode)
    return RedirectResponse(PATH, 303)


async def _page(
    request: Request, who: Principal, problem: dict[str, str] | None = None, reason: str = ""
) -> Response:
    standing = await panics.stand(request, who)
    shown = autonomy.show(standing, who)
    told = problem or {}
    brakes = [] if standing.panic is Panic.HALT else [Panic.HALT]
    return frame.of(request).page(
        request,
        who,
        "autonomy.html",
        Page(standing.panic, standing.mode, shown, await _history(request, who)),
        status=400 if told else 200,
        brakes=[
            {
                "mode": mode.value,
                "label": f"Panic: {mode}",
                "name": WORD,
                "effects": MEANS[mode],
                "action": f"{PATH}/panic",
                "problem": told.get(mode.value, ""),
            }
            for mode in ([Panic.PASSTHROUGH, *brakes] if standing.panic is None else brakes)
        ],
        ends=_ends(shown, who),
        left=[CHANNELS[said.channel] for said in shown.channels if said.mode],
        problem=told.get("end", "") or told.get("", ""),
        reason=reason,
        means=MEANS,
        channels=CHANNELS,
        may_write=WRITE in who.permissions,
        may_panic=PANIC in who.permissions,
        may_everywhere=PLATFORM in who.permissions,
        permission=PANIC,
        path=PATH,
    )


async def _history(request: Request, who: Principal) -> list[Happened] | None:
    """The newest of it. Reasons are left out where what opens them does not answer."""
    if logs.READ not in who.permissions:
        return None
    log = Log(entries.log_of(who.org), who.org, resources.of(request))
    async with log.begin() as tx:
        found = [
            entry
            for told in events.EVENTS
            for entry in await reading.list_newest(
                tx, log.name, HISTORY_MAX, Filter(name=told.name)
            )
        ]
        newest = sorted(found, key=lambda entry: entry.sequence, reverse=True)[:HISTORY_MAX]
        names = await shapes.find_names(tx, newest)
    reasons: dict[int, str] = {}
    with contextlib.suppress(Unavailable, Timeout, TimeoutError):
        async with asyncio.timeout(DISCLOSE_WITHIN_S), log.begin() as tx:
            for entry in newest:
                if (told := await log.disclose(tx, entry)) is not None:
                    reasons[entry.sequence] = str(told.private["reason"])
    return [_happened(entry, names, reasons.get(entry.sequence)) for entry in newest]


def _happened(entry: Entry, names: Mapping[str, str], reason: str | None) -> Happened:
    facts = entry.read()["facts"]
    what = facts.get("mode") or facts.get("panic")
    by = names.get(entry.actor, entry.actor)
    return Happened(ids.text(ids.Kind.EVENT, entry.id), entry.at, what, by, reason)


def _ends(shown: PanicShown, who: Principal) -> list[tuple[str, str]]:
    """What this caller may release: the value of `everywhere`, and words for it. Where a channel
    alone says that a panic is on it can be told again."""
    ends = []
    own, everywhere = shown.organisation, shown.everywhere
    if PLATFORM in who.permissions and everywhere and everywhere.mode:
        ends.append(("1", "Release everywhere"))
    said = {one.channel.value for one in shown.channels if one.mode} - {"file"}
    if PANIC in who.permissions and ((own and own.mode) or (said and not ends)):
        ends.append(("", f"Release {who.org_name}"))
    return ends


def _event(mode: str) -> Event:
    if mode not in MEANS:
        raise InvalidInput("choose passthrough or halt")
    return Event(mode)


def _reason(given: str) -> str:
    try:
        return _REASON.validate_python(given.strip())
    except ValidationError:
        raise InvalidInput("nothing was done: give a reason, in one line") from None
