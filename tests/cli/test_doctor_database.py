"""`dd0c doctor` asks the database as a serving part would, and says why that may not serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dd0c.app import entrance
from dd0c.base import home as homes
from dd0c.base.secrets import Secret
from dd0c.cli.checks import database as checks
from dd0c.cli.checks.finding import Finding
from dd0c.cli.checks.host import Host
from dd0c.kernel.auth import pepper
from dd0c.kernel.db import fitness, roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.vault import local
from tests.support.database import Database


class Ahead:
    """A clock that is so much ahead."""

    def __init__(self, by: timedelta):
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by

    def now_us(self) -> int:
        return int(self.now().timestamp() * 1e6)


@pytest.fixture
def well(database: Database, tmp_path: Path) -> Host:
    """A host whose secrets are those that the database was made with."""
    home = homes.create(tmp_path / "home")
    pepper.ensure(home)
    local.ensure(home)

    async def claim() -> None:
        pool = await open_pool(database.conninfo(roles.OWNER), roles.OWNER, 1)
        async with tenancy.system(pool) as tx:
            ours = entrance.fingerprints(database.settings, home)
            await fitness.claim(tx, home.installation, ours)
            await tx.execute("UPDATE kernel.installation SET backed_up_at = now()")
        await pool.close()

    asyncio.run(claim())
    return Host(replace(database.settings, home=home.path), home, {})


def wrong(at: Host) -> list[Finding]:
    return [one for one in checks.look_at_database(at) if one.state != "ok"]


def with_other_secrets(well: Host, database: Database) -> Host:
    (well.home.secrets / pepper.FILE).unlink()
    pepper.ensure(well.home)
    return well


def from_tomorrow(well: Host, database: Database) -> Host:
    with database.cluster.admin(database.name) as admin:
        admin.execute(
            "INSERT INTO kernel.migrations (schema, name, sha256)"
            " VALUES ('kernel', '9999_tomorrow.sql', '')"
        )
    return well


def from_yesterday(well: Host, database: Database) -> Host:
    with database.cluster.admin(database.name) as admin:
        admin.execute("DELETE FROM kernel.migrations WHERE name LIKE '0002%' AND schema = 'kernel'")
    return well


def from_long_ago(well: Host, database: Database) -> Host:
    with database.cluster.admin(database.name) as admin:
        admin.execute("ALTER TABLE kernel.migrations DROP COLUMN compatible_from")
    return well


def opened_to_all(well: Host, database: Database) -> Host:
    with database.cluster.admin(database.name) as admin:
        admin.execute("ALTER TABLE kernel.api_keys NO FORCE ROW LEVEL SECURITY")
    return well


def with_wrong_password(well: Host, database: Database) -> Host:
    url = Secret(database.settings.database_url.reveal().replace("not-a-secret", "guessed"))
    return replace(well, settings=replace(well.settings, database_url=url))


def away(well: Host, database: Database) -> Host:
    url = Secret("postgresql://dd0c_login:not-a-secret@127.0.0.1:1/dd0c")
    return replace(well, settings=replace(well.settings, database_url=url))


BREAKS: dict[str, tuple[Callable[[Host, Database], Host], str, str]] = {
    "secrets": (with_other_secrets, "the key pepper of this home", "copy the folder `secrets`"),
    "newer": (from_tomorrow, "9999_tomorrow", "newer"),
    "older": (from_yesterday, "lacks the migration kernel/0002", "dd0c migrate"),
    "much older": (from_long_ago, "is not as this dd0c needs it", "dd0c migrate"),
    "open": (opened_to_all, "kernel.api_keys", ""),
    "password": (with_wrong_password, "does not let dd0c_login in", "check the address"),
    "away": (away, "127.0.0.1:1", ""),
}


def test_a_fitting_database_is_found_so(well: Host) -> None:
    """The home's secrets, this program's schema, one time: nothing to say."""
    assert wrong(well) == []
    assert [one.name for one in checks.look_at_database(well)] == ["", "backup", "clock"]


@pytest.mark.parametrize("how", BREAKS)
def test_what_does_not_fit_is_one_finding(well: Host, database: Database, how: str) -> None:
    """Whatever would keep a part from serving is told with what to do, before one is started."""
    break_it, cause, remedy = BREAKS[how]
    [only] = wrong(break_it(well, database))
    assert only.state == "problem"
    assert cause in only.cause
    assert only.remedy
    assert remedy in only.remedy


@pytest.mark.parametrize("by", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_clocks_that_differ_are_named(well: Host, by: timedelta) -> None:
    """This machine five minutes ahead of the database, or behind: spans and ends would be wrong."""
    [only] = wrong(replace(well, clock=Ahead(by)))
    assert (only.name, only.state) == ("clock", "warning")
    assert "differ by 300 s" in only.cause
    assert "time server" in only.remedy


BACKUPS = {"NULL": "no backup was ever made", "now() - interval '8 days'": "is 8 days old"}


@pytest.mark.parametrize("made_at", BACKUPS)
def test_a_missing_or_old_backup_is_told(well: Host, database: Database, made_at: str) -> None:
    """K-33: without a backup, or a week after the last one, there is a warning with the verb."""
    with database.cluster.admin(database.name) as admin:
        admin.execute(f"UPDATE kernel.installation SET backed_up_at = {made_at}".encode())
    [only] = wrong(well)
    assert (only.name, only.state) == ("backup", "warning")
    assert BACKUPS[made_at] in only.cause
    assert "dd0c backup FILE" in only.remedy
