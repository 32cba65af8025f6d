"""Added latency: one request at a time, to each target in turn, differences of neighbours.

`python -m tests.bench.paired < task.json` prints for each target the time of every turn, so that
whoever reads it can pair them. One connection to each target; a turn in which anybody failed
counts for nobody and is reported.
"""

from __future__ import annotations

import asyncio
import json

import uvloop

from tests.bench import client
from tests.bench.client import Connection, Target

WARM_UP = 30
ANSWER_S = 20.0


class OneAtATime:
    """A connection whose answers can be awaited."""

    def __init__(self, target: Target):
        self.target = target
        self.request = target.head + target.body
        self._answer: asyncio.Future[bool] | None = None
        self.connection = Connection(self._done)

    def _done(self, _: Connection, ok: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(ok)

    async def time_ns(self) -> int | None:
        """How long one answer took, None when it failed."""
        if not self.connection.alive:
            self.connection = await client.connect(Connection(self._done), self.target)
        self._answer = asyncio.get_running_loop().create_future()
        self.connection.send(self.request)
        try:
            async with asyncio.timeout(ANSWER_S):
                ok = await self._answer
        except TimeoutError:
            self.connection.close()
            return None
        return self.connection.data_ns - self.connection.sent_ns if ok else None


async def _measure(targets: list[Target], turns: int) -> dict[str, object]:
    callers = [OneAtATime(target) for target in targets]
    for caller in callers:
        for _ in range(WARM_UP):
            await caller.time_ns()
    times: dict[str, list[int]] = {target.name: [] for target in targets}
    failed = 0
    for turn in range(turns):
        order = callers[turn % len(callers) :] + callers[: turn % len(callers)]
        took = {caller.target.name: await caller.time_ns() for caller in order}
        if None in took.values():
            failed += 1
            continue
        for name, one in took.items():
            assert one is not None
            times[name].append(one)
    return {"times_ns": times, "failed": failed}


def main() -> None:
    task = client.read_task()
    targets = [Target.read(raw) for raw in task["targets"]]
    print(json.dumps(uvloop.run(_measure(targets, task["turns"]))))


if __name__ == "__main__":
    main()
