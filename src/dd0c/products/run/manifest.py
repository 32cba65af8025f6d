"""What run registers with the kernel."""

from __future__ import annotations

from dd0c.kernel.auth.permissions import EVERYBODY, Role
from dd0c.kernel.manifest import Manifest
from dd0c.products.run import api, pages
from dd0c.products.run.store.access import ACCESS
from dd0c.products.run.store.runbooks import COUNTS

READ, WRITE = "run:read", "run:write"
READERS = EVERYBODY - {Role.BILLING}
WRITERS = frozenset({Role.OWNER, Role.ADMIN, Role.OPERATOR})


def held(role: Role) -> frozenset[str]:
    """What a role may do here; a runbook says too much for those who only pay."""
    known = ((READ, READERS), (WRITE, WRITERS))
    return frozenset(permission for permission, holders in known if role in holders)


MANIFEST = Manifest(
    name="run",
    access=ACCESS,
    grants={role: held(role) for role in EVERYBODY},
    api=api.router,
    pages=pages.router,
    section=pages.SECTION,
    probes=lambda _: (),
    counts=COUNTS,
)
