"""Holders of one organisation, and what only a test may do to them: time passes when it says so."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dd0c.base import ids
from dd0c.base.settings import Settings
from dd0c.kernel.cache.client import Client
from dd0c.kernel.cache.embedded import EmbeddedValkey
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import Ask, Counter, Granted, Kind, State

NOTHING = "1:1:"
"""A snapshot that no transaction is visible in."""
WITHIN_S = 20.0
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Server:
    """A running Valkey."""

    valkey: EmbeddedValkey
    settings: Settings

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It neither answers nor refuses."""
        assert self.valkey.child is not None
        os.kill(self.valkey.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.valkey.child.pid, signal.SIGCONT)


@dataclass(frozen=True)
class World:
    """An organisation that only this test knows."""

    client: Client
    org: bytes = field(default_factory=ids.new_bytes)

    def money(self, cap: int) -> Counter:
        return Counter(self.org, ids.new_bytes(), Kind.MONEY, cap)

    def rate(self, cap: int) -> Counter:
        return Counter(self.org, ids.new_bytes(), Kind.RATE, cap)

    def concurrency(self, cap: int) -> Counter:
        return Counter(self.org, ids.new_bytes(), Kind.CONCURRENCY, cap)

    def counters(self, name: str) -> Counters:
        """The counters for a holder that has patience: a busy machine is not what is tested."""
        return Counters(self.client, name, PATIENCE_S)

    async def holder(self, name: str) -> Counters:
        """A holder that is known."""
        counters = self.counters(name)
        await counters.post([])
        return counters

    async def expire(self, holder: str) -> None:
        """The holder's lease has run out."""
        await self.command("HSET", self.key, f"u:{holder}", 1)

    async def revive(self, holders: Iterable[str]) -> None:
        """No time has passed since these had their leases."""
        until_ms = int(time.time() * 1000) + 3000
        leases = [word for holder in holders for word in (f"u:{holder}", until_ms)]
        if leases:
            await self.command("HSET", self.key, *leases)

    async def command(self, *words: object) -> Any:
        """What the server answers to a plain command."""
        execute: Callable[..., Awaitable[Any]] = self.client.execute_command
        return await execute(*words)

    @property
    def key(self) -> str:
        """Where the organisation's state is."""
        return f"{{{self.org.hex()}}}:g"

    async def state(self, counter: Counter) -> State:
        (state,) = await self.counters("reader").read([counter])
        return state


async def counted(holder: Counters, counter: Counter, spent: int, snapshot: str = NOTHING) -> None:
    """The counter was counted from the ledger."""
    token = await holder.begin_count(counter)
    assert token is not None
    assert await holder.end_count(counter, token, spent, snapshot)


async def granted(holder: Counters, counter: Counter, need: int, want: int | None = None) -> int:
    """How much of one counter was granted."""
    found = await holder.take([Ask(counter, need, need if want is None else want)])
    assert isinstance(found, Granted), found
    return found.amounts[0]


async def until(true: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + WITHIN_S
    while not await true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)
