"""`dd0c restore`: an installation out of a backup's file, where there is none yet.

Everything that can be wrong is asked before anything is written: is the file whole, does this dd0c
know its schema, is this home's key material the one that the data needs. Then the dump is loaded in
one transaction, its rows are counted against the manifest, newer migrations follow, and every
secret is opened once. Killed in between, it is run again in a new home.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from dd0c.app import archive, backup, claims, entrance
from dd0c.app.archive import DUMP, KEYS, Manifest, Reader
from dd0c.app.host_events import RESTORED
from dd0c.base import home
from dd0c.base.errors import Internal, SetupError, Unavailable
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import address, dump, migrate, roles, schema, tenancy
from dd0c.kernel.db.embedded import EmbeddedPostgres
from dd0c.kernel.db.migrate import Say
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.vault import configured, passphrase, survey
from dd0c.kernel.vault.envelope import Vault

ELSEWHERE = "restore into a new home: --home FOLDER, or an empty database"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. `secrets` None: the KMS that opens them is away."""

    home: Path
    made_at: str
    tables: int
    rows: int
    secrets: int | None
    migrations: tuple[str, ...]


def main(settings: Settings, path: Path, phrase: Secret | None, say: Say) -> Restored:
    """Make the installation; SetupError says why this file, this home or this database will not do.

    Call it from the main thread: it starts the embedded server.
    """
    say("checking the file …")
    with archive.read(path) as reader:
        _refuse_newer(reader.manifest)
        place = home.create(settings.home)
        with claims.alone(place):
            _bring_keys(reader, place, phrase)
            _refuse_other_keys(reader.manifest, settings, place)
            with _server(settings, place):
                found = asyncio.run(_load(reader, settings, place, say))
            _bring_spool(reader, place)
    return found


def _refuse_newer(manifest: Manifest) -> None:
    for source in (schema.KERNEL, *entrance.PRODUCTS):
        known = {file.name for file in schema.read_folder(source.folder)}
        if newer := sorted(set(manifest.migrations.get(source.schema, ())) - known):
            raise SetupError(
                f"the backup was made by dd0c {manifest.version}, with the migration"
                f" {source.schema}/{newer[0]}, which this one does not know",
                hint="restore it with that dd0c, or a newer one",
            )


def _bring_keys(reader: Reader, place: Home, phrase: Secret | None) -> None:
    """What the file holds of the key material is in the home; what is there already stays."""
    if not reader.manifest.has_keys or phrase is None:
        return
    try:
        files: dict[str, str] = json.loads(passphrase.unseal(phrase, reader.read(KEYS)))
    except ValueError:
        raise SetupError(
            "the keys in this backup do not open with this passphrase",
            hint="give the passphrase that it was made with",
        ) from None
    for name in backup.KEY_FILES:
        if name in files and not (place.path / name).exists():
            home.write_atomically(place.path / name, files[name])


def _refuse_other_keys(manifest: Manifest, settings: Settings, place: Home) -> None:
    if missing := entrance.list_missing(settings, place):
        inside = "give the backup's passphrase, or " if manifest.has_keys else ""
        raise SetupError(
            f"{place.secrets} lacks {' and '.join(missing)}: without them a backup is of no use",
            hint=f"{inside}copy them there (mode 0600) from where you keep them",
        )
    here = entrance.fingerprints(settings, place)
    other = sorted(
        n for n, known in manifest.fingerprints.items() if n in here and known not in here[n]
    )
    if other:
        raise SetupError(
            f"{' and '.join(other)} of this home are not those that the backup was made with",
            hint=f"put those of then into {place.secrets}; nothing was changed",
        )


@contextmanager
def _server(settings: Settings, place: Home) -> Iterator[None]:
    """The embedded server runs for the block, unless the database is elsewhere."""
    if settings.database_url:
        yield
        return
    server = EmbeddedPostgres(place, settings)
    server.start()
    try:
        yield
    finally:
        server.stop()


async def _load(reader: Reader, settings: Settings, place: Home, say: Say) -> Restored:
    schemas, counts = migrate.schemas_of(entrance.PRODUCTS), reader.manifest.counts
    say("roles and schemas …")
    await migrate.make_room(settings, schemas)
    conninfo = address.conninfo(settings, roles.OWNER)
    async with dump.connected(conninfo) as owner:
        if not await dump.is_empty(owner, schemas):
            raise SetupError(f"{_where(settings, place)} is not empty", hint=ELSEWHERE)
        say("loading the database …")
        with TemporaryDirectory(prefix=".restore-", dir=place.path) as folder:
            reader.extract(DUMP, Path(folder, DUMP))
            await dump.load(conninfo, Path(folder, DUMP), Path(folder, "list"))
        say("comparing …")
        _compare(counts, await dump.count(owner, schemas))
        await dump.restamp(owner, schemas)
    done = await migrate.migrate(settings, entrance.PRODUCTS, say=lambda step: say(f"{step} …"))
    made_at = datetime.fromisoformat(reader.manifest.made_at)
    await backup.record(settings, made_at, RESTORED)
    say("opening secrets …")
    return Restored(
        home=place.path,
        made_at=reader.manifest.made_at,
        tables=len(counts),
        rows=sum(counts.values()),
        secrets=await _open_all(settings, place),
        migrations=tuple(done.applied),
    )


def _where(settings: Settings, place: Home) -> str:
    return "the database" if settings.database_url else f"the database of {place.path}"


def _compare(written: Mapping[str, int], found: Mapping[str, int]) -> None:
    if other := sorted(t for t in {*written, *found} if written.get(t) != found.get(t)):
        table = other[0]
        raise Internal(
            f"{table} has {found.get(table)} rows and had {written.get(table)} in the backup",
            hint="restore another backup, into another home or database",
        )


async def _open_all(settings: Settings, place: Home) -> int | None:
    """How many secrets there are, each of which opens."""
    pool = await open_pool(address.conninfo(settings, roles.OWNER), roles.OWNER, 1)
    try:
        async with tenancy.system(pool) as tx:
            vault = Vault(configured.load(settings, place))
            return await survey.open_all(tx, vault, entrance.HOLDINGS)
    except Unavailable:
        return None
    finally:
        await pool.close()


def _bring_spool(reader: Reader, place: Home) -> None:
    """What was not shipped then the next gateway of this home ships."""
    for name in reader.list_spool():
        path = place.spool / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        reader.extract(f"{archive.SPOOL}/{name}", path)
