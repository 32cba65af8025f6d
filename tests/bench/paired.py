"""Added latency: one request at a time, to a subject and directly in turn, and their difference.

`python -m tests.bench.paired < task.json` prints for each subject the times of all its turns, each
with the direct call beside it. Subjects take turns in blocks with a pause between them: what one
does after its answer (its log, its garbage) must not fall on the next. A turn that failed counts
for nobody and is reported.
"""

from __future__ import annotations

import asyncio
import json
import time

import uvloop

from tests.bench import client
from tests.bench.client import Connection, Target

WARM_UP = 30
ANSWER_S = 20.0
BLOCKS = 10
PAUSE_S = 0.1


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


async def _measure(base: Target, subjects: list[Target], turns: int) -> dict[str, object]:
    direct = OneAtATime(base)
    callers = [OneAtATime(subject) for subject in subjects]
    for caller in (direct, *callers):
        for _ in range(WARM_UP):
            await caller.time_ns()
    pairs: dict[str, list[tuple[int, int]]] = {subject.name: [] for subject in subjects}
    failed: dict[str, int] = dict.fromkeys(pairs, 0)
    began, cpu = time.monotonic_ns(), time.process_time_ns()
    for _ in range(BLOCKS):
        for caller in callers:
            await asyncio.sleep(PAUSE_S)
            for turn in range(max(1, turns // BLOCKS)):
                order = (direct, caller) if turn % 2 else (caller, direct)
                took = {id(one): await one.time_ns() for one in order}
                mine, theirs = took[id(caller)], took[id(direct)]
                if mine is None or theirs is None:
                    failed[caller.target.name] += 1
                else:
                    pairs[caller.target.name].append((theirs, mine))
    share = round(client.own_cpu_share(began, cpu), 3)
    return {"pairs_ns": pairs, "failed": failed, "generator_cpu": share}


def main() -> None:
    task = client.read_task()
    subjects = [Target.read(raw) for raw in task["subjects"]]
    found = _measure(Target.read(task["direct"]), subjects, task["turns"])
    print(json.dumps(uvloop.run(found)))


if __name__ == "__main__":
    main()
