"""Many paced streams at once: how late each event arrives, and whether all arrive.

`python -m tests.bench.streams < task.json`. The upstream writes the moment of sending into each
event (paced.py); this reads it back.
"""

from __future__ import annotations

import asyncio
import json
import re
import time

import uvloop

from tests.bench import client, paced
from tests.bench.client import Connection, Target

_MOMENT = re.compile(rb'"content":"(\d{9,20})"')
CONNECTING_AT_ONCE = 100


class Listener(Connection):
    """A connection that reads the moments out of its events."""

    def __init__(self, all_streams: Streams):
        super().__init__(all_streams.ended)
        self._delays = all_streams.delays
        self._rest = b""

    def on_body(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self._rest + data
        end = 0
        for found in _MOMENT.finditer(data):
            self._delays.append(now - int(found[1]))
            end = found.end()
        self._rest = data[max(end, len(data) - 60) :]


class Streams:
    """One request on each of many connections."""

    def __init__(self, target: Target, count: int):
        self.target, self.count = target, count
        self.delays: list[int] = []
        self.left = count
        self.failed = 0
        self._over = asyncio.Event()

    def ended(self, _: Connection, ok: bool) -> None:
        self.failed += not ok
        self.left -= 1
        if self.left <= 0:
            self._over.set()

    async def run(self, within_s: float) -> dict[str, object]:
        began, cpu = time.monotonic_ns(), time.process_time_ns()
        request = self.target.head + self.target.body
        for first in range(0, self.count, CONNECTING_AT_ONCE):
            some = range(first, min(self.count, first + CONNECTING_AT_ONCE))
            made = await asyncio.gather(
                *(client.connect(Listener(self), self.target) for _ in some),
                return_exceptions=True,
            )
            for one in made:
                if isinstance(one, Connection):
                    one.send(request)
                else:
                    self.failed += 1
                    self.left -= 1
        try:
            async with asyncio.timeout(within_s):
                await self._over.wait()
        except TimeoutError:
            self.failed += self.left
        ordered = sorted(self.delays) or [0]
        expected = self.count * paced.EVENTS
        return {
            "streams": self.count,
            "failed": self.failed,
            "events": len(self.delays),
            "lost": expected - len(self.delays),
            "p50_ns": client.percentile(ordered, 0.50),
            "p99_ns": client.percentile(ordered, 0.99),
            "generator_cpu": round(client.own_cpu_share(began, cpu), 3),
        }


async def _measure(task: dict[str, object]) -> dict[str, object]:
    target, count, within = task["target"], task["count"], task["within_s"]
    assert isinstance(target, dict)
    assert isinstance(count, int)
    assert isinstance(within, int | float)
    return await Streams(Target.read(target), count).run(within)


def main() -> None:
    print(json.dumps(uvloop.run(_measure(client.read_task()))))


if __name__ == "__main__":
    main()
