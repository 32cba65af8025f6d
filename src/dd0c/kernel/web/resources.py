"""What an endpoint may use, opened once by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from starlette.requests import HTTPConnection

from dd0c.base.clock import Clock
from dd0c.base.settings import Settings
from dd0c.kernel.auth.last_used import Uses
from dd0c.kernel.auth.oidc import Provider
from dd0c.kernel.auth.passwords import Passwords
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Grants
from dd0c.kernel.autonomy.brake import Brake
from dd0c.kernel.autonomy.flag_publishing import Publisher
from dd0c.kernel.cache.client import Client
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.flags import Flags
from dd0c.kernel.guard.rates import Rates
from dd0c.kernel.plans.catalogue import Plan
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.web.paging import Cursors


@dataclass(frozen=True, slots=True)
class Resources:
    """The things with a life of their own, and the tables that every request needs."""

    settings: Settings
    pool: Pool  # as dd0c_app: sees only the tenant that a transaction names
    queue: Pool  # as dd0c_jobs: the runs of background jobs
    clock: Clock
    pepper: Pepper
    grants: Grants
    cursors: Cursors
    uses: Uses  # of keys, to be written down now and then
    vault: Vault  # seals what is private in events
    contents: Contents  # what others sent
    panic_cache: Client  # to say so in Valkey
    counters: Counters  # of the gateways' limits: to look at, and to have counted anew
    rates: Rates  # how often what is dear is asked for here
    breakers: Breakers  # of what is called from here
    plan: Plan  # of organisations that have none of their own
    flags: Flags  # what is switched on, for whom
    publisher: Publisher  # of flags, when they were changed
    brake: Brake = field(default_factory=Brake)  # what was heard of panics
    passwords: Passwords = field(default_factory=Passwords)
    provider: Provider | None = None  # of identities, where one is set


def of(connection: HTTPConnection) -> Resources:
    """The resources of the application that serves this request."""
    return cast(Resources, connection.app.state.resources)
