"""The part of the job worker that sends, over a served installation, with a clock of our own."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import uvloop

from dd0c.app import events
from dd0c.base import home
from dd0c.base.outbound import Outbound
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.audit import chainer
from dd0c.kernel.audit.checkpoint import Signer
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.guard.circuit import Rules
from dd0c.kernel.hooks import mail
from dd0c.kernel.hooks.dispatcher import Dispatcher
from dd0c.kernel.hooks.sending import Sender
from dd0c.kernel.vault import configured
from dd0c.kernel.vault.envelope import Vault
from tests.support.control import Served

ROUNDS_MAX = 100


@dataclass(slots=True)
class Shifted:
    """The machine's clock, so much later."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        """The current time."""
        return datetime.now(UTC) + self.by

    def now_us(self) -> int:
        """The same in microseconds."""
        return int(self.now().timestamp() * 1_000_000)


def sender_of(settings: Settings, clock: Shifted, outbound: Outbound | None = None) -> Sender:
    """What sending takes; breakers do not open, as nothing is shared here."""
    return Sender(
        outbound=outbound or Outbound(settings),
        breakers=Breakers(None, Rules(failures=1_000, rest_ms=1)),
        clock=clock,
        server=mail.read(settings),
        sentences={event.name: event.sentence for event in events.CATALOGUE},
        console_url="https://dd0c.example.com",
    )


@dataclass(slots=True)
class Worker:
    """Works on demand: `work` sends all that is due by its clock."""

    served: Served
    runner: asyncio.Runner
    sends: Pool
    chains: Pool
    clock: Shifted = field(default_factory=Shifted)
    may: Callable[[uuid.UUID], bool] = lambda org: True
    outbound: Outbound | None = None

    def later(self, **by: float) -> None:
        """So much later it is."""
        self.clock.by += timedelta(**by)

    def chain(self) -> None:
        """Move what the audit log was told into its logs."""

        async def chain_all() -> None:
            while await chainer.chain(self.chains, Signer(Secret("5e" * 32))):
                pass

        self.runner.run(chain_all())

    def work(self) -> None:
        """Chain, then send until nothing is due."""
        self.chain()
        self.runner.run(self._send_all())

    async def _send_all(self) -> None:
        settings = self.served.settings
        vault = Vault(configured.load(settings, home.find(settings.home)))
        sender = sender_of(settings, self.clock, self.outbound)
        for _ in range(ROUNDS_MAX):
            async with asyncio.TaskGroup() as group:
                dispatcher = Dispatcher(self.sends, vault, sender, self.may, group=group)
                begun = await dispatcher.round()
            if not begun:
                return
        raise AssertionError("there is always more to send")


@contextmanager
def working(served: Served) -> Iterator[Worker]:
    """A worker for the block; an installation has a name, which its logs are signed under."""
    database = served.database
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute(
            "INSERT INTO kernel.installation (id, fingerprints)"
            " VALUES ('ins_test', '{}') ON CONFLICT DO NOTHING"
        )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sends, chains = (
            runner.run(open_pool(database.conninfo(role), role, size))
            for role, size in ((roles.JOBS, 3), (roles.CHAINER, 1))
        )
        try:
            yield Worker(served, runner, sends, chains)
        finally:
            runner.run(sends.close())
            runner.run(chains.close())


def with_mail(served: Served, port: int) -> Served:
    """The same installation where the settings know a mail server."""
    address = Secret(f"smtp://127.0.0.1:{port}")
    settings = replace(served.settings, smtp_url=address, mail_from="dd0c@example.com")
    return replace(served, settings=settings)


def add(client: httpx.Client, target: str, **wanted: Any) -> dict[str, Any]:
    """A new endpoint."""
    body = {"name": uuid.uuid4().hex, "target": target} | wanted
    made = client.post("/api/v1/hooks/endpoints", json=body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def told(client: httpx.Client, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    """Its deliveries, newest first."""
    path = f"/api/v1/hooks/endpoints/{endpoint['id']}/deliveries?limit=500"
    items: list[dict[str, Any]] = client.get(path).json()["items"]
    return items


def happen(client: httpx.Client, name: str) -> str:
    """Something that is told of: a team of that name is made; its id."""
    made = client.post("/api/v1/teams", json={"name": name})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def rows(served: Served, query: str) -> list[tuple[Any, ...]]:
    """What the owner of the tables reads."""
    with psycopg.connect(served.database.conninfo(roles.OWNER).reveal()) as owner:
        return owner.execute(query.encode()).fetchall()


def decoded(body: bytes) -> dict[str, Any]:
    """A body as JSON."""
    found: dict[str, Any] = json.loads(body)
    return found
