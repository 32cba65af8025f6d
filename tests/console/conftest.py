"""The console in headless Chromium: a real control server, a real ledger, a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from dd0c.kernel.web.requires import COOKIE
from tests.console.books import Books, kept
from tests.console.ledger import Day, fill
from tests.support import missing
from tests.support.control import Served, informed, serving
from tests.support.database import Cluster

FLAGS = [
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DEADLINE_MS = 10_000


@dataclass(slots=True)
class Visit:
    """One browser page, with everything that its console said."""

    page: Page
    url: str
    said: list[str] = field(default_factory=list)

    def go(self, path: str) -> int:
        """Open a path; the status of the answer."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        return answer.status

    def follow(self, link: Locator) -> None:
        """Click what leads to another page, and be there: a click alone does not wait for it."""
        with self.page.expect_navigation():
            link.click()

    def sign_in(self, key: str) -> None:
        """Through the form, like a person."""
        self.go("/console/sign-in")
        self.page.get_by_label("Key").fill(key)
        self.follow(self.page.get_by_role("button", name="Sign in"))
        self.page.wait_for_url(f"{self.url}/console/")


Scheme = Literal["light", "dark"]


class Visitor(Protocol):
    """Opens a browser page with its own cookies."""

    def __call__(
        self, width: int = 1400, scheme: Scheme = "light", *, script: bool = True
    ) -> Visit: ...


@pytest.fixture(scope="package")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server with the organisations default, acme and globex."""
    with serving(cluster) as served, informed(served):
        yield served


@pytest.fixture(scope="package")
def day(served: Served) -> Day:
    """A day of traffic of acme; globex has none."""
    return fill(served, served.acme)


@pytest.fixture(scope="package")
def books(served: Served) -> Iterator[Books]:
    """The organisation initech, whose ledger was reckoned by hand."""
    with kept(served) as books:
        yield books


@pytest.fixture(scope="package")
def browser(day: Day) -> Iterator[Browser]:
    """Chromium. It starts after the ledger is filled: its loop tolerates no other beside it."""
    found = shutil.which(os.environ.get("DD0C_CHROMIUM") or "chromium")
    missing.unless(bool(found), "apt-get install chromium, or set DD0C_CHROMIUM=/path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(served: Served, browser: Browser) -> Iterator[Visitor]:
    """Opens browser pages, each with its own cookies."""
    contexts: list[BrowserContext] = []

    def visit(width: int = 1400, scheme: Scheme = "light", *, script: bool = True) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
            timezone_id="Europe/Berlin",
        )
        context.set_default_timeout(DEADLINE_MS)
        contexts.append(context)
        visit = Visit(context.new_page(), served.url)
        visit.page.on("console", lambda message: visit.said.append(message.text))
        visit.page.on("pageerror", lambda error: visit.said.append(f"error: {error}"))
        return visit

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def session(served: Served) -> str:
    """A session of acme's owner."""
    with served.client() as client:
        client.post("/console/sign-in", data={"key": served.acme}, headers={"origin": served.url})
        return client.cookies[COOKIE]


@pytest.fixture
def owner(visitor: Visitor, session: str, served: Served) -> Visit:
    """acme's owner, signed in, in front of home."""
    visit = visitor()
    visit.page.context.add_cookies([{"name": COOKIE, "value": session, "url": served.url}])
    visit.go("/console/")
    return visit


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where pictures go; not in git."""
    folder = Path(__file__).resolve().parents[2] / "artifacts" / "console"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
