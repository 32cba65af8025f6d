"""How fast events get from the outbox into a log: `python -m tests.bench.chaining` (K-50).

One chainer, embedded PostgreSQL that syncs nothing: what is measured is the work of both, not the
disk. The promise is 10,000 events a second. Last what it takes where each organisation tells
little: a head is signed for each log of a batch.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
import uuid

from dd0c.base import ids
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import chainer
from dd0c.kernel.audit.checkpoint import Signer
from dd0c.kernel.db import fitness, roles, tenancy
from dd0c.kernel.db.pool import Pool, open_pool
from tests.support.database import Database, running_cluster

EVENTS, ROUNDS = 20_000, 5
PER_SECOND_MIN = 10_000
LOGS = (1, 10, 1000)
SEED = Secret("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
TELL = """
    INSERT INTO kernel.audit_outbox (id, org, name, actor, subject, facts)
    SELECT gen_random_uuid(), (%(orgs)s::uuid[])[1 + n %% %(logs)s], 'KeyCreated',
        'per_01jcq8z5m3t7abcdefghjkmnpq', 'key_01jcq8z5m3t7abcdefghjkmnpq',
        '{"expires_at":null,"roles":["owner"],"scopes":["api","llm"]}'
    FROM generate_series(1, %(events)s) n
"""


async def per_second(owner: Pool, chaining: Pool, orgs: list[uuid.UUID]) -> float:
    """Events a second of an outbox that is full, of so many organisations."""
    async with tenancy.system(owner) as tx:
        told = {"orgs": orgs, "logs": len(orgs), "events": EVENTS}
        await tx.execute(TELL.encode(), told)
    signer, done = Signer(SEED), 0
    begun = time.perf_counter()
    while done < EVENTS:
        done += await chainer.chain(chaining, signer)
    return EVENTS / (time.perf_counter() - begun)


async def measure(database: Database, logs: int) -> list[float]:
    """What each round came to; one before them is not counted."""
    owner = await open_pool(database.conninfo(roles.OWNER), roles.OWNER, 1)
    chaining = await open_pool(database.conninfo(roles.CHAINER), roles.CHAINER, 1)
    orgs = [ids.new() for _ in range(logs)]
    async with tenancy.system(owner) as tx:
        await fitness.claim(tx, ids.text(ids.Kind.INSTALLATION, ids.new()), {})
        await tx.execute(
            "INSERT INTO kernel.organisations (id, name)"
            " SELECT org, org::text FROM unnest(%s::uuid[]) org",
            (orgs,),
        )
    found = [await per_second(owner, chaining, orgs) for _ in range(1 + ROUNDS)]
    await owner.close()
    await chaining.close()
    return found[1:]


def main() -> int:
    """Prints median and slowest round; exit status 1 where the median of one log is too slow."""
    medians = {}
    with running_cluster() as cluster:
        for logs in LOGS:
            with cluster.clone() as database:
                found = asyncio.run(measure(database, logs))
            medians[logs] = statistics.median(found)
            print(
                f"{logs:>5} logs: {medians[logs]:,.0f} events a second;"
                f" slowest of {ROUNDS} rounds {min(found):,.0f}"
            )
    return 0 if medians[1] >= PER_SECOND_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
