"""Which requests, as parameters say it: what lists, sums and exports share."""

from __future__ import annotations

import uuid

from dd0c.base import ids
from dd0c.kernel.auth import teams
from dd0c.kernel.db.pool import Transaction

TEAM = "The name or id of the team that the key belonged to."
TAG = "A tag that the caller gave."


async def team_id(tx: Transaction, given: str) -> uuid.UUID:
    """The team of that name; an id stands for itself, also of a team that is no more."""
    if given.startswith(f"{ids.Kind.TEAM}_"):
        return ids.parse(ids.Kind.TEAM, given)
    return (await teams.get(tx, given)).id
