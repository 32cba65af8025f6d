"""Keys: who may call the gateway, the API and this console; the list and one key's page.

Making and ending them is in `key_changes`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from dd0c.base import ids
from dd0c.kernel.auth import keyring, keys, members, permissions, sessions
from dd0c.kernel.auth.keyring import Counts, State, Wanted
from dd0c.kernel.auth.keys import Key
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import csvlines, resources
from dd0c.kernel.web.console import figures, frame, links, live, tables
from dd0c.kernel.web.console.frame import Hit
from dd0c.kernel.web.console.tables import Column
from dd0c.kernel.web.keys import KeyShown
from dd0c.kernel.web.keys import show as shown
from dd0c.kernel.web.requires import Requires
from dd0c.kernel.web.resources import Resources

PATH = "/console/keys"
READ, WRITE = "keys:read", "keys:write"
TOPIC = "keys"
PAGE_ROWS = 50
CSV_PAGE_ROWS = 500
CSV_ROWS_MAX = 100_000
HITS_MAX = 5
DEFAULT_SORT = "-created"
COLUMNS = (
    Column("Name", sort="name"),
    Column("Team", show="mid"),
    Column("Begins with", show="wide"),
    Column("State"),
    Column("Roles", show="mid"),
    Column("Where it works", show="mid"),
    Column("Created", sort="created", show="wide"),
    Column("Expires", sort="expires"),
    Column("Last used", sort="used"),
)
CELLS = (
    *("id", "name", "prefix", "state", "team", "roles", "scopes", "created_at", "expires_at"),
    *("last_used_at", "models", "networks", "line"),
)
OVERLAPS = {
    "1d": ("a day", timedelta(days=1)),
    "7d": ("a week", timedelta(days=7)),
    "1h": ("an hour", timedelta(hours=1)),
    "none": ("not at all: the old key ends at once", timedelta()),
}
TONES = {State.WORKING: "good", State.EXPIRED: "warn", State.REVOKED: "info"}

router = APIRouter(include_in_schema=False)
Reader = Annotated[Principal, Depends(Requires(READ))]


@dataclass(frozen=True, slots=True)
class Row:
    """A key and its state now."""

    key: KeyShown
    state: State
    href: str

    @property
    def tone(self) -> str:
        """How the state is coloured."""
        return TONES[self.state]


@dataclass(frozen=True, slots=True)
class List:
    """What the list says."""

    counts: Counts
    as_of: datetime
    items: list[Row]
    next: str


@dataclass(frozen=True, slots=True)
class Filters:
    """The list's address."""

    q: str
    state: State | None
    sort: str

    @property
    def query(self) -> dict[str, str]:
        """As parameters of an address."""
        sort = "" if self.sort == DEFAULT_SORT else self.sort
        return {"q": self.q, "state": self.state or "", "sort": sort}

    @property
    def wanted(self) -> Wanted:
        """As the store takes them."""
        return Wanted(self.q, self.state, *tables.read(COLUMNS, self.sort))


def read_filters(
    q: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[State | str, Query(max_length=16)] = "",
    sort: Annotated[str, Query(max_length=16)] = DEFAULT_SORT,
) -> Filters:
    """The filters of an address; an empty field restricts nothing."""
    text = "".join(c for c in q if c.isprintable()).strip()
    return Filters(text, State(state) if state in set(State) else None, sort)


Chosen = Annotated[Filters, Depends(read_filters)]


