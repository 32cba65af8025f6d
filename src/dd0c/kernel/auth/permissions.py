"""Roles, scopes, and the table that says which role holds which permission.

A permission is `product:verb`. The kernel's own rows are here; each product adds its rows through
its manifest, and `merge` makes the one table that a process uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a key or a person may do."""

    PLATFORM = "platform"  # the installation: creates organisations, sees its health
    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    APPROVER = "approver"
    VIEWER = "viewer"
    BILLING = "billing"


class Scope(StrEnum):
    """Where a key may be used."""

    GATEWAY = "gateway"  # /v1 on the gateway
    API = "api"  # /api/v1 here
    CONSOLE = "console"  # signing in with a browser


Grants = Mapping[Role, frozenset[str]]

EVERYBODY = frozenset(Role) - {Role.PLATFORM}

_ADMINISTERS = frozenset(
    (
        *("keys:read", "keys:write", "people:read", "people:write", "org:write", "audit:read"),
        *("hooks:read", "hooks:write", "content:read", "content:write"),
        *("autonomy:write", "autonomy:panic"),
    )
)

KERNEL: Grants = {
    Role.PLATFORM: frozenset(
        {
            "platform:orgs",
            "platform:health",
            "platform:parts",
            "platform:people",
            "platform:jobs",
            "platform:flags",
            "platform:plans",
            "platform:panic",
            "autonomy:panic",
            "platform:audit",
        }
    ),
    # Nobody gives or takes a role that holds more than their own: `org:own` keeps owners to owners.
    Role.OWNER: _ADMINISTERS | {"org:own"},
    Role.ADMIN: _ADMINISTERS,
    Role.OPERATOR: frozenset({"keys:read", "people:read", "hooks:read"}),
}


def merge(tables: Iterable[Grants]) -> Grants:
    """One table with the rows of all."""
    merged: dict[Role, frozenset[str]] = dict.fromkeys(Role, frozenset())
    for table in tables:
        for role, permissions in table.items():
            merged[role] |= permissions
    return merged


def held(grants: Grants, roles: Iterable[Role]) -> frozenset[str]:
    """Every permission of these roles."""
    return frozenset().union(*(grants.get(role, frozenset()) for role in roles))
