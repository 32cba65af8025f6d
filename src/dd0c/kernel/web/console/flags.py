"""Flags: what is on for whom, what turned itself off and why; and to change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from dd0c.base.errors import Conflict, InvalidInput, NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web import flags, problems
from dd0c.kernel.web.console import figures, forgery, frame
from dd0c.kernel.web.flags import PERMISSION, FlagShown, FlagsShown, FlagWanted
from dd0c.kernel.web.requires import Requires

PATH = "/console/flags"

router = APIRouter(include_in_schema=False)
Platform = Annotated[Principal, Depends(Requires(PERMISSION))]
Text = Annotated[str, Form(max_length=100)]


@router.get(PATH)
async def show(request: Request, who: Platform) -> Response:
    """The page."""
    return await _page(request, who)


@router.post(f"{PATH}/{{flag}}")
async def set_flag(
    request: Request,
    flag: str,
    who: Platform,
    csrf: Text = "",
    percent: Text = "",
) -> Response:
    """On for that percentage; or the page again, saying why not."""
    forgery.check_token(request, csrf)
    try:
        await flags.change(request, flag, _read(percent=_number(percent)))
    except (InvalidInput, NotFound) as problem:
        return await _page(request, who, flag, problems.sentence(problem))
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/{{flag}}/org")
async def set_apart(
    request: Request, flag: str, who: Platform, *, csrf: Text = "", org: Text = "", on: Text = ""
) -> Response:
    """On, off, or as for the others, for one organisation."""
    forgery.check_token(request, csrf)
    try:
        if on == "as others":
            await flags.clear(request, flag, org.strip())
        else:
            await flags.change(request, flag, _read(org=org.strip(), on=on == "on"))
    except (InvalidInput, NotFound, Conflict) as problem:
        return await _page(request, who, flag, problems.sentence(problem))
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/{{flag}}/clear")
async def clear(request: Request, flag: str, who: Platform, csrf: Text = "") -> Response:
    """As it was introduced."""
    forgery.check_token(request, csrf)
    await flags.clear(request, flag, None)
    return RedirectResponse(PATH, 303)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput("a percentage is a number from 0 to 100")
    return int(text)


def _read(**fields: object) -> FlagWanted:
    try:
        return FlagWanted.model_validate(fields)
    except ValidationError as wrong:
        raise InvalidInput(problems.explain(wrong.errors()).lstrip(": ")) from None


async def _page(request: Request, who: Principal, name: str = "", problem: str = "") -> Response:
    page = FlagsShown(items=await flags.load(request))
    return frame.of(request).page(
        request,
        who,
        "flags.html",
        page,
        status=400 if problem else 200,
        path=PATH,
        headline=headline(page.items),
        states=[state(flag) for flag in page.items],
        at=name,
        problem=problem,
    )


def headline(found: Sequence[FlagShown]) -> dict[str, str]:
    """What turned itself off, and else what is not on for everybody."""
    tripped = [flag.name for flag in found if flag.tripped_at]
    if tripped:
        rest = f", and {figures.plural(len(tripped) - 1, 'other flag')}" if tripped[1:] else ""
        return {"number": f"{tripped[0]} turned itself off", "words": rest}
    partly = sum(flag.percent < 100 or bool(flag.orgs) for flag in found)
    if partly:
        words = f", of {figures.plural(len(found), 'flag')}"
        return {"number": f"{partly} not on for everybody", "words": words}
    return {"number": "All is on", "words": f", {figures.plural(len(found), 'flag')}"}


def state(flag: FlagShown) -> tuple[str, str]:
    """Tone and word."""
    if flag.tripped_at:
        return "bad", "turned itself off"
    if flag.percent == 100:
        return "good", "on for all"
    return ("warn", f"on for {flag.percent} %") if flag.percent else ("info", "off")
