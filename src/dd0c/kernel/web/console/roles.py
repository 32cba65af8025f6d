"""Roles: which permissions each holds, as endpoints are checked against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from dd0c.kernel.auth import permissions
from dd0c.kernel.auth.permissions import Grants, Role
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web import access, resources
from dd0c.kernel.web.access import RoleShown
from dd0c.kernel.web.console import frame
from dd0c.kernel.web.requires import Requires

PATH = "/console/roles"
MEANS = {
    Role.PLATFORM: "runs the installation",
    Role.OWNER: "answers for the organisation",
    Role.ADMIN: "administers it",
    Role.OPERATOR: "runs it from day to day",
    Role.APPROVER: "decides what others propose",
    Role.VIEWER: "looks on",
    Role.BILLING: "sees what it costs",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says."""

    items: list[RoleShown]


@router.get(PATH)
async def show(request: Request, who: Annotated[Principal, Depends(Requires())]) -> Response:
    """The table."""
    page = Page(access.table(resources.of(request).grants))
    every = sorted({permission for role in page.items for permission in role.permissions})
    return frame.of(request).page(
        request,
        who,
        "roles.html",
        page,
        means=MEANS,
        every=[
            (permission, [permission in role.permissions for role in page.items])
            for permission in every
        ],
        own=sorted(who.roles),
    )


def offered(grants: Grants, who: Principal) -> list[tuple[Role, str, bool]]:
    """The roles of an organisation, what each holds, and whether this caller may give it."""
    return [
        (role, ", ".join(sorted(held)) or "nothing here", held <= who.permissions)
        for role in Role
        if role is not Role.PLATFORM
        for held in (permissions.held(grants, [role]),)
    ]
