"""What route registers with the kernel."""

from __future__ import annotations

from dd0c.kernel.auth.permissions import EVERYBODY, Role
from dd0c.kernel.manifest import Manifest
from dd0c.products.route import api, pages
from dd0c.products.route.api.probes import probes
from dd0c.products.route.key_limits import WRITE, limit_key
from dd0c.products.route.store.access import ACCESS

READ, ERASE = "route:read", "route:erase"
WRITERS = frozenset({Role.OWNER, Role.ADMIN, Role.OPERATOR})
ERASERS = frozenset({Role.OWNER, Role.ADMIN})


def held(role: Role) -> frozenset[str]:
    """What a role may do here; nobody undoes an erasure, so fewer may do it."""
    known = ((READ, EVERYBODY), (WRITE, WRITERS), (ERASE, ERASERS))
    return frozenset(permission for permission, holders in known if role in holders)


MANIFEST = Manifest(
    name="route",
    access=ACCESS,
    grants={role: held(role) for role in EVERYBODY},
    api=api.router,
    pages=pages.router,
    section=pages.SECTION,
    probes=probes,
    limit_key=limit_key,
)
