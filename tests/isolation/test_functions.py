"""Every function of the stores that takes a transaction, by two organisations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from dd0c.base import ids
from dd0c.base.errors import Error
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, open_pool
from dd0c.products.route.store import ratings, reconciliations
from tests.isolation import functions
from tests.isolation.functions import CALLS, ELSEWHERE, MONTH, Call, Of
from tests.isolation.judging import World
from tests.isolation.tenants import NOBODY, Names, Tenant


class Undone(Exception):
    """Ends a transaction without keeping what it did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to: result or error, the same without what differs anyway, and whether
    it wrote."""

    text: str
    alike: str
    wrote: bool


@pytest.fixture
def pool(world: World, runner: asyncio.Runner) -> Iterator[Pool]:
    """A pool as the control server's role."""
    pool = runner.run(open_pool(world.served.database.conninfo(roles.APP), roles.APP, 1))
    yield pool
    runner.run(pool.close())


def test_every_function_has_a_row() -> None:
    """A function of a store without a row fails here, and says which line it wants (K-11)."""
    listed = CALLS.keys() | ELSEWHERE.keys()
    missing = [name for name in functions.found() if name not in listed]
    assert not missing, f"add these to STORE in tests/isolation/functions.py: {missing}"
    assert listed <= set(functions.found()), "rows of functions that are no more"


async def test_no_function_reaches_what_is_anothers(world: World, pool: Pool) -> None:
    """As the runtime role, in a stranger's transaction, what is acme's is as if it were nobody's;
    nothing is written; in acme's own transaction the same call works (K-11, proofs 2 and 8)."""
    acmes = await of_tenant(pool, world.acme)
    nobodys = Of(NOBODY, *acmes.as_nobodys)
    wrong = [
        f"{name}: {said}"
        for name, call in CALLS.items()
        async for said in judged(world, pool, call, (acmes, nobodys))
    ]
    assert not wrong, "\n".join(wrong)


async def judged(world: World, pool: Pool, call: Call, of: tuple[Of, Of]) -> AsyncIterator[str]:
    """What is wrong about one function."""
    acmes, nobodys = of
    other = await outcome(pool, world.globex, call, acmes)
    nothing = await outcome(pool, world.globex, call, nobodys)
    if other.alike != nothing.alike:
        yield f"a stranger can tell whether it exists: {other.alike[:300]} / {nothing.alike[:300]}"
    if other.wrote:
        yield "a stranger changed something"
    own = await outcome(pool, world.acme, call, acmes)
    reference = await outcome(pool, world.acme, call, nobodys)
    if own.alike == reference.alike == other.alike and not own.wrote:
        yield f"the owner gets no more than others: {own.text[:300]}"


async def outcome(pool: Pool, tenant: Tenant, call: Call, of: Of) -> Outcome:
    """What the call comes to in a transaction of the tenant, which is undone. One that wrote
    anything at all has a number."""
    text, wrote = "", False
    try:
        async with tenancy.tenant(pool, tenant.org) as tx:
            text = repr(await call(tx, of))
            cursor = await tx.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            wrote = await cursor.fetchone() == (True,)
            raise Undone
    except (Error, psycopg.Error) as error:
        text = f"{type(error).__name__}: {error}"
    except Undone:
        pass
    return Outcome(text, alike(text, of), wrote)


async def of_tenant(pool: Pool, tenant: Tenant) -> Of:
    """What is the tenant's, with one attempt that is rated and one that waits."""
    async with tenancy.tenant(pool, tenant.org) as tx:
        rated = await ratings.list_rated(tx, MONTH, limit=1)
        waiting = await reconciliations.list_waiting(tx)
    return Of(tenant.names, rated[0], waiting[0])


def alike(text: str, of: Of) -> str:
    """The text without names, new ids and moments."""
    for name, value in sorted(written(of).items(), key=lambda one: -len(one[1])):
        text = text.replace(value, f"{{{name}}}")
    for odd in VOLATILE:
        text = odd.sub("…", text)
    return text


def written(of: Of) -> Names:
    """The names, ids also as PostgreSQL and as gateways write them."""
    found = of.names | {"rated": str(of.rated.request_id), "waiting": str(of.waiting.request_id)}
    for name, value in of.names.items():
        kind = value.partition("_")[0]
        if kind in set(ids.Kind) and len(value) > ids.TEXT_LENGTH:
            found |= {f"{name}.uuid": str(of[name]), f"{name}.hex": of[name].hex}
    return found


VOLATILE = (
    re.compile(r"UUID\('[0-9a-f-]{36}'\)"),
    re.compile(r"datetime\.datetime\([^)]*\)"),
    re.compile(r"b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\""),
    re.compile(r"\d{4}-\d\d-\d\d [\d:.+]+"),
)
