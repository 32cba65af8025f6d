"""What is done on the host is told, or was not done."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from dd0c.app import backup
from dd0c.app.host_events import BACKUP_MADE
from dd0c.kernel.db import roles
from tests.support.database import Database
from tests.support.told import told

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


def test_a_backup_is_told_or_not_noted(database: Database) -> None:
    """While the audit log takes nothing no backup is noted; then both are (K-50, proofs 16)."""
    conninfo = database.conninfo(roles.OWNER).reveal()
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute("INSERT INTO kernel.installation (id, fingerprints) VALUES ('ins', '{}')")
        owner.execute(
            "ALTER TABLE kernel.audit_outbox ADD CONSTRAINT no CHECK (name = '') NOT VALID"
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            asyncio.run(backup.record(database.settings, NOW, BACKUP_MADE))
        noted = "SELECT backed_up_at FROM kernel.installation"
        assert owner.execute(noted).fetchall() == [(None,)]
        owner.execute("ALTER TABLE kernel.audit_outbox DROP CONSTRAINT no")
        asyncio.run(backup.record(database.settings, NOW, BACKUP_MADE))
        assert owner.execute(noted).fetchall() == [(NOW,)]
    (made,) = told(database)
    assert (made.org, made.name, made.actor) == (None, "BackupMade", "system")
    assert made.facts == {"made_at": "2026-11-21T20:00:00+00:00"}
