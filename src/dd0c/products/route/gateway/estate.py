"""What a dead gateway held of budgets, once its spool came into the ledger by hand (R-16).

Until then that money counts as spent, whatever of it was. Now the ledger says what was: the budgets
of its attempts, and those that run now, are counted anew without it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import LEASE_S
from dd0c.products.route.gateway.leases import Leases, budgets_of, time_s
from dd0c.products.route.hotpath.rules import Rules
from dd0c.products.route.shipper.listener import Shipment

AGAIN_S = 0.2


class Estate:
    """A listener of the shipper that brings the spool in."""

    def __init__(self, rules: Rules):
        self._rules = rules
        self._leases = Leases()
        for rule in rules.by_id.values():
            if rule.measure == "usd":
                self._leases.at(rule, int(time.time()))

    async def shipped(self, shipment: Shipment) -> None:
        for charge in shipment.charges:
            for rule in budgets_of(self._rules, charge):
                self._leases.at(rule, time_s(charge.opened.request_id))

    async def caught_up(self, living: Collection[int]) -> None:
        pass

    async def divide(self, counters: Counters, gateway: str) -> bool:
        """Whether nothing counts as held by that gateway any more; Unavailable."""
        touched = [lease.counter for lease in self._leases]
        if not touched:
            return True
        await counters.post([])
        deadline = time.monotonic() + 2 * LEASE_S  # one that was killed just now seems alive
        while not await counters.recount(touched, f"{gateway}."):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(AGAIN_S)
        return True
