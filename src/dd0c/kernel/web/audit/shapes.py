"""An event as the API and pages show it: what it says is read from the bytes that are proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from dd0c.base import ids
from dd0c.base.errors import InvalidInput
from dd0c.base.ids import Kind
from dd0c.kernel.audit.entries import Entry
from dd0c.kernel.audit.reading import Filter
from dd0c.kernel.auth import keys, members, teams
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web.fields import Moment, Text

NAMED = {Kind.KEY: keys.list_names, Kind.PERSON: members.list_names, Kind.TEAM: teams.list_names}
Names = Mapping[str, str]


class Named(BaseModel):
    """Who did it, or what it was done to."""

    id: str = Field(description="An id, `system`, or another name of no person.")
    name: str | None = Field(description="As it is called now; null: nothing of ours has that id.")


class EventShown(BaseModel):
    """An event in the audit log."""

    id: str
    log: str = Field(description="Id of the organisation, or `installation`.")
    sequence: int = Field(description="Its place in the log, from 1, without gaps.")
    at: datetime
    event: str = Field(description="What happened, in the past tense.", examples=["KeyCreated"])
    actor: Named
    subject: Named
    facts: dict[str, Any]
    has_private: bool = Field(
        description="Whether there is text that can be forgotten; the event itself shows it."
    )


async def _read_filter(
    since: Annotated[Moment | None, Query(description="From then on.")] = None,
    until: Annotated[Moment | None, Query(description="Before then.")] = None,
    actor: Annotated[Text | None, Query(description="Only by it: an id, or `system`.")] = None,
    event: Annotated[Text | None, Query(description="Only of this name.")] = None,
    subject: Annotated[Text | None, Query(description="Only what was done to it.")] = None,
) -> Filter:
    """Which events, as parameters of an address say it."""
    if since is not None and until is not None and since >= until:
        raise InvalidInput("query.since: is not before `until`")
    return Filter(since, until, actor, event, subject)


Chosen = Annotated[Filter, Depends(_read_filter)]


async def find_names(tx: Transaction, found: Iterable[Entry]) -> Names:
    """How actors and subjects are called now, as far as they are this organisation's."""
    texts = {text for entry in found for text in (entry.actor, entry.subject)}
    names: dict[str, str] = {}
    for kind, list_names in NAMED.items():
        wanted = [ids.parse(kind, text) for text in texts if text.startswith(f"{kind}_")]
        named = await list_names(tx, wanted) if wanted else {}
        names |= {ids.text(kind, each): name for each, name in named.items()}
    return names


def show(entry: Entry, names: Names) -> EventShown:
    """An entry as it is shown."""
    said = entry.read()
    return EventShown(
        **{name: said[name] for name in ("id", "log", "sequence", "at", "event", "facts")},
        actor=Named(id=said["actor"], name=names.get(said["actor"])),
        subject=Named(id=said["subject"], name=names.get(said["subject"])),
        has_private="private" in said,
    )
