"""Keys that follow one another, through a whole gateway: known, billed, noted and ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from dd0c.base.home import Home
from dd0c.kernel.auth import keys, rotation
from dd0c.kernel.auth.rotation import Rotated
from dd0c.kernel.db import tenancy
from tests.products.route.gateway.running import ask, running_gateway, wait_for
from tests.products.route.gateway.tenant import Made, Tenant
from tests.support.database import Database

MESSAGES = [{"role": "user", "content": "hi"}]
WITHIN_S = 20.0


async def rotate(tenant: Tenant, made: Made) -> Rotated:
    """Let another key follow, with an hour of overlap."""
    async with tenancy.tenant(tenant.pool, tenant.org) as tx:
        old = await keys.get(tx, made.key.id, locked=True)
        wanted, ends = rotation.decide(old, datetime.now(UTC), timedelta(hours=1), old.id)
        return await rotation.rotate(tx, tenant.pepper, old, wanted, ends)


async def change(tenant: Tenant, key: keys.Key, **columns: object) -> None:
    """Give a key other values."""
    async with tenancy.tenant(tenant.pool, tenant.org) as tx:
        await keys.change(tx, key.id, **columns)


async def look(tenant: Tenant) -> tuple[dict[str, datetime | None], set[str]]:
    """When each key was last used, and which keys the ledger names, both by id."""
    async with tenancy.tenant(tenant.pool, tenant.org) as tx:
        used = {key.id.hex: key.used_at for key in await keys.list_keys(tx, 10)}
        rows = await (await tx.execute("SELECT key_id FROM route.attempts")).fetchall()
    return used, {key.hex for (key,) in rows}


def answers(connect: Callable[[], HTTPConnection], key: str, status: int) -> bool:
    """Whether new connections, spread over the workers, get this status for the key."""
    opened = [connect() for _ in range(8)]
    found = [ask(connection, key) for connection in opened]
    for connection in opened:
        connection.close()
    return found == [status] * len(found)


def test_a_line_is_served_billed_noted_and_ended(
    database: Database,
    place: Home,
    registered: None,
    tmp_path: Path,
    *,
    acme: Tenant,
    runner: asyncio.Runner,
) -> None:
    """Both keys work during the overlap, the ledger knows their line, a network that excludes us
    and the end of the overlap hold on every worker, and uses of both are written down without a
    write for each (K-20)."""
    old = runner.run(acme.create())
    unused = runner.run(acme.create())
    new = runner.run(rotate(acme, old))
    with running_gateway(database, place, tmp_path / "log") as gateway:
        gateway.wait_ready()
        serves = partial(answers, gateway.connect)
        for text in (old.text, new.text):
            wait_for(partial(serves, text.reveal(), 200), WITHIN_S)
            connection = gateway.connect()
            body = json.dumps({"model": "gpt-5-mini", "messages": MESSAGES})
            bearer = {"authorization": f"Bearer {text.reveal()}"}
            connection.request("POST", "/v1/chat/completions", body, bearer)
            assert connection.getresponse().status == 200
            connection.close()
        runner.run(change(acme, new.key, networks=["192.0.2.0/24"]))
        wait_for(partial(serves, new.text.reveal(), 403), WITHIN_S)
        runner.run(change(acme, new.key, networks=["127.0.0.0/8", "::1"]))
        wait_for(partial(serves, new.text.reveal(), 200), WITHIN_S)
        runner.run(change(acme, old.key, expires_at=datetime.now(UTC)))
        wait_for(partial(serves, old.text.reveal(), 401), WITHIN_S)
        assert serves(new.text.reveal(), 200)
    used, billed = runner.run(look(acme))
    assert used.pop(unused.key.id.hex) is None
    assert used.keys() == {old.key.id.hex, new.key.id.hex}
    assert all(used.values())
    assert billed == {old.key.id.hex}
