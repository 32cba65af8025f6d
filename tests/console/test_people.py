"""People in a real browser: invited, signed in, and sent through a provider of another site."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser

from tests.console.conftest import Visitor
from tests.console.test_reach import findings
from tests.kernel.web.test_oidc import settings
from tests.support import identity
from tests.support.control import Served, serving
from tests.support.database import Cluster
from tests.support.people import PASSWORD, invite, member, person

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider of identities on another site than the console: localhost and not 127.0.0.1."""
    with identity.mock() as url:
        yield url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def elsewhere(cluster: Cluster, issuer: str) -> Iterator[Served]:
    """A console that knows it, from a thread of its own: the browser's loop tolerates no other."""
    manager = serving(cluster, **settings(issuer))
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(manager.__enter__).result()
        thread.submit(manager.__exit__, None, None, None).result()


@pytest.mark.parametrize("script", [True, False])
def test_from_the_link_to_the_first_page(visitor: Visitor, served: Served, *, script: bool) -> None:
    """Open the link, choose a password, be in; later sign in with it: with and without script, and
    the password is on no page (K-21)."""
    email = f"nadia-{script}@example.com"
    visit = visitor(400, script=script)
    visit.go(invite(served, served.acme, email, roles=["owner"]))
    visit.page.get_by_label("Your name").fill("Nadia")
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.follow(visit.page.get_by_role("button", name="Join"))
    assert visit.page.url == f"{served.url}/console/"
    visit.page.context.clear_cookies()
    visit.go("/console/people")
    visit.page.get_by_label("E-mail address").fill(email)
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.follow(visit.page.get_by_role("button", name="Sign in"))
    assert visit.page.url == f"{served.url}/console/people"
    assert "Nadia" in visit.page.inner_text("main")
    assert PASSWORD not in visit.page.content()


def test_a_provider_of_another_site_signs_in(
    browser: Browser, elsewhere: Served, issuer: str
) -> None:
    """The browser comes back from another site and is signed in on the page that it wanted: the
    Strict cookie is there (K-21)."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{elsewhere.url}/console/roles")
    page.get_by_role("link", name="Sign in with localhost").click()
    page.wait_for_url(f"{issuer}/**")
    context.request.put(
        f"{issuer}/users/joe", data={"email": "joe@corp.example", "email_verified": True}
    )
    page.locator("input[name=sub]").fill("joe")
    page.locator("form button[type=submit], form input[type=submit]").first.click()
    page.wait_for_url(f"{elsewhere.url}/console/roles")
    assert "platform:people" in page.inner_text("main")
    context.close()


def test_pages_are_reachable(visitor: Visitor, served: Served) -> None:
    """axe finds nothing serious on the page of an invitation, of a person and of a team, and none
    is wider than a phone (K-21)."""
    with member(served, served.acme, "Wanda of the very long surname", "viewer", "billing"):
        found = person(served, served.acme, "Wanda of the very long surname")
    link = invite(served, served.acme, "axe@example.com")
    with served.client(served.acme) as client:
        team = client.post("/api/v1/teams", json={"name": "axes"}).json()["id"]
    visit = visitor(400, "dark")
    visit.go(link)
    assert not findings(visit)
    visit.sign_in(served.acme)
    for path in (f"/console/people/{found['id']}", f"/console/teams/{team}", "/console/people"):
        assert visit.go(path) == 200
        assert not findings(visit), path
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 400, path
    assert visit.said == []
