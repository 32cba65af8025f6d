"""Which schema a program may serve from: its own, or a newer one that says so (K-2, K-7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dd0c.app.entrance import PRODUCTS
from dd0c.base.errors import SetupError
from dd0c.kernel.db import fitness, roles, schema
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.db.schema import File
from dd0c.products.route.store.access import ACCESS
from tests.support.database import Cluster, Database

NEWER = (
    "INSERT INTO kernel.migrations (schema, name, sha256, compatible_from) VALUES (%s, %s, '', %s)"
)
OPENED = (
    "SET ROLE dd0c_owner; CREATE TABLE route.fresh (n int);"
    " GRANT SELECT ON route.fresh TO dd0c_app;"
    " CREATE POLICY all_rows ON route.fresh TO dd0c_app USING (true);"
    " ALTER TABLE route.fresh ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
)


async def test_the_schema_of_this_program_is_served(app_pool: Pool) -> None:
    """K-2: a schema with this program's migrations, and no other, is served."""
    await fitness.refuse_unfit(app_pool, PRODUCTS, None)


async def test_an_older_schema_is_refused(
    app_pool: Pool, cluster: Cluster, database: Database
) -> None:
    """K-2: a migration that was not applied is named, with the verb that applies it."""
    with cluster.admin(database.name) as admin:
        admin.execute("DELETE FROM kernel.migrations WHERE name = '0002_providers.sql'")
    with pytest.raises(SetupError, match=r"lacks the migration route/0002_providers\.sql") as error:
        await fitness.refuse_unfit(app_pool, PRODUCTS, None)
    assert "dd0c migrate" in error.value.hint


@pytest.mark.parametrize("compatible_from", [None, "9998"])
async def test_a_newer_schema_is_refused(
    app_pool: Pool, cluster: Cluster, database: Database, compatible_from: str | None
) -> None:
    """K-7: a newer schema that does not say that this program may go on stops the start."""
    with cluster.admin(database.name) as admin:
        admin.execute(NEWER, ("route", "9999_newer.sql", compatible_from))
    with pytest.raises(SetupError, match=r"route/9999_newer\.sql, with which") as error:
        await fitness.refuse_unfit(app_pool, PRODUCTS, None)
    assert "newer" in error.value.hint


async def test_a_newer_schema_that_says_so_is_served(
    app_pool: Pool, cluster: Cluster, database: Database
) -> None:
    """K-7, K-10: an older program serves on, and takes the newer one's word, which only the owner
    can write, for what the newer schema opens; for anything else it refuses."""
    policy = roles.Policy("route.fresh", "all_rows", roles.APP, "ALL", "because", using="true")
    listed = replace(
        ACCESS,
        grants=(*ACCESS.grants, roles.grant(roles.APP, "route.fresh", roles.SELECT)),
        policies=(*ACCESS.policies, policy),
    )
    with cluster.admin(database.name) as admin:
        admin.execute(NEWER, ("route", "9999_newer.sql", "0002"))
        admin.execute(OPENED)
    with pytest.raises(SetupError, match=r"route\.fresh"):
        await fitness.refuse_unfit(app_pool, PRODUCTS, None)
    with cluster.admin(database.name) as admin:
        admin.execute(
            "INSERT INTO kernel.access (schema, listed) VALUES ('route', %s)"
            " ON CONFLICT (schema) DO UPDATE SET listed = excluded.listed",
            (fitness.as_json(listed),),
        )
    await fitness.refuse_unfit(app_pool, PRODUCTS, None)
    with cluster.admin(database.name) as admin:
        admin.execute("GRANT DELETE ON route.fresh TO dd0c_app")
    with pytest.raises(SetupError, match=r"DELETE on route\.fresh"):
        await fitness.refuse_unfit(app_pool, PRODUCTS, None)


async def test_other_secrets_are_refused(
    app_pool: Pool, cluster: Cluster, database: Database
) -> None:
    """K-33: the fingerprint of another secret is named; none is no objection."""
    with cluster.admin(database.name) as admin:
        admin.execute(
            "INSERT INTO kernel.installation (id, fingerprints) VALUES ('x', '{\"a key\": \"1\"}')"
        )
    await fitness.refuse_unfit(app_pool, PRODUCTS, {"a key": ("2", "1")})
    await fitness.refuse_unfit(app_pool, PRODUCTS, None)
    with pytest.raises(SetupError, match="a key of this home"):
        await fitness.refuse_unfit(app_pool, PRODUCTS, {"a key": ("2",)})


def test_the_first_lines_of_a_file_say_how_it_is_to_be_run() -> None:
    """K-7, K-81: only the comment lines at the top count, not those beside statements."""
    plain = File("0001_a.sql", "SELECT 1;\n-- outside transaction\n-- compatible-from: 0001\n")
    assert (plain.outside, plain.compatible_from) == (False, None)
    told = File(
        "0002_b.sql", "-- why\n-- compatible-from: 0001\n-- outside transaction\nSELECT 1;\n"
    )
    assert (told.outside, told.compatible_from) == (True, "0001")
    two = File("0003_c.sql", "-- outside transaction\nSELECT 1;\nSELECT\n    2;\n")
    assert len(two.statements) == 2


@pytest.mark.parametrize("source", [schema.KERNEL, *PRODUCTS], ids=lambda s: s.schema)
def test_a_file_that_lets_older_programs_serve_names_one_there_is(source: schema.Source) -> None:
    """K-7: `compatible-from` names an earlier number of the same folder."""
    files = schema.read_folder(source.folder)
    for file in files:
        if file.compatible_from is not None:
            assert file.compatible_from in [f.name[:4] for f in files if f.name < file.name]
