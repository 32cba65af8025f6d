"""When the database is away, the page says so, what is safe, and what to do: no empty list."""

from __future__ import annotations

import pytest
from psycopg.sql import SQL, Identifier

from tests.console.conftest import Visit
from tests.support.control import Served

pytestmark = pytest.mark.browser


def test_a_page_that_could_not_load_says_so(owner: Visit, served: Served) -> None:
    """Without a database: 503, "could not load", the request id, and it recovers by itself."""
    name = Identifier(served.database.name)
    with served.database.cluster.admin() as admin:
        admin.execute(SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(name))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (served.database.name,),
        )
        try:
            answer = owner.page.goto(f"{served.url}/console/route/requests")
            assert answer is not None
            assert answer.status == 503
            assert owner.page.locator("[data-state=failed]").count() == 1
            told = owner.page.inner_text("main")
            assert "what they cost is kept" in told
            assert answer.headers["x-dd0c-request-id"] in told
            assert owner.page.get_by_role("link", name="Try again").count() == 1
        finally:
            admin.execute(SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(name))
    owner.page.wait_for_function(
        "fetch('/console/route/requests').then(answer => answer.status === 200)"
    )
    owner.follow(owner.page.get_by_role("link", name="Try again"))
    assert "in the last 24 h" in owner.page.inner_text("h1")
