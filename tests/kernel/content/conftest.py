"""The content store over each of its places: the database, files, and S3 as moto plays it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.session import get_session

from dd0c.base.settings import Settings
from dd0c.kernel.content import configured
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.content.places import Place
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.jobs.job import Work
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from tests.conftest import TwoOrgs
from tests.kernel.vault.kms import moto
from tests.support.database import Database

BUCKET = "contents"


class Hands:
    """A clock that is set by hand, forward from now."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def now_us(self) -> int:
        return int(self.now().timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class Store:
    """The content store of a test, with all that it stands on."""

    contents: Contents
    place: Place
    pool: Pool
    work: Work
    clock: Hands
    acme: uuid.UUID
    globex: uuid.UUID
    database: Database
    settings: Settings


@pytest.fixture(scope="package")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket that AWS programs of this process, and its children, find."""
    environ: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch, moto(tmp_path_factory.mktemp("s3"), environ):
        patch.setenv("AWS_ENDPOINT_URL_S3", environ.pop("AWS_ENDPOINT_URL_KMS"))
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name, value in environ.items():
            patch.setenv(name, value)
        get_session().create_client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["database", "files", "s3"])
def store(
    request: pytest.FixtureRequest,
    *,
    database: Database,
    app_pool: Pool,
    pool_as: Callable[[str], Pool],
    two_orgs: TwoOrgs,
    tmp_path: Path,
) -> Store:
    """A content store that writes to one of the places."""
    where = request.param
    if where == "s3":
        where = f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    clock, settings = Hands(), replace(database.settings, home=tmp_path, content=where)
    places = configured.places(settings, app_pool)
    vault = Vault(local.ensure(database.cluster.home))
    return Store(
        Contents(app_pool, vault, places, clock),
        places[0],
        app_pool,
        Work(settings, pool_as(roles.JOBS), clock),
        clock,
        two_orgs.acme,
        two_orgs.globex,
        database,
        settings,
    )
