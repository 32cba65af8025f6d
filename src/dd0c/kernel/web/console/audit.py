"""The audit log: what happened here, newest first, and the page that proves one event."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from dd0c.kernel.audit import entries, reading
from dd0c.kernel.audit.reading import Filter, Signed
from dd0c.kernel.audit.standalone import lefts_of
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import resources, twin
from dd0c.kernel.web.audit import api, logs, shapes
from dd0c.kernel.web.audit.logs import Which
from dd0c.kernel.web.audit.shapes import EventShown, Named
from dd0c.kernel.web.console import figures, frame, links, live
from dd0c.kernel.web.requires import Requires

PATH = "/console/audit"
EXPORT = "/api/v1/audit/export"
TOPIC = "audit"
PAGE_ROWS = 50
SPANS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

router = APIRouter(include_in_schema=False)
Reader = Annotated[Principal, Depends(Requires(logs.READ))]
Typed = Annotated[str, Query(max_length=64)]


@dataclass(frozen=True, slots=True)
class Filters:
    """The list's address."""

    range: str
    event: str
    actor: str
    subject: str
    log: Which

    @property
    def query(self) -> dict[str, str]:
        """As parameters of an address."""
        log = "" if self.log is Which.ORGANISATION else self.log.value
        return {
            "range": self.range,
            "event": self.event,
            "actor": self.actor,
            "subject": self.subject,
            "log": log,
        }


def read_filters(
    range: Annotated[str, Query(max_length=8)] = "",
    event: Typed = "",
    actor: Typed = "",
    subject: Typed = "",
    log: Which | None = None,
) -> Filters:
    """The filters of an address; an empty field restricts nothing."""
    return Filters(
        range if range in SPANS else "",
        *(_printable(event), _printable(actor), _printable(subject)),
        log or Which.ORGANISATION,
    )


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()


Chosen = Annotated[Filters, Depends(read_filters)]


@dataclass(frozen=True, slots=True)
class Head:
    """How the log stands; `root` in hex."""

    size: int
    root: str
    signed_at: str


@dataclass(frozen=True, slots=True)
class List:
    """What the list says."""

    head: Head | None
    items: list[EventShown]
    next: str


@router.get(PATH)
async def show_list(
    request: Request,
    who: Reader,
    chosen: Chosen,
    cursor: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """The list."""
    own = chosen.log is Which.ORGANISATION
    stream = live.follow(request, who, TOPIC) if own else None
    log, use = logs.choose(request, who, chosen.log), resources.of(request)
    since = use.clock.now() - SPANS[chosen.range] if chosen.range else None
    wanted = Filter(since, None, chosen.actor or None, chosen.event or None, chosen.subject or None)
    context = (log.name, "console audit", *chosen.query.values())
    after = use.cursors.read(cursor, *context) if cursor else None
    async with log.begin() as tx:
        before = None if after is None else (await reading.get(tx, log.name, after)).sequence
        found = await reading.list_newest(tx, log.name, PAGE_ROWS + 1, wanted, before=before)
        page = found[:PAGE_ROWS]
        names = await shapes.find_names(tx, page)
        signed = await reading.find_head(tx, log.name)
    onward = use.cursors.write(page[-1].id, *context) if len(found) > PAGE_ROWS else ""
    following = links.to(PATH, chosen.query | {"cursor": onward}) if onward else ""
    query = chosen.query | {"since": since.isoformat(timespec="seconds") if since else ""}
    export = {name: value for name, value in query.items() if name != "range"}
    return frame.of(request).page(
        request,
        who,
        "audit/list.html",
        List(_head(signed), [shapes.show(entry, names) for entry in page], following),
        live=stream,
        csv=links.to(EXPORT, export | {"format": "csv"}),
        path=PATH,
        headline=headline(signed),
        filters=chosen,
        spans=[
            {"label": each, "href": links.to(PATH, chosen.query | {"range": span}), "current": at}
            for each, span, at in _spans(chosen.range)
        ],
        exports={form: links.to(EXPORT, export | {"format": form}) for form in ("pdf", "bundle")},
        own=own,
        may_choose=logs.READ_INSTALLATION in who.permissions,
        narrowed=any(chosen.query[name] for name in ("range", "event", "actor", "subject")),
        link=_link(request),
        paging={
            "words": figures.plural(len(page), "event"),
            "first": links.to(PATH, chosen.query) if cursor else "",
            "next": following,
        },
    )


def _spans(chosen: str) -> list[tuple[str, str, bool]]:
    return [(each or "all", each, each == chosen) for each in (*SPANS, "")]


def _head(signed: Signed | None) -> Head | None:
    if signed is None:
        return None
    return Head(signed.size, signed.root.hex(), signed.signed_at.isoformat())


def headline(signed: Signed | None) -> Mapping[str, str]:
    """How much is in the log, and that it holds together."""
    if signed is None:
        return {"number": "Nothing happened yet", "words": ""}
    words = " in one chain, signed with each that is added"
    return {"number": figures.plural(signed.size, "event"), "words": words}


@router.get(f"{PATH}/{{event_id}}")
async def show(
    request: Request, event_id: str, who: Reader, log: Which = Which.ORGANISATION
) -> Response:
    """One event, with its proof."""
    found = await api.load(logs.choose(request, who, log), event_id)
    back = {} if log is Which.ORGANISATION else {"log": log.value}
    proof = found.proof
    return frame.of(request).page(
        request,
        who,
        "audit/event.html",
        found,
        path=PATH,
        back=links.to(PATH, back),
        said=[(name, _value(value)) for name, value in found.facts.items()],
        private=[(name, _value(value)) for name, value in (found.private or {}).items()],
        link=_link(request),
        same=links.to(PATH, back | {"subject": found.subject.id}),
        doer=links.to(PATH, back | {"actor": found.actor.id}),
        steps=figures.plural(len(proof.path), "hash", "hashes"),
        joined=list(zip(lefts_of(found.sequence - 1, proof.size - 1), proof.path, strict=True)),
        curl=twin.curl(request, links.to(f"/api/v1/audit/events/{found.id}", back)),
        pretty=json.dumps(json.loads(found.entry), ensure_ascii=False, indent=1),
    )


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _link(request: Request) -> Callable[[Named], str]:
    """Where the page of an id is; empty where it has none, or what it names is gone."""
    sections = frame.of(request).sections
    jumps = {str(kind): path for each in sections for kind, path in each.jumps.items()}

    def to(named: Named) -> str:
        path = jumps.get(named.id.partition("_")[0], "")
        return path.format(named.id) if named.name else ""

    return to


async def mark(tx: Transaction) -> str:
    """Another one when something was added to the organisation's log."""
    signed = await reading.find_head(tx, entries.log_of(tenancy.current()))
    return "" if signed is None else str(signed.size)