@router.get(PATH)
async def show_list(
    request: Request,
    who: Reader,
    chosen: Chosen,
    cursor: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """The list."""
    stream = live.follow(request, who, TOPIC)
    use, wanted = resources.of(request), chosen.wanted
    now, context = use.clock.now(), (who.org, "console keys", *chosen.query.values())
    after = use.cursors.read(cursor, *context) if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await keyring.select(tx, wanted, now, limit=PAGE_ROWS + 1, after=after)
        counts = await keyring.count(tx, now)
    page, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    onward = use.cursors.write(page[-1].id, *context) if more else ""
    following = links.to(PATH, chosen.query | {"cursor": onward}) if onward else ""
    query = chosen.query
    return frame.of(request).page(
        request,
        who,
        "keys/list.html",
        List(counts, now, [row(key, who.org_name, now) for key in page], following),
        live=stream,
        csv=links.to(f"{PATH}.csv", query),
        headline=headline(counts),
        filters=chosen,
        states=list(State),
        heads=tables.heads(COLUMNS, PATH, query | {"sort": chosen.sort}),
        narrowed=bool(chosen.q or chosen.state),
        may_write=WRITE in who.permissions,
        paging={
            "words": figures.plural(len(page), "key"),
            "first": links.to(PATH, query) if cursor else "",
            "next": following,
        },
    )


def row(key: Key, org_name: str, now: datetime) -> Row:
    """A key as a line of the list."""
    found = shown(key, org_name)
    return Row(found, keyring.state(key, now), f"{PATH}/{found.id}")


def headline(counts: Counts) -> dict[str, str]:
    """How many keys open something, and what becomes of them."""
    ends = "ends" if counts.expiring == 1 else "end"
    soon = f", {counts.expiring:,} {ends} within a week" if counts.expiring else ""
    verb = "works" if counts.working == 1 else "work"
    ended = [f"{n:,} {word}" for n, word in _ended(counts) if n]
    lead = f"{' and '.join(ended)}: kept, so that what they cost has a name." if ended else ""
    return {
        "number": figures.plural(counts.working, "key"),
        "words": f" {verb}{soon}",
        "lead": lead or "Each is shown once, when it is made; here it is known by its beginning.",
    }


def _ended(counts: Counts) -> Sequence[tuple[int, str]]:
    return (counts.revoked, "revoked"), (counts.expired, "expired")


@router.get(f"{PATH}.csv")
async def download(request: Request, who: Reader, chosen: Chosen) -> StreamingResponse:
    """What the list shows, all pages, as CSV."""
    use = resources.of(request)
    name = f"keys-{use.clock.now():%Y%m%d-%H%M%S}.csv"
    return StreamingResponse(
        _csv(use, who, chosen.wanted),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def _csv(use: Resources, who: Principal, wanted: Wanted) -> AsyncIterator[str]:
    yield csvlines.line(CELLS)
    now, after = use.clock.now(), None
    for _ in range(CSV_ROWS_MAX // CSV_PAGE_ROWS):
        async with tenancy.tenant(use.pool, who.org) as tx:
            page = await keyring.select(tx, wanted, now, limit=CSV_PAGE_ROWS, after=after)
        yield "".join(csvlines.line(_cells(key, now)) for key in page)
        if len(page) < CSV_PAGE_ROWS:
            return
        after = page[-1].id
    yield csvlines.line(("# cut: more keys match", f"only {CSV_ROWS_MAX:,} are here"))


def _cells(key: Key, now: datetime) -> Sequence[object]:
    ends = None if key.expires_at is None else key.expires_at.isoformat()
    used = None if key.used_at is None else key.used_at.isoformat()
    return (
        *(ids.text(ids.Kind.KEY, key.id), key.name, key.prefix, keyring.state(key, now)),
        key.team,
        *(" ".join(key.roles), " ".join(key.scopes), key.created_at.isoformat(), ends),
        *(used, " ".join(key.models or ()), " ".join(key.networks or ())),
        ids.text(ids.Kind.KEY, key.line),
    )


@dataclass(frozen=True, slots=True)
class Detail:
    """What the page of a key says."""

    key: KeyShown
    state: State
    maker: str
    permissions: list[str]
    sessions: int
    is_own: bool
    is_last_owner: bool


@router.get(f"{PATH}/{{key_id}}")
async def show(request: Request, key_id: str, who: Reader) -> Response:
    """One key."""
    return await page_of(request, who, ids.parse(ids.Kind.KEY, key_id))


async def page_of(
    request: Request,
    who: Principal,
    key_id: uuid.UUID,
    *,
    problem: str = "",
    rotating: str = "",
    status: int = 200,
) -> Response:
    """The page of a key, with what was wrong about the last attempt to end or to rotate it."""
    use = resources.of(request)
    now = use.clock.now()
    async with tenancy.tenant(use.pool, who.org) as tx:
        key = await keys.get(tx, key_id)
        detail = await _detail(tx, use, who, key, now)
    found = shown(key, who.org_name)
    return frame.of(request).page(
        request,
        who,
        "keys/key.html",
        detail,
        status=status,
        tone=TONES[detail.state],
        ended=key.revoked_at or (key.expires_at if detail.state == State.EXPIRED else None),
        raw=found.model_dump_json(indent=1),
        may_write=WRITE in who.permissions,
        overlaps=OVERLAPS,
        rotating=rotating,
        related=frame.of(request).related(ids.Kind.KEY, found.line),
        danger=_danger(detail, f"{PATH}/{found.id}/revoke", problem)
        if WRITE in who.permissions and detail.state != State.REVOKED
        else None,
    )


async def _detail(
    tx: Transaction, use: Resources, who: Principal, key: Key, now: datetime
) -> Detail:
    roles = [permissions.Role(name) for name in key.roles if name in set(permissions.Role)]
    return Detail(
        key=shown(key, who.org_name),
        state=keyring.state(key, now),
        maker=await _maker(tx, key),
        permissions=sorted(permissions.held(use.grants, roles)),
        sessions=len(await sessions.list_open(tx, now, key.id)),
        is_own=key.id == who.actor.id,
        is_last_owner=await keyring.is_last_owner(tx, key, now),
    )


async def _maker(tx: Transaction, key: Key) -> str:
    if key.created_by is None:
        return "the installation itself"
    list_names = members.list_names if key.by_person else keys.list_names
    names = await list_names(tx, [key.created_by])
    return names.get(key.created_by, "a key of another organisation")


def _danger(detail: Detail, action: str, problem: str) -> dict[str, object]:
    """Exactly what revoking does."""
    effects = ["Every gateway refuses it within a second. Answers that stream already go on."]
    if detail.sessions:
        effects.append(f"{figures.plural(detail.sessions, 'console session')} of it end at once.")
    if detail.is_own:
        effects.append("You are signed in with it: you will be signed out.")
    if detail.is_last_owner:
        effects.append(
            "It is the last key with the role owner that works: nobody here could make keys then."
        )
    effects.append("It cannot be undone. What it cost stays in the ledger under its name.")
    return {
        "label": "Revoke this key",
        "name": detail.key.name,
        "effects": effects,
        "action": action,
        "problem": problem,
    }


async def find(tx: Transaction, text: str, now: datetime) -> list[Hit]:
    """Keys for the palette: by name, or by their beginning."""
    hits = await keyring.select(tx, Wanted(text), now, limit=HITS_MAX)
    return [
        Hit(
            "key",
            key.name,
            f"{PATH}/{ids.text(ids.Kind.KEY, key.id)}",
            f"{key.prefix}…, {keyring.state(key, now)}",
        )
        for key in hits
    ]
