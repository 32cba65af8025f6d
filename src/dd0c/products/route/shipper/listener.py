"""Whom the shipper tells what came into the ledger: who keeps budgets (R-16).

It is told after the commit and before the shipper notes that it is done, so after a kill it is told
again. What comes `again` came in an earlier transaction that nobody knows any more, and may have
been heard of or not: who counts then counts anew, from the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from dd0c.products.route.models import AttemptOpened


class Charge(NamedTuple):
    """An attempt in the ledger with what it is charged: its cost, else what was reserved, else 0.

    `pid` is the worker's, `folder` the name of its spool folder, which is the gateway's id.
    """

    opened: AttemptOpened
    charged_pico: int
    pid: int
    folder: str


class Shipment(NamedTuple):
    """What one transaction added. `again`: some of it, or all, was in the ledger before."""

    charges: Sequence[Charge]
    xid: int
    again: bool


class Listener(Protocol):
    """Both are awaited by the shipper, so they are quick, and wait for nobody who may be away."""

    async def shipped(self, shipment: Shipment) -> None:
        """These attempts are in the ledger."""
        ...

    async def caught_up(self, living: Collection[int]) -> None:
        """All is in the ledger that processes other than these ever wrote, in this gateway's folder
        and in those that gateways before it left."""
        ...
