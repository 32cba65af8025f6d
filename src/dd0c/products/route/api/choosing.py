"""Which requests, as parameters say it: what lists, sums and exports share."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query

from dd0c.base import ids
from dd0c.kernel.auth import keys, teams
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web.fields import Moment, Text
from dd0c.products.route.models import EndReason
from dd0c.products.route.store.selection import Filter

TEAM = "The name or id of the team that the key belonged to."
TAG = "A tag that the caller gave."


async def team_id(tx: Transaction, given: str) -> uuid.UUID:
    """The team of that name; an id stands for itself, also of a team that is no more."""
    if given.startswith(f"{ids.Kind.TEAM}_"):
        return ids.parse(ids.Kind.TEAM, given)
    return (await teams.get(tx, given)).id


async def key_line(tx: Transaction, given: str) -> uuid.UUID:
    """What the ledger knows the key of that id by: any key of a line stands for all."""
    key = ids.parse(ids.Kind.KEY, given)
    return await keys.find_line(tx, key) or key


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which requests are asked for."""

    since: datetime | None
    until: datetime | None
    model: str | None
    key: str | None
    team: str | None
    tag: str | None
    provider: str | None
    end_reason: str | None
    cost: str | None

    async def wanted(self, tx: Transaction) -> Filter:
        """As the store takes them; NotFound for a team that there is not."""
        return Filter(
            since=self.since,
            until=self.until,
            model=self.model,
            key_id=None if self.key is None else await key_line(tx, self.key),
            team=None if self.team is None else await team_id(tx, self.team),
            tag=self.tag,
            provider=self.provider,
            end_reason=self.end_reason,
            unpriced=self.cost is not None,
        )


def read(
    *,
    since: Annotated[Moment | None, Query(description="Not before this moment.")] = None,
    until: Annotated[Moment | None, Query(description="Before this moment.")] = None,
    model: Annotated[Text | None, Query(description="The model that was asked for.")] = None,
    key: Annotated[
        str | None, Query(description="The id of the key, or of another of its line.")
    ] = None,
    team: Annotated[Text | None, Query(description=TEAM)] = None,
    tag: Annotated[Text | None, Query(description=TAG)] = None,
    provider: Annotated[Text | None, Query(description="Who answered.")] = None,
    end_reason: Annotated[EndReason | None, Query(description="How it ended.")] = None,
    cost: Annotated[
        Literal["unknown"] | None, Query(description="Only those without a known cost.")
    ] = None,
) -> Chosen:
    """The parameters of a list."""
    return Chosen(since, until, model, key, team, tag, provider, end_reason, cost)
