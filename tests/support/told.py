"""What the audit log was told, and nobody has chained yet: as the owner of the tables reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from dd0c.base import ids
from dd0c.kernel.db import roles
from tests.support.database import Database

_READ = """
SELECT number, org, name, actor, subject, facts FROM kernel.audit_outbox WHERE number > %s
ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Told:
    """An event; `org` None: of the installation."""

    number: int
    org: str | None
    name: str
    actor: str
    subject: str
    facts: Mapping[str, Any]


def read(connection: psycopg.Connection[Any], after: int = 0) -> list[Told]:
    """What was told after that number."""
    return [
        Told(
            number=number,
            org=org and ids.text(ids.Kind.ORGANISATION, org),
            name=name,
            actor=actor,
            subject=subject,
            facts=json.loads(facts),
        )
        for number, org, name, actor, subject, facts in connection.execute(_READ, (after,))
    ]


def told(database: Database) -> list[Told]:
    """What was told in a database."""
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        return read(owner)
