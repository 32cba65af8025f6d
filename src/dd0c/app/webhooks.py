"""Sending webhooks, chats and mail, as the job worker does it besides its jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from dd0c.app import events
from dd0c.base.clock import SystemClock
from dd0c.base.home import Home
from dd0c.base.outbound import Outbound
from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as cache
from dd0c.kernel.db import address, roles
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard import breakers, flags
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.hooks import dispatcher, mail
from dd0c.kernel.hooks.sending import Sender
from dd0c.kernel.vault import configured
from dd0c.kernel.vault.envelope import Vault

FLAG = "hooks.deliver"


async def deliver(
    settings: Settings, place: Home, refuse_unfit: Callable[[Pool], Awaitable[None]]
) -> None:
    """Send what is due until cancelled. Without the flag nothing leaves, and waits."""
    async with AsyncExitStack() as stack:
        client = cache.open_client(settings, 2, within_s=breakers.CALL_WITHIN_S)
        stack.push_async_callback(client.aclose)
        view = await stack.enter_async_context(flags.following(settings))
        sender = Sender(
            outbound=Outbound(settings),
            breakers=Breakers(client, breakers.rules_of(settings)),
            clock=SystemClock(),
            server=mail.read(settings),
            sentences={event.name: event.sentence for event in events.CATALOGUE},
            console_url=settings.console_url,
        )
        await dispatcher.serve(
            address.conninfo(settings, roles.JOBS),
            Vault(configured.load(settings, place)),
            sender,
            partial(view.is_on, FLAG),
            refuse_unfit=refuse_unfit,
        )
