"""A database full of sealed secrets, and what each of them was."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass, field

from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import configured
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.products.route.store import providers
from tests.support.database import Database

EACH = 90


@dataclass
class Installation:
    """A database full of secrets, their home, and what each secret was."""

    database: Database
    home: Home
    settings: Settings
    owner: Pool
    secrets: dict[uuid.UUID, Secret] = field(default_factory=dict)

    def vault(self, *argv: str, crash_at: str = "") -> int:
        """The exit status of `dd0c vault …` in a process of its own."""
        found = self.settings
        environ = {
            **os.environ,
            "DD0C_HOME": str(self.home.path),
            "DD0C_DATABASE_URL": found.database_url.reveal(),
            "DD0C_DATABASE_ADMIN_URL": found.database_admin_url.reveal(),
            "DD0C_CRASH_AT": crash_at,
        }
        command = [sys.executable, "-m", "dd0c.cli.main", "vault", *argv]
        return subprocess.run(command, env=environ, timeout=60, check=False).returncode

    def age(self) -> None:
        """What was retired was so long ago."""
        with self.database.cluster.admin(self.database.name) as admin:
            admin.execute("UPDATE kernel.data_keys SET retired_at = retired_at - interval '2 h'")


async def read_all(full: Installation, pool: Pool, *, cached_s: float = 0.0) -> None:
    """Each secret opens to what it was, as a gateway reads them that has no key in memory."""
    vault = Vault(configured.load(full.settings, full.home), cached_s=cached_s)
    async with tenancy.system(pool) as tx:
        rows = await providers.list_sealed(tx)
        assert {row.id for row in rows} == set(full.secrets)
        for row in rows:
            assert row.secret is not None
            assert row.data_key is not None
            sealed = Sealed(row.data_key, row.secret)
            assert await vault.open(tx, row.org, row.id, sealed) == full.secrets[row.id]
