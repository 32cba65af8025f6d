"""Open loop: requests leave by the clock, whatever the answers do.

`python -m tests.bench.schedule < task.json`. Latency counts from the moment a request was due, also
while it waits for a free connection; a failure and a request never answered count as infinitely
slow. How late requests left although a connection was free is the generator's own fault, reported
as `lag`: a large lag makes the result inconclusive.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque

import uvloop

from tests.bench import client
from tests.bench.client import Connection, Target

GRACE_S = 2.0
NEVER_NS = 10**12
TICK_S = 0.001
REQUESTS_MIN = 30  # a slow subject is asked for longer


class OpenLoop:
    """Sends at a rate over a fixed number of connections."""

    def __init__(self, target: Target, rate: float, seconds: float, connections: int):
        self.target = target
        self.request = target.head + target.body
        self.rate, self.total = rate, max(REQUESTS_MIN, int(rate * seconds))
        self.size = connections
        self.free: deque[Connection] = deque()
        self.waiting: deque[int] = deque()
        self.latencies: list[int] = []
        self.lags: list[int] = []
        self.failed = 0
        self._over = asyncio.Event()

    def _done(self, connection: Connection, ok: bool) -> None:
        self.latencies.append(connection.data_ns - connection.due_ns if ok else NEVER_NS)
        self.failed += not ok
        if len(self.latencies) == self.total:
            self._over.set()
        if not connection.alive:
            return
        if self.waiting:
            connection.send(self.request, self.waiting.popleft())
        else:
            self.free.append(connection)

    async def run(self) -> dict[str, object]:
        for _ in range(self.size):
            self.free.append(await client.connect(Connection(self._done), self.target))
        began, cpu = time.monotonic_ns(), time.process_time_ns()
        sent = 0
        while sent < self.total:
            due_count = min(self.total, int((time.monotonic_ns() - began) * self.rate / 1e9) + 1)
            while sent < due_count:
                self._send(began + int(sent * 1e9 / self.rate))
                sent += 1
            await asyncio.sleep(TICK_S if self.rate < 1 / TICK_S else 0)
        share = client.own_cpu_share(began, cpu)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._over.wait()
        return self._result(share)

    def _send(self, due_ns: int) -> None:
        while self.free:
            connection = self.free.popleft()
            if connection.alive:
                self.lags.append(time.monotonic_ns() - due_ns)
                connection.send(self.request, due_ns)
                return
        self.waiting.append(due_ns)

    def _result(self, share: float) -> dict[str, object]:
        unanswered = self.total - len(self.latencies)
        ordered = sorted(self.latencies + [NEVER_NS] * unanswered)
        lags = sorted(self.lags) or [0]
        return {
            "requests": self.total,
            "failed": self.failed,
            "unanswered": unanswered,
            "p50_ns": client.percentile(ordered, 0.50),
            "p99_ns": client.percentile(ordered, 0.99),
            "lag_p99_ns": client.percentile(lags, 0.99),
            "generator_cpu": round(share, 3),
        }


def main() -> None:
    task = client.read_task()
    loop = OpenLoop(Target.read(task["target"]), task["rate"], task["seconds"], task["connections"])
    print(json.dumps(uvloop.run(loop.run())))


if __name__ == "__main__":
    main()
