"""Putting the brake on and off: what the API and the console's page do alike (K-63).

The database is told first: it says who may, and there the panic is audited. Then Valkey is told.
A brake waits for nothing that can be missing: not for Valkey, nor for a vault to seal its reason.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import Unavailable
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.autonomy import cache, events, panics
from dd0c.kernel.autonomy.brake import Scope
from dd0c.kernel.autonomy.panics import Row
from dd0c.kernel.autonomy.states import Channel, Effect, Event, Mode, State, strictest
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.web import audited, resources

WRITE, PANIC, PLATFORM = "autonomy:write", "autonomy:panic", "platform:panic"
TELL_WITHIN_S = 0.5
SEAL_WITHIN_S = 0.3
DATABASE_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a channel says about an organisation, and whether it answers."""

    channel: Channel
    panic: State
    answers: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands for an organisation. `panic` is the strictest word of database and channels."""

    mode: Mode
    panic: State
    organisation: Row | None
    everywhere: Row | None
    channels: tuple[Said, ...]


async def press(
    request: Request, who: Principal, event: Event, reason: str, *, everywhere: bool
) -> Standing:
    """Begin or end a panic, for somebody who holds PANIC; Forbidden where it is everywhere and they
    do not hold PLATFORM too, Panicking for what would loosen a halt."""
    if everywhere:
        who.require(PLATFORM)
    use, scope = resources.of(request), None if everywhere else who.org
    async with _transaction(use.pool, scope) as tx:
        row, effect = await panics.apply(
            tx, scope, event, reason=reason, actor=who.actor.text, now=use.clock.now()
        )
        if effect is not Effect.NOTHING:
            await _record(tx, request, scope, row)
    use.brake.hear(Channel.DATABASE, {scope: row.panic})
    try:
        async with asyncio.timeout(TELL_WITHIN_S):
            await cache.tell(use.panic_cache, scope, row.panic)
    except (Unavailable, TimeoutError):
        use.brake.away.add(Channel.CACHE)
    else:
        use.brake.hear(Channel.CACHE, {scope: row.panic})
    return await stand(request, who)


async def stand(request: Request, who: Principal) -> Standing:
    """How it stands now."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        mode = await panics.get_mode(tx, who.org)
        own, everywhere = await panics.find(tx, who.org), await panics.find(tx, None)
    channels = tuple(
        Said(one, use.brake.said_by(one, who.org), one not in use.brake.away) for one in Channel
    )
    rows = (row.panic for row in (own, everywhere) if row is not None)
    panic = strictest((*rows, *(said.panic for said in channels)))
    return Standing(mode, panic, own, everywhere, channels)


async def set_mode(request: Request, who: Principal, mode: Mode) -> Standing:
    """How far products act by themselves, from now on."""
    async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
        await panics.set_mode(tx, who.org, mode)
        subject = ids.text(ids.Kind.ORGANISATION, who.org)
        await audited.record(tx, request, events.AUTONOMY_CHANGED, subject, mode=mode.value)
    return await stand(request, who)


def _transaction(pool: Pool, scope: Scope) -> AbstractAsyncContextManager[Transaction]:
    if scope is None:
        return tenancy.system(pool, deadline_s=DATABASE_WITHIN_S)
    return tenancy.tenant(pool, scope, deadline_s=DATABASE_WITHIN_S)


async def _record(tx: Transaction, request: Request, scope: Scope, row: Row) -> None:
    """Tell the log, with the reason if it can be sealed soon enough."""
    what = events.PANIC_ENDED if row.panic is None else events.PANIC_BEGUN
    subject = "installation" if scope is None else ids.text(ids.Kind.ORGANISATION, scope)
    tell = partial(audited.record, tx, request, what, subject, epoch=row.epoch, panic=row.panic)
    try:
        async with asyncio.timeout(SEAL_WITHIN_S), tx.transaction():
            await tell(private={"reason": row.reason})
    except TimeoutError:
        await tell(private_lost=True)
