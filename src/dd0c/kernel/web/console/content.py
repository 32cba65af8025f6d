"""What is kept of what others sent: the section of the page Settings, and its form."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from dd0c.base.errors import NotFound
from dd0c.kernel.content import policies
from dd0c.kernel.content.kinds import Mode
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import contents, problems, resources
from dd0c.kernel.web.console import figures, forgery, settings
from dd0c.kernel.web.console.settings import Refused
from dd0c.kernel.web.contents import PolicyWanted, Writer

PATH = f"{settings.PATH}/content"

router = APIRouter(include_in_schema=False)
Given = Annotated[str, Form(max_length=64)]


@router.post(PATH)
async def save(
    request: Request,
    who: Writer,
    *,
    kind: Given = "",
    mode: Given = "",
    days: Given = "",
    confirm: Given = "",
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Keep a kind otherwise; or the page again, saying why not. What ends contents wants the kind
    typed."""
    forgery.check_token(request, csrf)
    try:
        number = int(days) if days.isdecimal() else days
        wanted = PolicyWanted.model_validate({"kind": kind, "mode": mode, "days": number})
        ends = wanted.mode is Mode.NEVER and confirm.strip() != kind
        if ends and (held := await _held(request, who.org, kind)):
            why = f"{figures.plural(held, 'content')} would end at once, for good"
            refused = Refused(kind, why, mode, days, ends=True)
            return await settings.page_of(request, who, refused=refused)
        await contents.save_policy(request, who, wanted)
    except ValidationError as wrong:
        why = problems.explain(wrong.errors())
        return await settings.page_of(request, who, refused=Refused(kind, why))
    except NotFound as problem:
        why = problems.sentence(problem, hint=True)
        return await settings.page_of(request, who, refused=Refused(kind, why))
    return RedirectResponse(f"{settings.PATH}#content", 303)


async def _held(request: Request, org: uuid.UUID, kind: str) -> int:
    use = resources.of(request)
    async with tenancy.tenant(use.pool, org) as tx:
        found = await policies.list_policies(tx, use.clock.now())
    return sum(policy.contents for policy in found if policy.kind.name == kind)
