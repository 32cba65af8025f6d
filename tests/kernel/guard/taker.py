"""A gateway in small, in a process of its own: takes until there is no more, and says how much.

    python -m tests.kernel.guard.taker HOME HOLDER TASKS COUNTERS

Counters are msgpack in hex. It says that it is ready, waits for a line, writes what it holds as a
JSON line, and waits to be killed.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from dd0c.base.errors import Unavailable
from dd0c.kernel.cache import client as clients
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.limits import CALL_WITHIN_S, TICK_S, Ask, Counter, Granted, Short
from tests.support import servers

GIVES_UP_S = 60.0


class Gateway:
    """What it holds, and its word on it after each call that is in doubt."""

    def __init__(self, holder: Counters, counters: list[Counter]):
        self.holder = holder
        self.held = dict.fromkeys(counters, 0)
        self.posts = 0
        self.posting = asyncio.Lock()

    async def post(self, posts: int = 0) -> None:
        """Say what it holds, unless somebody has since there were so many posts."""
        async with self.posting:
            while self.posts == posts:
                try:
                    await self.holder.post(list(self.held.items()))
                    self.posts += 1
                except Unavailable:
                    continue

    async def take_all(self, chance: random.Random) -> None:
        """Take until something is short, and give a little back now and then."""
        deadline = time.monotonic() + GIVES_UP_S
        while time.monotonic() < deadline:
            posts = self.posts
            asks = [Ask(counter, 1, 1 + chance.randrange(9)) for counter in self.held]
            try:
                found = await self.holder.take(asks)
                if isinstance(found, Short):
                    return
                assert isinstance(found, Granted)
                self.add(found.amounts)
                if chance.random() < 0.2:
                    self.add([-1] * len(asks))
                    await self.holder.give_back([(counter, 1) for counter in self.held])
            except Unavailable:
                await self.post(posts)
        raise TimeoutError

    def add(self, amounts: Iterable[int]) -> None:
        for counter, amount in zip(self.held, amounts, strict=True):
            self.held[counter] += amount

    async def tick(self) -> None:
        while True:
            posts = self.posts
            try:
                superseded = (await self.holder.tick()).superseded
            except Unavailable:
                superseded = True
            if superseded:
                await self.post(posts)
            await asyncio.sleep(TICK_S)


async def main(folder: str, name: str, tasks: int, counters: list[Counter]) -> None:
    """Take with so many tasks at once."""
    _, settings = servers.open_home(Path(folder))
    client = clients.open_client(settings, 4, CALL_WITHIN_S)
    gateway = Gateway(Counters(client, name), counters)
    await gateway.post()
    ticking = asyncio.ensure_future(gateway.tick())
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    chance = random.Random(name)
    await asyncio.gather(*(gateway.take_all(chance) for _ in range(tasks)))
    print(json.dumps([*gateway.held.values()]), flush=True)
    await ticking


if __name__ == "__main__":
    _, home, who, number, packed = sys.argv
    given = msgspec.msgpack.decode(bytes.fromhex(packed), type=list[Counter])
    asyncio.run(main(home, who, int(number), given))
