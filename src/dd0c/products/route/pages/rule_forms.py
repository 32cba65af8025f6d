"""Setting budgets and limits, and ending them: the forms, and a limit's page, which is one.

What is accepted and what is said about the rest is decided where the API has it too. The same
scope, subject and window is the same budget, so changing one is setting it again.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field, ValidationError

from dd0c.base import ids
from dd0c.base.errors import Conflict, Error, InvalidInput, NotFound
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.guard.windows import Span
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web.console import forgery, frame, links
from dd0c.kernel.web.fields import Body
from dd0c.kernel.web.requires import Requires
from dd0c.products.route import subjects, wanted
from dd0c.products.route.pages import budgets as page
from dd0c.products.route.pages import caps
from dd0c.products.route.pages.budgets import LIMITS, MEASURES, WRITE, Limit
from dd0c.products.route.pages.caps import PATH
from dd0c.products.route.store import budgets, limits
from dd0c.products.route.subjects import Scope
from dd0c.products.route.wanted import BudgetWanted, LimitWanted

SCOPES = {
    Scope.ORGANISATION: "the organisation: everything together",
    Scope.TEAM: "a team",
    Scope.KEY: "a key",
    Scope.TAG: "a tag, of x-dd0c-tags",
    Scope.ROUTE: "a route: the model as callers write it",
    Scope.MODEL: "a model: as its provider calls it",
}
_FIELDS = {
    "scope": "What for",
    "subject": "Which one",
    "window": "In which time",
    "usd": "US dollars",
    "hard": "What it does",
} | {field: words.capitalize() for field, words in MEASURES.values()}
TYPED_MAX = 300

router = APIRouter(include_in_schema=False)

Writer = Annotated[Principal, Depends(Requires(WRITE, in_panic=False))]
Typed = Annotated[str, Field(max_length=TYPED_MAX)]
Wanted = TypeVar("Wanted", bound=Body)


class Asked(BaseModel):
    """The fields that both forms have, as they were typed."""

    csrf: Typed = ""
    scope: Typed = Scope.ORGANISATION
    subject: Typed = ""


class BudgetAsked(Asked):
    """The form of a budget."""

    window: Typed = Span.MONTH
    usd: Typed = ""
    hard: Typed = "yes"


class LimitAsked(Asked):
    """The form of a limit."""

    requests_per_minute: Typed = ""
    tokens_per_minute: Typed = ""
    concurrency: Typed = ""


@router.get(f"{PATH}/new")
async def show_budget_form(
    request: Request, who: Writer, given: Annotated[BudgetAsked, Query()]
) -> Response:
    """The form of a budget, filled in as far as the address says."""
    return _form(request, who, "budget", given)


@router.post(f"{PATH}/new")
async def set_budget(
    request: Request, who: Writer, given: Annotated[BudgetAsked, Form()]
) -> Response:
    """To the page of the budget; or the form again with what is wrong."""
    forgery.check_token(request, given.csrf)
    use = resources.of(request)
    try:
        new = _read(
            BudgetWanted,
            scope=given.scope,
            subject=given.subject.strip() or None,
            window=given.window,
            usd=given.usd.strip(),
            hard={"yes": True, "no": False}.get(given.hard, given.hard),
        )
        async with tenancy.tenant(use.pool, who.org) as tx:
            made = await wanted.set_budget(tx, request, who.org, new)
    except (InvalidInput, NotFound, Conflict) as problem:
        return _form(request, who, "budget", given, problem)
    return RedirectResponse(f"{PATH}/{ids.text(ids.Kind.BUDGET, made.id)}", 303)


@router.post(f"{PATH}/{{budget_id}}/remove")
async def remove_budget(
    request: Request,
    budget_id: str,
    who: Writer,
    csrf: Annotated[str, Form()] = "",
    confirm: Annotated[str, Form(max_length=TYPED_MAX)] = "",
) -> Response:
    """End the budget when its name was typed; else its page again, saying so."""
    forgery.check_token(request, csrf)
    use, which = resources.of(request), ids.parse(ids.Kind.BUDGET, budget_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        kept = await budgets.get(tx, which)
        names = await subjects.list_names(tx, [(kept.scope, kept.subject)])
        if confirm.strip() == caps.confirmed_by(who.org_name, names[kept.scope, kept.subject]):
            await wanted.remove_budget(tx, request, which)
            return RedirectResponse(PATH, 303)
    return await page.page_of(request, who, budget_id, problem=NOT_ITS_NAME, status=400)


@router.get(f"{LIMITS}/new")
async def show_limit_form(
    request: Request, who: Writer, given: Annotated[LimitAsked, Query()]
) -> Response:
    """The form of a limit."""
    return _form(request, who, "limit", given)


@router.post(f"{LIMITS}/new")
async def set_limit(
    request: Request, who: Writer, given: Annotated[LimitAsked, Form()]
) -> Response:
    """To the page of the limit; or the form again with what is wrong."""
    forgery.check_token(request, given.csrf)
    use = resources.of(request)
    try:
        new = _read(
            LimitWanted,
            scope=given.scope,
            subject=given.subject.strip() or None,
            **{name: _count(getattr(given, name)) for name in wanted.MEASURES},
        )
        async with tenancy.tenant(use.pool, who.org) as tx:
            made = await wanted.set_limit(tx, request, who.org, new)
    except (InvalidInput, NotFound, Conflict) as problem:
        return _form(request, who, "limit", given, problem)
    return RedirectResponse(f"{LIMITS}/{ids.text(ids.Kind.LIMIT, made.id)}", 303)


@router.get(f"{LIMITS}/{{limit_id}}")
async def show_limit(limit_id: str, request: Request, who: page.Reader) -> Response:
    """One limit."""
    return await _limit_page(request, who, limit_id)


@router.post(f"{LIMITS}/{{limit_id}}/remove")
async def remove_limit(
    request: Request,
    limit_id: str,
    who: Writer,
    csrf: Annotated[str, Form()] = "",
    confirm: Annotated[str, Form(max_length=TYPED_MAX)] = "",
) -> Response:
    """End the limit when its name was typed; else its page again, saying so."""
    forgery.check_token(request, csrf)
    use, which = resources.of(request), ids.parse(ids.Kind.LIMIT, limit_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        kept = await limits.get(tx, which)
        names = await subjects.list_names(tx, [(kept.scope, kept.subject)])
        if confirm.strip() == caps.confirmed_by(who.org_name, names[kept.scope, kept.subject]):
            await wanted.remove_limit(tx, request, which)
            return RedirectResponse(PATH, 303)
    return await _limit_page(request, who, limit_id, problem=NOT_ITS_NAME, status=400)


NOT_ITS_NAME = "That is not its name: nothing was changed."


async def _limit_page(
    request: Request, who: Principal, limit_id: str, *, problem: str = "", status: int = 200
) -> Response:
    use, which = resources.of(request), ids.parse(ids.Kind.LIMIT, limit_id)
    async with tenancy.tenant(use.pool, who.org) as tx:
        (found,) = await page.list_held(tx, use.counters, [await limits.get(tx, which)])
    filled = {"scope": found.scope, "subject": found.subject_id or found.subject}
    filled |= {MEASURES[use.measure][0]: str(use.limit) for use in found.uses}
    return frame.of(request).page(
        request,
        who,
        "route/limit.html",
        found,
        status=status,
        away=any(use.used is None for use in found.uses),
        requests=caps.requests(found.scope, found.subject_id or found.subject),
        change=links.to(f"{LIMITS}/new", filled) if WRITE in who.permissions else "",
        danger=_danger(found, who.org_name, problem) if WRITE in who.permissions else None,
    )


def _danger(found: Limit, org: str, problem: str) -> dict[str, object]:
    return {
        "label": "Remove this limit",
        "name": caps.confirmed_by(org, found.subject),
        "effects": ["No gateway goes by it a second later: what it refused is sent."],
        "action": f"{found.href}/remove",
        "problem": problem,
    }


def _count(typed: str) -> int | str | None:
    """A whole number where one was typed, so that what is none is refused like anywhere else."""
    text = typed.strip()
    return int(text) if text.isascii() and text.isdecimal() else text or None


def _read(kind: type[Wanted], **given: object) -> Wanted:
    """What the form asks for; InvalidInput says what is wrong with it."""
    try:
        return kind.model_validate(given)
    except ValidationError as wrong:
        raise InvalidInput(problems.explain(wrong.errors())) from None


def _form(
    request: Request, who: Principal, what: str, given: Asked, problem: Error | None = None
) -> Response:
    return frame.of(request).render(
        request,
        who,
        "route/rule_form.html",
        400 if problem else 200,
        what=what,
        given=given,
        problem=_sentence(problem) if problem else "",
        scopes=SCOPES.items(),
        windows=[(span.value, caps.window(span)) for span in Span],
        measures=MEASURES.values(),
    )


def _sentence(problem: Error) -> str:
    """The API's words, with the field as the form calls it."""
    field, colon, rest = problem.message.removeprefix("body.").partition(": ")
    text = f"{_FIELDS[field]}: {rest}" if colon and field in _FIELDS else problem.message
    return f"{text[:1].upper()}{text[1:]}{f' ({problem.hint})' if problem.hint else ''}."
