"""People: who belongs to the organisation, who was invited, and one person's page.

Inviting, changing and removing are in `people_changes`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from dd0c.base import ids
from dd0c.kernel.auth import invitations, keyring, keys, members, permissions, sessions, teams
from dd0c.kernel.auth.members import Member, State
from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.auth.sessions import Open
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import resources
from dd0c.kernel.web.console import figures, frame, links, live, roles
from dd0c.kernel.web.console.frame import Hit
from dd0c.kernel.web.invitations import InvitationShown
from dd0c.kernel.web.invitations import show as shown_invitation
from dd0c.kernel.web.people import PLATFORM_PEOPLE, WRITE, PersonShown, Reader
from dd0c.kernel.web.people import show as shown
from dd0c.kernel.web.resources import Resources

PATH = "/console/people"
TOPIC = "people"
PAGE_ROWS = 50
INVITATIONS_MAX = 20
TEAMS_MAX = 500  # that a form offers
HITS_MAX = 5
TONES = {State.MEMBER: "good", State.DISABLED: "warn", State.REMOVED: "info", State.ERASED: "info"}
INVITED_TONES = {"open": "wait", "used": "good", "expired": "warn", "revoked": "info"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class List:
    """What the list says."""

    as_of: datetime
    items: list[PersonShown]
    invitations: list[InvitationShown]
    next: str


@router.get(PATH)
async def show_list(
    request: Request, who: Reader, cursor: Annotated[str, Query(max_length=128)] = ""
) -> Response:
    """The list, and the newest invitations."""
    stream = live.follow(request, who, TOPIC)
    use = resources.of(request)
    now, context = use.clock.now(), (who.org, "console people")
    after = use.cursors.read(cursor, *context) if cursor else None
    async with tenancy.tenant(use.pool, who.org) as tx:
        found = await members.list_members(tx, PAGE_ROWS + 1, after)
        invited = await invitations.list_invitations(tx, INVITATIONS_MAX)
    page, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
    onward = use.cursors.write(page[-1].id, *context) if more else ""
    following = links.to(PATH, {"cursor": onward}) if onward else ""
    listed = List(
        now,
        [shown(member) for member in page],
        [shown_invitation(each, now) for each in invited],
        following,
    )
    return frame.of(request).page(
        request,
        who,
        "people/list.html",
        listed,
        live=stream,
        headline=headline(listed, who),
        tones=TONES,
        invited_tones=INVITED_TONES,
        may_write=WRITE in who.permissions,
        paging={
            "words": figures.plural(len(page), "person", "people"),
            "first": PATH if cursor else "",
            "next": following,
        },
    )


def headline(listed: List, who: Principal) -> dict[str, str]:
    """How many belong here, and who is on the way."""
    waiting = sum(each.state == "open" for each in listed.invitations)
    invited = f", {figures.plural(waiting, 'invitation')} open" if waiting else ""
    count = figures.plural(len(listed.items), "person", "people")
    more = "more than " if listed.next else ""
    if not listed.items:
        return {
            "number": "Nobody yet",
            "words": invited,
            "lead": "Keys are for programs. Invite each person by name: then everything that is "
            "done here has a name, and who leaves takes nobody else's key along.",
        }
    return {
        "number": f"{more}{count}".capitalize(),
        "words": f" {'belongs' if len(listed.items) == 1 else 'belong'} to {who.org_name}{invited}",
        "lead": "Each signs in as themselves. Who is removed is signed out at once; what they did "
        "keeps their name.",
    }


@dataclass(frozen=True, slots=True)
class Detail:
    """What the page of a person says."""

    person: PersonShown
    maker: str
    permissions: list[str]
    sessions: list[Open]
    keys: int
    is_self: bool


@router.get(f"{PATH}/{{person_id}}")
async def show(request: Request, person_id: str, who: Reader) -> Response:
    """One person."""
    return await page_of(request, who, ids.parse(ids.Kind.PERSON, person_id))


async def page_of(
    request: Request,
    who: Principal,
    person: uuid.UUID,
    *,
    problem: str = "",
    danger: str = "",
    kept: str = "",
) -> Response:
    """The page of a person, with what was wrong about the last attempt to change, remove or erase
    them."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        member = await members.get(tx, person)
        detail = await _detail(tx, use, who, member)
        known = await teams.list_teams(tx, TEAMS_MAX)
    is_here = member.state in (State.MEMBER, State.DISABLED)
    held = permissions.held(use.grants, [role for role in Role if role in set(member.roles)])
    may_write = WRITE in who.permissions and is_here and held <= who.permissions
    path = f"{PATH}/{detail.person.id}"
    return frame.of(request).page(
        request,
        who,
        "people/person.html",
        detail,
        status=400 if problem or danger or kept else 200,
        tone=TONES[member.state],
        raw=detail.person.model_dump_json(indent=1),
        path=path,
        problem=problem,
        may_write=may_write,
        may_stand=PLATFORM_PEOPLE in who.permissions and is_here,
        roles=roles.offered(use.grants, who),
        teams=[team.name for team in known],
        danger=_danger(detail, f"{path}/remove", danger) if may_write else None,
        erasing=_erasing(detail, f"{path}/erase", kept)
        if PLATFORM_PEOPLE in who.permissions and member.state is not State.ERASED
        else None,
    )


async def _detail(tx: Transaction, use: Resources, who: Principal, member: Member) -> Detail:
    makers = await keys.list_names(tx, [member.created_by])
    makers |= await members.list_names(tx, [member.created_by])
    held = permissions.held(use.grants, [role for role in Role if role in set(member.roles)])
    return Detail(
        person=shown(member),
        maker="the domain of their address"
        if member.created_by == member.id
        else makers.get(member.created_by, "somebody who is gone"),
        permissions=sorted(held),
        sessions=await sessions.list_open(tx, use.clock.now(), member.id),
        keys=await keyring.count_made_by(tx, member.id, use.clock.now()),
        is_self=member.id == who.actor.id,
    )


def _danger(detail: Detail, action: str, problem: str) -> dict[str, object]:
    """Exactly what removing does."""
    effects = ["They can no longer sign in here. Other organisations of theirs do not change."]
    if detail.sessions:
        effects.append(f"{figures.plural(len(detail.sessions), 'console session')} end at once.")
    effects.append("Invitations that they have open are revoked.")
    if detail.keys:
        verb = "goes" if detail.keys == 1 else "go"
        effects.append(
            f"{figures.plural(detail.keys, 'key')} that they made {verb} on working: "
            "revoke those that only they have."
        )
    if detail.is_self:
        effects.append("It is you: you will be signed out.")
    effects.append("What they did keeps their name. They may be invited again.")
    return {
        "label": "Remove this person",
        "name": detail.person.name,
        "effects": effects,
        "action": action,
        "problem": problem,
    }


def _erasing(detail: Detail, action: str, problem: str) -> dict[str, object]:
    """Exactly what erasing the account does."""
    return {
        "label": "Erase this account",
        "name": detail.person.email,
        "effects": [
            "Name, address, password and identity are deleted, in every organisation.",
            "Every console session ends at once; invitations to the address are deleted.",
            "What they did says that an erased person did it. Nothing brings the name back.",
        ],
        "action": action,
        "problem": problem,
    }


async def find(tx: Transaction, text: str, now: datetime) -> Sequence[Hit]:
    """People for the palette: by name or address."""
    found = await members.search(tx, text, HITS_MAX)
    return [
        Hit("person", each.name, f"{PATH}/{ids.text(ids.Kind.PERSON, each.id)}", each.email)
        for each in found
    ]
