"""What `dd0c vault` does on the host: looks at the keys of the vault, and replaces them.

It works as the owner role, beside everything that serves. One at a time on a home, because two that
added a key to one file at once could lose one of them.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from dd0c.app import entrance, host_events
from dd0c.base import home, locks
from dd0c.base.home import Home
from dd0c.base.process import crash_point
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, fitness, roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction, open_pool
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import State
from dd0c.kernel.vault import configured, rotation, survey
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.vault.keychain import Keychain
from dd0c.kernel.vault.rotation import Moved, Say
from dd0c.kernel.vault.survey import Survey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """The survey, and the names of the keys that this home has, the one that wraps first."""

    keys: tuple[str, ...]
    survey: Survey


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was moved. `hosts`: machines that need this home's new key file before anything is."""

    moved: Moved
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Opened:
    pool: Pool
    keys: Keychain


def look(settings: Settings) -> Seen:
    """What is under which key."""

    async def work(here: _Opened) -> Seen:
        async with tenancy.system(here.pool) as tx:
            current = here.keys.current().name
            found = await survey.look(tx, entrance.HOLDINGS, current)
        return Seen(tuple(key.name for key in here.keys), found)

    return _run(settings, work)


def rotate(settings: Settings, say: Say) -> Rotated:
    """Each organisation gets a new data key, and its secrets move under it."""

    async def work(here: _Opened) -> Rotated:
        moved = Moved()
        await rotation.retire(here.pool, Vault(here.keys), moved, _tell_renewed)
        await _reseal(here, moved, say)
        return Rotated(moved)

    with _alone(settings):
        return _run(settings, work)


def rotate_kek(settings: Settings, say: Say) -> Rotated:
    """A new key-encryption key, and the data keys move under it.

    A key in a file has to be on every machine before something is under it: with others running the
    file gets its key and nothing more.
    """

    async def work(here: _Opened) -> Rotated:
        await here.keys.renew()
        crash_point("vault.added")
        if configured.wraps_by_file(settings) and (hosts := await _other_hosts(here.pool)):
            return Rotated(Moved(), hosts)
        await rotation.choose(here.pool, here.keys.current().name, _tell_chosen, newer=True)
        moved = Moved()
        await rotation.rewrap(here.pool, here.keys, moved, say)
        return Rotated(moved)

    with _alone(settings):
        return _run(settings, work)


def rewrap(settings: Settings, say: Say) -> Rotated:
    """Finish whatever is unfinished: everything is under the newest keys of both kinds."""

    async def work(here: _Opened) -> Rotated:
        moved, newest = Moved(), here.keys.current().name
        async with tenancy.system(here.pool) as tx:
            chosen = await fitness.find_fingerprints(tx) or {}
        if chosen.get(rotation.NAME) != newest:
            await rotation.choose(here.pool, newest, _tell_chosen, newer=False)
        await rotation.rewrap(here.pool, here.keys, moved, say)
        await _reseal(here, moved, say)
        return Rotated(moved)

    with _alone(settings):
        return _run(settings, work)


async def _tell_renewed(tx: Transaction, org: uuid.UUID | None) -> None:
    await host_events.tell(tx, host_events.DATA_KEY_RENEWED, org=org)


async def _tell_chosen(tx: Transaction, name: str) -> None:
    await host_events.tell(tx, host_events.KEK_CHOSEN, key=name)


async def _reseal(here: _Opened, moved: Moved, say: Say) -> None:
    await rotation.reseal(here.pool, Vault(here.keys), entrance.HOLDINGS, moved, say)
    await rotation.forget(here.pool, entrance.HOLDINGS, moved)


async def _other_hosts(pool: Pool) -> tuple[str, ...]:
    async with tenancy.system(pool) as tx:
        seen = await register.list_parts(tx)
    alive = {one.part.host for one in seen if one.state is State.ALIVE}
    return tuple(sorted(alive - {socket.gethostname()}))


def _run(settings: Settings, work: Callable[[_Opened], Awaitable[T]]) -> T:
    place = home.find(settings.home)

    async def run() -> T:
        async with _opened(settings, place) as here:
            return await work(here)

    return asyncio.run(run())


@asynccontextmanager
async def _opened(settings: Settings, place: Home) -> AsyncIterator[_Opened]:
    """The database as owner, once it is known that it and the keys of this home fit."""
    conninfo = address.conninfo(settings, roles.SHIPPER)
    serving = await open_pool(conninfo, roles.SHIPPER, 1)
    try:
        await entrance.refuse_unfit(serving, settings, place)
    finally:
        await serving.close()
    pool = await open_pool(address.conninfo(settings, roles.OWNER), roles.OWNER, 1)
    try:
        yield _Opened(pool, configured.load(settings, place))
    finally:
        await pool.close()


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    with locks.held(
        home.find(settings.home).run / "vault.lock",
        within_s=0,
        taken="another `dd0c vault` is at work on this home",
        hint="wait for it: what it has begun it finishes",
    ):
        yield
