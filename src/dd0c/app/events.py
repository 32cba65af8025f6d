"""All events that the audit log may be told, by the kernel and by every product."""

from __future__ import annotations

from dd0c.app import host_events
from dd0c.kernel.audit import catalogue
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.auth import events as auth
from dd0c.kernel.autonomy import events as autonomy
from dd0c.kernel.autonomy.flags import FLAG_EVENTS
from dd0c.kernel.content import events as content
from dd0c.kernel.hooks import events as hooks
from dd0c.kernel.jobs import events as jobs
from dd0c.kernel.plans.catalogue import PLAN_EVENTS
from dd0c.products.route import events as route
from dd0c.products.run import events as run

CATALOGUE: tuple[EventType, ...] = (
    *(*catalogue.EVENTS, *auth.EVENTS, *autonomy.EVENTS, *FLAG_EVENTS, *PLAN_EVENTS, *hooks.EVENTS),
    *(*host_events.EVENTS, *content.EVENTS, *jobs.EVENTS, *route.EVENTS, *run.EVENTS),
)
