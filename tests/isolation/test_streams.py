"""Live pages by two organisations: news of one are no news of the other."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from tests.isolation.judging import World
from tests.products.route import records
from tests.products.route.api.ledger import rated, ship
from tests.support.chained import chain_of

OF_NOBODY = {
    "parts": "which processes run: for those who run the installation",
    "jobs": "what runs in the background: for those who run the installation",
}


async def test_news_of_one_are_no_news_of_the_other(world: World) -> None:
    """Whatever happens at acme, the mark of each topic that globex follows stays; acme's own is
    another one, so a topic that nothing here moves fails too (K-11). That a stream carries only
    its organisation's mark is in tests/kernel/web/test_live.py."""
    topics = world.served.app.state.live.topics.keys() - OF_NOBODY.keys()
    before = await marks(world)
    happens(world)
    after = await marks(world)
    globex, acme = world.globex.org, world.acme.org
    assert [topic for topic in topics if before[globex][topic] != after[globex][topic]] == []
    still = [topic for topic in topics if before[acme][topic] == after[acme][topic]]
    assert not still, f"let something happen to these in {__file__}: {still}"


async def marks(world: World) -> dict[uuid.UUID, dict[str, str]]:
    """What streams would say to each organisation."""
    pool = await open_pool(world.served.database.conninfo(roles.APP), roles.APP, 1)
    found: dict[uuid.UUID, dict[str, str]] = {}
    try:
        for org in (world.acme.org, world.globex.org):
            async with tenancy.tenant(pool, org) as tx:
                topics = world.served.app.state.live.topics.items()
                found[org] = {name: await topic.mark(tx) for name, topic in topics}
    finally:
        await pool.close()
    return found


def happens(world: World) -> None:
    """Something of every kind, at acme."""
    world.served.key(world.acme.owner, name="news")
    with world.served.client(world.acme.owner) as client:
        client.post("/api/v1/invitations", json={"email": "news@acme.example"}).raise_for_status()
        client.post("/api/v1/hooks/sources", json={"name": "news"}).raise_for_status()
    attempt = rated(records.opened(world.acme.org, at_us=time.time_ns() // 1_000))
    with ThreadPoolExecutor(1) as thread:  # its loop cannot run beside ours
        thread.submit(ship, world.served, [attempt]).result()
    chain_of(world.served, world.acme.org, 1)
