"""Somebody else's PostgreSQL, 15 and 18: prepared, served from, or refused with a reason (K-2)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from dd0c.app import entrance, prepare
from dd0c.base import home
from dd0c.base.errors import Error, SetupError, Unavailable
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import address, reach, roles
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.vault import local
from tests.support import external
from tests.support.external import ADMIN, PASSWORD, RUNTIME, External, Server

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "external-postgresql.md"


@pytest.fixture(scope="module", params=[15, 18])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A PostgreSQL of somebody else's."""
    with external.postgres(request.param) as server:
        yield server


@pytest.fixture
def managed(server: Server) -> Iterator[External]:
    """A database as managed services give it: its administrator is no superuser."""
    with server.database("CREATEROLE") as database:
        yield database


async def judge(settings: Settings, role: str = roles.APP) -> None:
    """What a serving part asks at its start, as that role."""
    place = home.find(settings.home)
    pool = await open_pool(address.conninfo(settings, role), role, 1)
    try:
        await entrance.refuse_unfit(pool, settings, place)
    finally:
        await pool.close()


@pytest.mark.parametrize("inherit", ["INHERIT", "NOINHERIT"])
def test_an_administrator_without_superuser_prepares_it(
    server: Server, managed: External, tmp_path: Path, inherit: str
) -> None:
    """K-2: CREATEROLE and owning the database are enough; each step is told once, and a second
    run has nothing to do. The runtime account serves, whether it inherits or not."""
    with server.superuser() as root:
        root.execute(f"ALTER ROLE {RUNTIME} {inherit}".encode())
    found = managed.settings(tmp_path)
    first = prepare.main(found)
    assert f"let {RUNTIME} act as dd0c_app" in first.steps
    assert "route/0001_ledger.sql" in first.migrations
    assert first.warnings == ()
    again = prepare.main(found)
    assert (again.steps, again.migrations) == ((), ())
    for role in roles.RUNTIME:
        asyncio.run(judge(found, role))


def test_two_migrations_at_once(managed: External, tmp_path: Path) -> None:
    """K-81: two machines migrate an empty database at once: both succeed, one did it; the other
    has other secrets and is told to copy those of the first."""
    homes = [managed.settings(tmp_path / name) for name in ("one", "two")]

    async def both() -> list[object]:
        runs = [asyncio.to_thread(prepare.main, found) for found in homes]
        return await asyncio.gather(*runs, return_exceptions=True)

    refused = [r for r in asyncio.run(both()) if isinstance(r, BaseException)]
    assert len(refused) == 1
    assert isinstance(refused[0], SetupError)
    assert "secrets" in refused[0].hint


def test_an_administrator_of_the_steps_by_hand(server: Server, tmp_path: Path) -> None:
    """K-2: where nobody gets CREATEROLE, the SQL of the how-to is enough: an account that is
    member of the owner's role migrates, and nothing is left to be done with more rights."""
    sql = "".join(re.findall(r"^```sql\n(.*?)^```$", HOWTO.read_text(), re.MULTILINE | re.DOTALL))
    with server.database() as database:
        sql = sql.replace("dd0c_migrate", ADMIN).replace("dd0c_run", RUNTIME)
        sql = sql.replace("DATABASE dd0c ", f'DATABASE "{database.name}" ')
        with server.superuser(database.name) as root:
            root.execute(f'ALTER DATABASE "{database.name}" OWNER TO postgres'.encode())
            root.execute(sql.encode())
        found = prepare.main(database.settings(tmp_path))
        assert found.steps == ()
        assert found.warnings == ()
        asyncio.run(judge(database.settings(tmp_path)))


def test_a_missing_right_is_named(server: Server, tmp_path: Path) -> None:
    """K-2: without CREATEROLE the message says who lacks what, and where the SQL is."""
    with server.database() as database, pytest.raises(SetupError) as error:
        prepare.main(database.settings(tmp_path))
    assert error.value.message == f"{ADMIN} cannot make the role dd0c_owner: it lacks CREATEROLE"
    assert "external-postgresql.md" in error.value.hint


def test_a_database_with_tables_of_others_stays_open_to_them(
    server: Server, managed: External, tmp_path: Path
) -> None:
    """K-2: who may enter is not changed where others' tables are: a warning says so."""
    with server.superuser(managed.name) as root:
        root.execute("CREATE TABLE public.orders (n int)")
    found = prepare.main(managed.settings(tmp_path))
    assert "public.orders" in found.warnings[0]
    with server.superuser(managed.name) as root:
        cursor = root.execute(
            "SELECT has_database_privilege('public', current_database(), 'CONNECT')"
        )
        assert cursor.fetchone() == (True,)


