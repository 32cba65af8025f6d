"""Webhooks: who may send here, who is told of what happens, and what each was told."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.hooks import deliveries, endpoints, inbox, sources
from dd0c.kernel.hooks.endpoints import GONE
from dd0c.kernel.hooks.endpoints import Kind as Reached
from dd0c.kernel.hooks.schemes import Kind as Signed
from dd0c.kernel.web import deliveries as delivery_api
from dd0c.kernel.web import endpoints as endpoint_api
from dd0c.kernel.web import resources
from dd0c.kernel.web import sources as source_api
from dd0c.kernel.web.console import figures, frame, links, live
from dd0c.kernel.web.deliveries import DeliveryShown
from dd0c.kernel.web.endpoints import EndpointShown
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.sources import READ, WRITE, KeptShown, SourceShown

PATH = "/console/webhooks"
TOPIC = "webhooks"
SHOWN_MAX = 50
PAGE_ROWS = 50
OVERLAPS = {
    "never": ("at once", 0),
    "1h": ("in an hour", 3_600),
    "1d": ("in a day", 86_400),
    "7d": ("in a week", 604_800),
}
SIGNS = {
    Signed.STANDARD: "Standard Webhooks",
    Signed.SLACK: "Slack",
    Signed.GITHUB: "GitHub",
    Signed.HMAC: "HMAC of the body",
    Signed.BEARER: "a bearer token",
    Signed.URL: "nothing: the address is the secret",
}
REACHES = {
    Reached.WEBHOOK: "webhook",
    Reached.SLACK: "Slack: an incoming webhook",
    Reached.EMAIL: "e-mail",
}
LEVELS = ("knew the address", "knew a secret", "signed by it", "signed by it, and new")
TONES = {"waiting": "info", "delivered": "good", "dead": "bad"}

router = APIRouter(include_in_schema=False)
Reader = Annotated[Principal, Depends(Requires(READ))]
After = Annotated[str, Query(max_length=128)]


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first page says; of each the first fifty."""

    endpoints: list[EndpointShown]
    sources: list[SourceShown]


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed into a form that is shown again, and what is wrong with it."""

    problem: str = ""
    name: str = ""
    kind: str = ""
    target: str = ""
    events: str = ""


@dataclass(frozen=True, slots=True)
class OfSource:
    """The page of a source."""

    source: SourceShown
    messages: list[KeptShown]
    next: str


@dataclass(frozen=True, slots=True)
class OfEndpoint:
    """The page of an endpoint."""

    endpoint: EndpointShown
    deliveries: list[DeliveryShown]
    next: str


@router.get(PATH)
async def show_list(request: Request, who: Reader) -> Response:
    """Both lists, and the forms of new ones."""
    return await overview(request, who)


async def overview(
    request: Request, who: Principal, *, source: Given | None = None, endpoint: Given | None = None
) -> Response:
    """The first page; with a form as it was typed, and why it was refused."""
    use, stream = resources.of(request), live.follow(request, who, TOPIC)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        told = await endpoints.list_all(tx, now, SHOWN_MAX)
        heard = await sources.list_all(tx, now, SHOWN_MAX)
    page = Overview(
        [endpoint_api.show(each) for each in told],
        [source_api.show(request, each) for each in heard],
    )
    return frame.of(request).page(
        request,
        who,
        "webhooks/list.html",
        page,
        status=400 if source or endpoint else 200,
        live=stream,
        path=PATH,
        may_write=WRITE in who.permissions,
        signs=SIGNS,
        reaches=REACHES,
        levels=LEVELS,
        shown_max=SHOWN_MAX,
        new_source=source or Given(),
        new_endpoint=endpoint or Given(),
        headline=_headline(page),
    )


@router.get(f"{PATH}/sources/{{source_id}}")
async def show_source(
    request: Request, source_id: str, who: Reader, cursor: After = ""
) -> Response:
    """One source, and what it sent."""
    return await source_page(request, who, ids.parse(ids.Kind.SOURCE, source_id), cursor)


async def source_page(
    request: Request,
    who: Principal,
    source: uuid.UUID,
    cursor: str = "",
    *,
    problem: str = "",
    danger: str = "",
) -> Response:
    """The page of a source; with what is wrong."""
    use, stream = resources.of(request), live.follow(request, who, TOPIC)
    context = (who.org, "console messages", source)
    before = use.cursors.read(cursor, *context) if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = source_api.show(request, await sources.get(tx, source, use.clock.now()))
        kept = await inbox.list_kept(tx, source, PAGE_ROWS + 1, before)
    path, page = f"{PATH}/sources/{found.id}", kept[:PAGE_ROWS]
    onward = use.cursors.write(page[-1].id, *context) if len(kept) > PAGE_ROWS else ""
    following = links.to(path, {"cursor": onward}) if onward else ""
    return frame.of(request).page(
        request,
        who,
        "webhooks/source.html",
        OfSource(found, [source_api.show_kept(one) for one in page], following),
        status=400 if problem or danger else 200,
        live=stream,
        path=path,
        signs=SIGNS[Signed(found.kind)],
        levels=LEVELS,
        overlaps=OVERLAPS,
        problem=problem,
        may_write=WRITE in who.permissions,
        paging=_paging(len(page), "messages", path if cursor else "", following),
        danger=_danger(
            "Remove this source",
            found.name,
            f"{path}/remove",
            danger,
            "Its address is nothing any more: the sender is answered with 404.",
            f"{figures.plural(found.received, 'message')} of it are deleted.",
        ),
    )


@router.get(f"{PATH}/endpoints/{{endpoint_id}}")
async def show_endpoint(
    request: Request, endpoint_id: str, who: Reader, cursor: After = ""
) -> Response:
    """One endpoint, and what it was told."""
    return await endpoint_page(request, who, endpoint_api.parse(endpoint_id), cursor)


async def endpoint_page(
    request: Request,
    who: Principal,
    endpoint: uuid.UUID,
    cursor: str = "",
    *,
    problem: str = "",
    danger: str = "",
) -> Response:
    """The page of an endpoint; with what is wrong."""
    use, stream = resources.of(request), live.follow(request, who, TOPIC)
    context = (who.org, "console deliveries", endpoint)
    before = use.cursors.read(cursor, *context) if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = endpoint_api.show(await endpoints.get(tx, endpoint, use.clock.now()))
        told = await deliveries.list_of(tx, endpoint, PAGE_ROWS + 1, before)
    path, page = f"{PATH}/endpoints/{found.id}", told[:PAGE_ROWS]
    onward = use.cursors.write(page[-1].id, *context) if len(told) > PAGE_ROWS else ""
    following = links.to(path, {"cursor": onward}) if onward else ""
    return frame.of(request).page(
        request,
        who,
        "webhooks/endpoint.html",
        OfEndpoint(found, [delivery_api.show(one) for one in page], following),
        status=400 if problem or danger else 200,
        live=stream,
        path=path,
        home=PATH,
        tones=TONES,
        overlaps=OVERLAPS,
        problem=problem,
        may_write=WRITE in who.permissions,
        paging=_paging(len(page), "deliveries", path if cursor else "", following),
        danger=_danger(
            "Remove this endpoint",
            found.name,
            f"{path}/remove",
            danger,
            "It is told nothing more.",
            f"What waits for it ({found.waiting}) and the log of its deliveries are deleted.",
        ),
    )


@router.get(f"{PATH}/deliveries/{{delivery_id}}")
async def show_delivery(request: Request, delivery_id: str, who: Reader) -> Response:
    """One delivery: what is sent, and what each try came to."""
    stream = live.follow(request, who, TOPIC)
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        found = await delivery_api.load(tx, delivery_api.parse(delivery_id))
        endpoint = await _name(tx, request, found.endpoint)
    return frame.of(request).page(
        request,
        who,
        "webhooks/delivery.html",
        found,
        live=stream,
        home=PATH,
        endpoint_name=endpoint,
        tones=TONES,
        may_write=WRITE in who.permissions,
    )


async def mark(tx: Transaction) -> str:
    """Differs when one of these pages would."""
    return f"{await endpoints.mark(tx)} {await sources.mark(tx)}"


async def _name(tx: Transaction, request: Request, endpoint_id: str) -> str:
    now = resources.of(request).clock.now()
    return (await endpoints.get(tx, endpoint_api.parse(endpoint_id), now)).name


def _headline(page: Overview) -> dict[str, str]:
    """What needs somebody, else what there is."""
    told, heard = len(page.endpoints), len(page.sources)
    if not told and not heard:
        return {"number": "No webhooks yet", "words": ""}
    troubled = sum(bool(each.dead or each.paused_why == GONE) for each in page.endpoints)
    counted = f"{figures.plural(told, 'endpoint')}, {figures.plural(heard, 'source')}"
    if not troubled:
        return {"number": counted, "words": ", and nothing was given up"}
    verb = "does" if troubled == 1 else "do"
    return {
        "number": f"{figures.plural(troubled, 'endpoint')} {verb} not listen",
        "words": f" of {counted}",
    }


def _paging(shown: int, noun: str, first: str, following: str) -> dict[str, str]:
    return {"words": f"{shown} {noun} shown", "first": first, "next": following}


def _danger(label: str, name: str, action: str, problem: str, *effects: str) -> dict[str, object]:
    """Exactly what removing does."""
    return {
        "label": label,
        "name": name,
        "effects": effects,
        "action": action,
        "problem": problem,
    }
