"""Every function of the stores that takes a transaction, by two organisations."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, Self, TypeVar

import psycopg
import pytest

from dd0c.base import ids
from dd0c.base.errors import Error, Unavailable
from dd0c.kernel.auth import keys, members
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction, open_pool
from dd0c.products.route.store import ratings, reconciliations
from dd0c.products.run.store import versions
from tests.isolation import functions, functions_of_auth, functions_of_run
from tests.isolation.judging import World
from tests.isolation.tenants import Names, Tenant, id_of


class Asked(Protocol):
    """What is somebody's."""

    @property
    def names(self) -> Names:
        """By its name."""
        ...

    @property
    def hidden(self) -> dict[str, uuid.UUID]:
        """Its ids that are no names."""
        ...

    def as_nobodys(self) -> Self:
        """The same under names and ids that do not exist."""
        ...


T = TypeVar("T", bound=Asked)


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


@pytest.mark.parametrize(
    ("folder", "table"),
    [
        ("products/route/store", functions),
        ("products/run/store", functions_of_run),
        ("kernel/auth", functions_of_auth),
    ],
)
def test_every_function_has_a_row(folder: str, table: ModuleType) -> None:
    """A function without a row fails here, and says where it belongs (K-11)."""
    listed, found = table.CALLS.keys() | table.ELSEWHERE.keys(), set(functions.found(folder))
    assert not found - listed, f"add these to CALLS, or ELSEWHERE, in {table.__file__}"
    assert not listed - found, f"these are no more: take them out of {table.__file__}"


async def test_no_function_of_the_store_reaches_what_is_anothers(world: World, pool: Pool) -> None:
    """As the runtime role, in a stranger's transaction, what is acme's is as if it were nobody's,
    and nothing is written; in acme's own transaction the same call works (K-11, proofs 2, 8)."""
    async with tenancy.tenant(pool, world.acme.org) as tx:
        rated = await ratings.list_rated(tx, functions.MONTH, limit=1)
        waiting = await reconciliations.list_waiting(tx)
    of = functions.Of(world.acme.names, rated[0], waiting[0])
    assert not [said async for said in wrong(world, pool, functions.CALLS, of)]


async def test_no_function_of_runbooks_reaches_what_is_anothers(world: World, pool: Pool) -> None:
    """So it is with runbooks, their versions and steps, sealed as they are (K-11, proofs 2, 8)."""
    names, vault = world.acme.names, world.served.app.state.resources.vault
    async with tenancy.tenant(pool, world.acme.org) as tx:
        row = await versions.get(tx, id_of(names, "runbook"), 1)
    of = functions_of_run.Of(names, vault, row.id)
    assert not [said async for said in wrong(world, pool, functions_of_run.CALLS, of)]


async def test_no_function_of_identities_reaches_what_is_anothers(world: World, pool: Pool) -> None:
    """So it is with teams, keys, people, invitations and sessions (K-11, proofs 2, 8)."""
    names, pepper = world.acme.names, world.served.app.state.resources.pepper
    async with tenancy.tenant(pool, world.acme.org) as tx:
        key = await keys.get(tx, id_of(names, "key"))
        member = await members.get(tx, id_of(names, "person"))
    of = functions_of_auth.Of(names, pepper, world.acme.session, key, member)
    assert not [said async for said in wrong(world, pool, functions_of_auth.CALLS, of)]


async def test_nobody_waits_for_another_organisation(world: World) -> None:
    """While acme imports an export, globex imports the same one: a wait would tell (K-11)."""
    conninfo, content = world.served.database.conninfo(roles.APP), bytes(32)
    pool = await open_pool(conninfo, roles.APP, 2)

    async def imports(org: uuid.UUID) -> None:
        async with tenancy.tenant(pool, org) as tx:
            await tx.execute("SET LOCAL lock_timeout = '500ms'")
            await reconciliations.find_by_content(tx, content)

    try:
        async with tenancy.tenant(pool, world.acme.org) as tx:
            await reconciliations.find_by_content(tx, content)
            await asyncio.create_task(imports(world.globex.org))
            with pytest.raises(Unavailable):
                await asyncio.create_task(imports(world.acme.org))
    finally:
        await pool.close()


async def wrong(
    world: World, pool: Pool, calls: Mapping[str, Callable[[Transaction, T], Any]], theirs: T
) -> AsyncIterator[str]:
    """What a stranger could learn or change with these functions, by name."""
    nobodys = theirs.as_nobodys()
    for name, call in calls.items():
        other = await outcome(pool, world.globex, call, theirs)
        nothing = await outcome(pool, world.globex, call, nobodys)
        if other.alike != nothing.alike:
            yield f"{name}: a stranger can tell: {other.alike[:200]} / {nothing.alike[:200]}"
        if other.wrote:
            yield f"{name}: a stranger changed something"
        own = await outcome(pool, world.acme, call, theirs)
        reference = await outcome(pool, world.acme, call, nobodys)
        if own.alike == reference.alike == other.alike and not own.wrote:
            yield f"{name}: the owner gets no more than others: {own.text[:300]}"


async def outcome(
    pool: Pool, tenant: Tenant, call: Callable[[Transaction, T], Any], of: T
) -> Outcome:
    """What the call comes to in a transaction of the tenant, which is undone."""
    text, wrote = "", False
    try:
        async with tenancy.tenant(pool, tenant.org) as tx:
            before = await written_rows(tx)
            text = repr(await call(tx, of))
            wrote = await written_rows(tx) != before
            raise Undone
    except (Error, psycopg.Error) as error:
        text = f"{type(error).__name__}: {error}"
    except Undone:
        pass
    return Outcome(text, alike(text, of), wrote)


async def written_rows(tx: Transaction) -> int:
    """How many rows this connection has written: the server counts, whosever they are."""
    cursor = await tx.execute(
        "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables"
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0] or 0)


def alike(text: str, of: Asked) -> str:
    """The text without names, new ids and moments."""
    for name, value in sorted(written(of).items(), key=lambda one: -len(one[1])):
        text = text.replace(value, f"{{{name}}}")
    for odd in VOLATILE:
        text = odd.sub("…", text)
    return text


def written(of: Asked) -> Names:
    """The names, ids also as PostgreSQL and as gateways write them."""
    found, known = dict(of.names), dict(of.hidden)
    for name, value in of.names.items():
        if len(value) == len(value.partition("_")[0]) + 1 + ids.TEXT_LENGTH:
            known[name] = id_of(of.names, name)
    for name, each in known.items():
        found |= {f"{name}.uuid": str(each), f"{name}.hex": each.hex}
    return found


VOLATILE = (
    re.compile(r"UUID\('[0-9a-f-]{36}'\)"),
    re.compile(r"datetime\.datetime\([^)]*\)"),
    re.compile(r"b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\""),
    re.compile(r"\d{4}-\d\d-\d\d [\d:.+]+"),
)