def test_a_schema_of_others_is_not_taken(server: Server, managed: External, tmp_path: Path) -> None:
    """K-2: somebody's schema named like one of ours is left alone, and named."""
    with server.superuser(managed.name) as root:
        root.execute("CREATE SCHEMA jobs")
    with pytest.raises(SetupError, match="a schema jobs of postgres's"):
        prepare.main(managed.settings(tmp_path))


def refusal(settings: Settings, role: str = roles.APP) -> Error:
    """The error with which the start of a part ends."""
    with pytest.raises(Error) as error:
        asyncio.run(judge(settings, role))
    assert "\n" not in error.value.message
    assert PASSWORD not in error.value.message + error.value.hint
    return error.value


def test_what_is_wrong_with_an_address_is_said(
    server: Server, managed: External, tmp_path: Path
) -> None:
    """K-2: wrong password, database, account, TLS and host: one line each that says which, an end
    where waiting is useless, and no password in it."""
    found = managed.settings(tmp_path)
    prepare.main(found)
    right = managed.url(RUNTIME)
    other = managed.url("postgres")
    cases = {
        right.replace("%23%25", "x"): (SetupError, "password authentication failed"),
        right.rpartition("/")[0] + "/nope": (SetupError, 'database "nope" does not exist'),
        right.replace(RUNTIME, "nobody"): (SetupError, "password authentication failed"),
        right + "?sslmode=require": (SetupError, "does not support SSL"),
        right.replace(f":{server.port}/", ":1/"): (Unavailable, "Connection refused"),
        right.replace("@127.0.0.1:", "@nosuchhost.invalid:"): (Unavailable, "nosuchhost.invalid"),
        other: (SetupError, "is a superuser"),
        managed.url(ADMIN): (SetupError, "permission denied to set role"),
    }
    for url, (kind, words) in cases.items():
        error = refusal(replace(found, database_url=Secret(url)))
        assert type(error) is kind, error.message
        assert words in error.message


def test_a_database_that_was_not_migrated_says_so(
    server: Server, managed: External, tmp_path: Path
) -> None:
    """K-2: before `dd0c migrate` a part is told to run it: without roles, without membership."""
    found = managed.settings(tmp_path)
    home.create(found.home)
    assert "dd0c migrate" in refusal(found).hint
    with server.superuser() as root:
        root.execute("CREATE ROLE dd0c_app")
    assert "dd0c migrate" in refusal(found).hint
    with server.superuser() as root:
        root.execute(f"GRANT dd0c_app TO {RUNTIME}".encode())
    prepare_home(found)
    assert "dd0c migrate" in refusal(found).hint


def prepare_home(settings: Settings) -> None:
    """Secrets of its own, as of another installation."""
    place = home.create(settings.home)
    pepper.ensure(place)
    local.ensure(place)


def test_a_home_with_other_secrets_is_refused(managed: External, tmp_path: Path) -> None:
    """K-33: a part whose secrets are not those of the database is told what to copy, and a
    second `dd0c migrate` in a home without them makes none."""
    first = managed.settings(tmp_path / "first")
    prepare.main(first)
    other = replace(first, home=tmp_path / "other")
    with pytest.raises(SetupError, match=r"lacks pepper and kek\.key") as error:
        prepare.main(other)
    assert "copy the folder `secrets`" in error.value.hint
    assert not list((other.home / "secrets").iterdir())
    prepare_home(other)
    found = refusal(other)
    assert "the key pepper and the key-encryption key of this home are not those" in found.message
    assert "copy the folder `secrets`" in found.hint


def test_a_restart_in_between_is_waited_for() -> None:
    """K-2: what passes is tried again within a bound and told; what lasts ends it at once."""
    told: list[str] = []
    answers: list[Error | None] = [Unavailable("starting up"), None]

    async def work() -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return "there"

    assert asyncio.run(reach.patiently(work, told.append)) == "there"
    assert told == ["starting up; trying again for 60 s"]
    answers.append(Unavailable("away"))
    with pytest.raises(Unavailable):
        asyncio.run(reach.patiently(work, told.append, within_s=0))
    answers.append(SetupError("no such account"))
    with pytest.raises(SetupError):
        asyncio.run(reach.patiently(work, told.append))


def test_a_pooler_that_drops_the_role_is_refused(managed: External, tmp_path: Path) -> None:
    """K-2: what a transaction pooler says of startup parameters names the remedy."""
    conninfo = Secret(managed.server.conninfo(RUNTIME))
    for words in ("unsupported startup parameter: options", "unsupported startup parameter in"):
        text = f'connection failed: connection to server at "x", port 1 failed: FATAL:  {words}'
        error = reach.explain(psycopg.OperationalError(text), conninfo)
        assert isinstance(error, SetupError)
        assert "pooler" in error.hint
