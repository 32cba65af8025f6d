"""The table of plans, and when one refuses. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dd0c.base.errors import InvalidInput, PlanExceeded
from dd0c.kernel.audit.catalogue import EventType

PLAN_CHANGED = EventType("PlanChanged", "An organisation has another plan.")
PLAN_EVENTS = (PLAN_CHANGED,)


class Quota(StrEnum):
    """What a plan says how much there may be of. A value is the noun as messages have it."""

    PEOPLE = "people"
    KEYS = "keys"  # working ones; one that was rotated counts once
    TEAMS = "teams"
    WEBHOOKS = "webhooks"  # sources and endpoints
    RUNBOOKS = "runbooks"
    EXECUTIONS = "executions"  # of a month

    @property
    def is_monthly(self) -> bool:
        """Whether it is used up, and there again with the next month."""
        return self is Quota.EXECUTIONS


@dataclass(frozen=True, slots=True)
class Plan:
    """What an organisation may have. A quota that is not named has no bound."""

    name: str
    limits: Mapping[Quota, int]

    def limit(self, quota: Quota) -> int | None:
        """How much there may be; None: any."""
        return self.limits.get(quota)

    def require(self, quota: Quota, used: int, frees_at: datetime | None = None) -> None:
        """PlanExceeded unless there may be one more."""
        limit = self.limit(quota)
        if limit is None or used < limit:
            return
        if frees_at is None:
            what, remedy = quota.value, "remove what is not needed"
        else:
            what, remedy = f"{quota} a month", f"wait until {frees_at:%Y-%m-%d %H:%M} UTC"
        raise PlanExceeded(
            f"the plan {self.name} includes {limit} {what}, and {used} are in use",
            hint=f"{remedy}, or ask whoever runs this installation for a larger plan:"
            " dd0c plan set ORG PLAN",
        )


UNLIMITED = Plan("unlimited", {})
PLANS = {
    plan.name: plan
    for plan in (
        Plan(
            "free",
            {
                Quota.PEOPLE: 3,
                Quota.KEYS: 10,
                Quota.TEAMS: 2,
                Quota.WEBHOOKS: 2,
                Quota.RUNBOOKS: 5,
                Quota.EXECUTIONS: 50,
            },
        ),
        Plan(
            "team",
            {
                Quota.PEOPLE: 25,
                Quota.KEYS: 200,
                Quota.TEAMS: 20,
                Quota.WEBHOOKS: 20,
                Quota.RUNBOOKS: 50,
                Quota.EXECUTIONS: 5_000,
            },
        ),
        UNLIMITED,
    )
}


def get(name: str) -> Plan:
    """The plan of that name; InvalidInput."""
    if name not in PLANS:
        raise InvalidInput(f"there is no plan {name!r}", hint=f"plans: {', '.join(PLANS)}")
    return PLANS[name]
