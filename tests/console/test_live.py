"""Live pages: news arrive by themselves, a lost stream is said and mended, a pause is one."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from dd0c.kernel.web.requires import COOKIE
from tests.console import line
from tests.console.conftest import Visit, Visitor
from tests.console.ledger import Day, arrive
from tests.support.control import Served

pytestmark = pytest.mark.browser

KEYS = "/console/keys"
WITHIN_MS = 10_000


def state(page: Page, words: str) -> None:
    """Wait until the bar says these words."""
    expect(page.locator("[data-live] .state")).to_have_text(words, timeout=WITHIN_MS)


def test_news_arrive_without_a_flicker(owner: Visit, served: Served) -> None:
    """A key made elsewhere appears by itself; the rows that were there stay the same elements."""
    owner.go(KEYS)
    state(owner.page, "live")
    owner.page.keyboard.press("j")
    owner.page.evaluate("document.activeElement.closest('tr').kept = document.activeElement")
    served.key(served.acme, name="appears by itself")
    expect(owner.page.get_by_role("link", name="appears by itself")).to_be_visible()
    assert owner.page.evaluate(
        "document.activeElement.closest('tr').kept === document.activeElement"
    )
    assert "key" in owner.page.inner_text("h1")
    assert not owner.said


def test_requests_appear_as_they_come(owner: Visit, served: Served, day: Day) -> None:
    """A call that reached the ledger is in the list and its sums within seconds, by itself."""
    owner.go("/console/route/requests")
    state(owner.page, "live")
    before = int(owner.page.inner_text("h1").split()[0])
    arrive(served, day, "just now")
    row = owner.page.locator(f"tr[data-key={day.named['just now']}]")
    expect(row).to_be_visible()
    assert int(owner.page.inner_text("h1").split()[0]) == before + 1
    assert owner.page.locator("tbody tr").count() <= 30
    owner.follow(owner.page.get_by_role("link", name="Older"))
    assert owner.page.locator("[data-live]").count() == 0  # older pages stand still


def test_a_lost_stream_is_said_and_mended(visitor: Visitor, served: Served, session: str) -> None:
    """While the line is cut the page says so and keeps what it shows; then it catches up."""
    with line.laid(served.url) as wire:
        visit = visitor()
        visit.url = wire.url
        visit.page.context.add_cookies([{"name": COOKIE, "value": session, "url": wire.url}])
        visit.go(KEYS)
        state(visit.page, "live")
        wire.cut()
        state(visit.page, "live updates lost, retrying…")
        served.key(served.acme, name="made while it was cut")
        assert visit.page.locator("tbody tr").count() > 0
        wire.mend()
        state(visit.page, "live")
        expect(visit.page.get_by_role("link", name="made while it was cut")).to_be_visible()


def test_a_paused_page_stands_still(owner: Visit, served: Served) -> None:
    """Paused by its button nothing changes under the reader; going on shows what came meanwhile."""
    owner.go(KEYS)
    state(owner.page, "live")
    owner.page.get_by_role("button", name="pause").click()
    state(owner.page, "paused")
    other = owner.page.context.new_page()  # shows that the news are out, and out for long enough
    other.goto(f"{owner.url}{KEYS}")
    state(other, "live")
    for name in ("made in the pause", "made after it"):
        served.key(served.acme, name=name)
        expect(other.get_by_role("link", name=name)).to_be_visible()
    assert not owner.page.evaluate("document.hidden")
    assert owner.page.get_by_role("link", name="made in the pause").count() == 0
    owner.page.keyboard.press("p")
    expect(owner.page.get_by_role("link", name="made in the pause")).to_be_visible()


def test_without_script_a_live_page_says_of_when_it_is(visitor: Visitor, served: Served) -> None:
    """Script off: the same page, with its time and a link that loads it again."""
    visit = visitor(script=False)
    visit.sign_in(served.acme)
    visit.go(KEYS)
    assert "as of" in visit.page.inner_text(".live")
    visit.follow(visit.page.get_by_role("link", name="load again"))
    assert visit.page.locator("tbody tr").count() > 0
