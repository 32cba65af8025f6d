"""Adding webhooks, changing and removing them: the forms of the pages of webhooks.

A secret is in one answer and nowhere else: the page that shows it is the answer to the form.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from dd0c.base import ids
from dd0c.base.errors import Conflict, Forbidden, InvalidInput
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.hooks import endpoints, sources
from dd0c.kernel.web import deliveries as delivery_api
from dd0c.kernel.web import endpoints as endpoint_api
from dd0c.kernel.web import problems, resources
from dd0c.kernel.web import sources as source_api
from dd0c.kernel.web.console import forgery, frame, webhooks
from dd0c.kernel.web.console.webhooks import OVERLAPS, PATH, Given
from dd0c.kernel.web.endpoints import EndpointMade, EndpointWanted
from dd0c.kernel.web.fields import Body
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.sources import WRITE, SecretWanted, SourceMade, SourceWanted

router = APIRouter(include_in_schema=False)
Writer = Annotated[Principal, Depends(Requires(WRITE))]
Token = Annotated[str, Form()]
Text = Annotated[str, Form(max_length=200)]
Long = Annotated[str, Form(max_length=4000)]
B = TypeVar("B", bound=Body)
Refused = (InvalidInput, Conflict, Forbidden)


@router.post(f"{PATH}/sources")
async def add_source(
    request: Request, who: Writer, name: Text = "", kind: Text = "", csrf: Token = ""
) -> Response:
    """A new source, shown with its secret; or the lists again with what is wrong."""
    forgery.check_token(request, csrf)
    try:
        wanted = _read(SourceWanted, name=name.strip(), kind=kind)
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            made = await source_api.make(tx, request, who, wanted)
    except Refused as problem:
        given = Given(problems.sentence(problem, hint=True), name, kind)
        return await webhooks.overview(request, who, source=given)
    return _once(request, who, made, f"{PATH}/sources/{made.id}")


@router.post(f"{PATH}/sources/{{source_id}}/rotate")
async def rotate_source(
    request: Request,
    source_id: str,
    who: Writer,
    *,
    overlap: Text = "1d",
    secret: Text = "",
    csrf: Token = "",
) -> Response:
    """Another secret, shown; or the page again with what is wrong."""
    forgery.check_token(request, csrf)
    source = ids.parse(ids.Kind.SOURCE, source_id)
    try:
        wanted = _read(SecretWanted, overlap_s=_seconds(overlap), secret=secret or None)
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            made = await source_api.rotate(tx, request, who, source, wanted)
    except Refused as problem:
        said = problems.sentence(problem, hint=True)
        return await webhooks.source_page(request, who, source, problem=said)
    return _once(request, who, made, f"{PATH}/sources/{made.id}")


@router.post(f"{PATH}/sources/{{source_id}}/remove")
async def remove_source(
    request: Request, source_id: str, who: Writer, confirm: Text = "", csrf: Token = ""
) -> Response:
    """End it when its name was typed; else its page again, saying so."""
    forgery.check_token(request, csrf)
    use, source = resources.of(request), ids.parse(ids.Kind.SOURCE, source_id)
    try:
        async with tenancy.tenant(use.pool, who.org) as tx:
            _check((await sources.get(tx, source, use.clock.now())).name, confirm)
            await source_api.remove(tx, request, source)
    except Refused as problem:
        said = problems.sentence(problem, hint=True)
        return await webhooks.source_page(request, who, source, danger=said)
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/endpoints")
async def add_endpoint(
    request: Request,
    who: Writer,
    *,
    name: Text = "",
    kind: Text = "",
    target: Long = "",
    events: Long = "",
    csrf: Token = "",
) -> Response:
    """A new endpoint, shown with its secret where it has one; or the lists with what is wrong."""
    forgery.check_token(request, csrf)
    named = events.replace(",", " ").split()
    try:
        wanted = _read(
            EndpointWanted, name=name.strip(), kind=kind, target=target.strip(), events=named
        )
        made = await endpoint_api.make(request, who, wanted)
    except Refused as problem:
        given = Given(problems.sentence(problem, hint=True), name, kind, target, events)
        return await webhooks.overview(request, who, endpoint=given)
    if made.secret is None:
        return _to(f"endpoints/{made.id}")
    return _once(request, who, made, f"{PATH}/endpoints/{made.id}")


@router.post(f"{PATH}/endpoints/{{endpoint_id}}/rotate")
async def rotate_endpoint(
    request: Request, endpoint_id: str, who: Writer, overlap: Text = "1d", csrf: Token = ""
) -> Response:
    """Another secret, shown; or the page again with what is wrong."""
    forgery.check_token(request, csrf)
    endpoint = endpoint_api.parse(endpoint_id)
    try:
        length = timedelta(seconds=_seconds(overlap))
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            made = await endpoint_api.rotate(tx, request, who, endpoint, length)
    except Refused as problem:
        said = problems.sentence(problem, hint=True)
        return await webhooks.endpoint_page(request, who, endpoint, problem=said)
    return _once(request, who, made, f"{PATH}/endpoints/{made.id}")


@router.post(f"{PATH}/endpoints/{{endpoint_id}}/test")
async def try_endpoint(
    request: Request, endpoint_id: str, who: Writer, csrf: Token = ""
) -> Response:
    """A trial message."""
    forgery.check_token(request, csrf)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await endpoint_api.test(tx, request, who, endpoint_api.parse(endpoint_id))
    return _to(f"endpoints/{endpoint_id}")


@router.post(f"{PATH}/endpoints/{{endpoint_id}}/pause")
async def pause_endpoint(
    request: Request, endpoint_id: str, who: Writer, csrf: Token = ""
) -> Response:
    """Nothing is sent to it."""
    forgery.check_token(request, csrf)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await endpoint_api.pause(tx, request, endpoint_api.parse(endpoint_id))
    return _to(f"endpoints/{endpoint_id}")


@router.post(f"{PATH}/endpoints/{{endpoint_id}}/resume")
async def resume_endpoint(
    request: Request, endpoint_id: str, who: Writer, csrf: Token = ""
) -> Response:
    """What waited is sent."""
    forgery.check_token(request, csrf)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await endpoint_api.resume(tx, request, endpoint_api.parse(endpoint_id))
    return _to(f"endpoints/{endpoint_id}")


@router.post(f"{PATH}/endpoints/{{endpoint_id}}/remove")
async def remove_endpoint(
    request: Request, endpoint_id: str, who: Writer, confirm: Text = "", csrf: Token = ""
) -> Response:
    """End it when its name was typed; else its page again, saying so."""
    forgery.check_token(request, csrf)
    use, endpoint = resources.of(request), endpoint_api.parse(endpoint_id)
    try:
        async with tenancy.tenant(use.pool, who.org) as tx:
            _check((await endpoints.get(tx, endpoint, use.clock.now())).name, confirm)
            await endpoint_api.remove(tx, request, endpoint)
    except Refused as problem:
        said = problems.sentence(problem, hint=True)
        return await webhooks.endpoint_page(request, who, endpoint, danger=said)
    return RedirectResponse(PATH, 303)


@router.post(f"{PATH}/deliveries/{{delivery_id}}/replay")
async def replay_delivery(
    request: Request, delivery_id: str, who: Writer, csrf: Token = ""
) -> Response:
    """Send it again."""
    forgery.check_token(request, csrf)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await delivery_api.replay(tx, request, delivery_api.parse(delivery_id))
    return _to(f"deliveries/{delivery_id}")


def _once(
    request: Request, who: Principal, made: SourceMade | EndpointMade, onward: str
) -> Response:
    """The page that shows a secret."""
    url = made.url if isinstance(made, SourceMade) else made.target
    return frame.of(request).render(
        request, who, "webhooks/made.html", made=made, url=url, onward=onward, home=PATH
    )


def _read(kind: type[B], /, **given: object) -> B:
    """What was typed, as the API takes it; InvalidInput."""
    try:
        return kind.model_validate(given)
    except ValidationError as wrong:
        raise InvalidInput(problems.explain(wrong.errors())) from None


def _seconds(overlap: str) -> int:
    if overlap not in OVERLAPS:
        raise InvalidInput("choose when the old secret ends")
    return OVERLAPS[overlap][1]


def _check(name: str, confirm: str) -> None:
    if confirm.strip() != name:
        raise InvalidInput("that is not its name: nothing was changed")


def _to(where: str) -> Response:
    return RedirectResponse(f"{PATH}/{where}", 303)
