"""What the database roles may do in run's schema; compared with the catalogue at every start."""

from __future__ import annotations

from dd0c.kernel.db.roles import APP, INSERT, SELECT, UPDATE, Access, grant

_TABLES = ("run.runbooks", "run.versions", "run.steps")

ACCESS = Access(
    schema="run",
    usage=frozenset({APP}),
    grants=(
        *(grant(APP, table, SELECT, INSERT) for table in _TABLES),
        grant(APP, "run.runbooks", UPDATE, columns="name version changed_at removed_at"),
    ),
)
