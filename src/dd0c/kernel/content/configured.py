"""The places that DD0C_CONTENT asks for: `database`, `files`, `s3://BUCKET/PREFIX`.

The first one is written to. What lies in the database or in files is always found; a bucket that is
no longer the first must stay listed, after a comma, for as long as something lies in it.
"""

from __future__ import annotations

from dd0c.base.errors import SetupError
from dd0c.base.settings import Settings
from dd0c.kernel.content import database, files
from dd0c.kernel.content.database import Database
from dd0c.kernel.content.files import Files
from dd0c.kernel.content.objects import PREFIX, Bucket
from dd0c.kernel.content.places import Listed, Place
from dd0c.kernel.db.pool import Pool

FOLDER = "content"


def places(settings: Settings, pool: Pool) -> list[Place]:
    """All that content may lie in, the one that is written to first; nothing is asked yet."""
    known: dict[str, Place] = {
        database.NAME: Database(pool),
        **{place.name: place for place in listed(settings)},
    }
    first = _names(settings)[0]
    return [known.pop(first), *known.values()]


def listed(settings: Settings) -> list[Listed]:
    """The places beside the database."""
    buckets = [name for name in _names(settings) if name not in (database.NAME, files.NAME)]
    return [
        Files(settings.home / FOLDER),
        *(Bucket(name, settings.ca_bundle) for name in buckets),
    ]


def _names(settings: Settings) -> list[str]:
    found = [part.strip().rstrip("/") for part in settings.content.split(",") if part.strip()]
    for name in found:
        if name not in (database.NAME, files.NAME) and not name.startswith(PREFIX):
            raise SetupError(
                f"DD0C_CONTENT: {name!r} is no place for content",
                hint="database, files, or s3://BUCKET/PREFIX",
            )
    if not found:
        raise SetupError(
            "DD0C_CONTENT is empty", hint=f"leave it out, or set it to {database.NAME}"
        )
    return found
