"""A process of its own that reports failures, asks for the probe, or says how a breaker stands.

    python -m tests.kernel.guard.failing HOME NAME fail TIMES EPOCH | ask TIMES | look

Says that it is ready, waits for a line, does it all at once, and writes the standings as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from dd0c.base.outbound import Outcome
from dd0c.kernel.cache import client as clients
from dd0c.kernel.guard.breakers import Breakers, Standing
from tests.kernel.guard.breaking import PATIENT
from tests.support import servers

AT_ONCE = 8


async def act(breakers: Breakers, name: str, what: str, *given: str) -> list[Standing]:
    match what:
        case "fail":
            times, epoch = map(int, given)
            told = [breakers.hear(name, Outcome.FAILURE, epoch) for _ in range(times)]
        case "ask":
            told = [breakers.ask(name) for _ in range(int(given[0]))]
        case _:
            return await breakers.look([name])
    return await asyncio.gather(*told)


async def main(home: str, name: str, *what: str) -> None:
    _, settings = servers.open_home(Path(home))
    client = clients.open_client(settings, AT_ONCE, PATIENT.within_s)
    breakers = Breakers(client, PATIENT.rules, within_s=PATIENT.within_s)
    await breakers.look([name])
    print("ready", flush=True)
    sys.stdin.readline()
    print(msgspec.json.encode(await act(breakers, name, *what)).decode(), flush=True)
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
