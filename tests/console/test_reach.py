"""Who can use it: with assistive technology, a keyboard, no script, a phone, a strict policy."""

from __future__ import annotations

import importlib
import re
from datetime import UTC, datetime

import pytest

from tests.console.conftest import Scheme, Visit, Visitor
from tests.console.ledger import Day
from tests.support.control import Served

pytestmark = pytest.mark.browser

LIST = "/console/route/requests"
PAGES = (
    "/console/",
    f"{LIST}?end_reason=complete",
    f"{LIST}?model=nothing",
    f"{LIST}/{{retried}}",
    f"{LIST}/{{hostile}}",
    f"{LIST}/nonsense",
    "/console/spend?by=tag&range=24h",
    "/console/budgets",
    "/console/budgets/{budget}",
    "/console/budgets/new",
    "/console/route/providers",
    *("/console/run/runbooks", "/console/run/runbooks/preview"),
    *("/console/run/runbooks/{runbook}", "/console/run/runbooks/{runbook}/diff?before=1&after=2"),
    "/console/keys",
    "/console/keys/new",
    *("/console/people", "/console/people/invite", "/console/teams", "/console/roles"),
    "/console/settings",
    "/console/autonomy",
    "/console/webhooks",
    *("/console/audit", "/console/audit?event=Nothing", "/console/audit/{event}"),
    "/console/parts",
    "/console/find?q=o",
    "/console/kit",
)
OPERATED = ("/console/parts", "/console/jobs", "/console/settings")
WEIGHT_MAX = 60_000
SCRIPT_MAX = 15_000
AXE = importlib.import_module("axe_playwright_python.sync_playwright")  # it ships no types
SERIOUS = """axe.run({resultTypes: ["violations"]}).then(({violations}) => violations
    .filter(({impact}) => impact == "serious" || impact == "critical")
    .map(({id, nodes}) => `${id}: ${nodes[0].html.slice(0, 200)}`))"""
"""Judged in the page: what was found well is megabytes that nobody reads."""


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (400, "dark")])
def test_axe_finds_nothing_serious(
    visitor: Visitor, served: Served, day: Day, width: int, scheme: Scheme
) -> None:
    """No page has a serious or critical finding (WCAG AA): each is looked at wide and light on one
    day, narrow and dark on the next."""
    visit = visitor(width, scheme)
    visit.go("/console/sign-in")
    assert not findings(visit)
    for key, paths in ((served.acme, PAGES), (served.platform, OPERATED)):
        visit.page.context.clear_cookies()
        visit.sign_in(key)
        for path in paths[(datetime.now(UTC).toordinal() + (width < 1000)) % 2 :: 2]:
            visit.go(path.format(**day.named))
            visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert not findings(visit), path


def findings(visit: Visit) -> list[str]:
    """What axe finds serious or critical on the page."""
    visit.page.evaluate(AXE.Axe().axe_script)
    found: list[str] = visit.page.evaluate(SERIOUS)
    return found


def test_no_page_breaks_its_policy(owner: Visit, day: Day) -> None:
    """Every page carries the strict policy, and the browser's console stays silent under it."""
    for path in PAGES:
        answer = owner.page.goto(f"{owner.url}{path.format(**day.named)}")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
        assert not re.search(r"\s(style|on\w+)=", owner.page.content())
    assert not [line for line in owner.said if "status of 40" not in line]


def test_pages_are_light(owner: Visit, served: Served, day: Day) -> None:
    """HTML and CSS of a page weigh at most 60 kB, the script 15 kB, cached for ever by hash."""
    style, script = 0, 0
    owner.go("/console/")
    for link in owner.page.locator("link[rel=stylesheet], script[src]").all():
        path = str(link.get_attribute("href") or link.get_attribute("src"))
        answer = owner.page.request.get(served.url + path)
        assert "immutable" in answer.headers["cache-control"]
        if path.endswith(".css"):
            style = len(answer.body())
        else:
            script = len(answer.body())
    assert 0 < script <= SCRIPT_MAX
    for path in (*PAGES[:-1], LIST, "/console/spend"):
        body = owner.page.request.get(served.url + path.format(**day.named)).body()
        assert len(body) + style <= WEIGHT_MAX, path


def test_it_works_without_script(visitor: Visitor, served: Served, day: Day) -> None:
    """With script off: sign in, filter, page, read a request, sign out; times are UTC."""
    visit = visitor(script=False)
    visit.sign_in(served.acme)
    visit.follow(visit.page.get_by_role("link", name="All requests"))
    visit.page.get_by_label("Model").fill("gpt-5-mini")
    visit.follow(visit.page.get_by_role("button", name="Apply"))
    assert "model=gpt-5-mini" in visit.page.url
    visit.follow(visit.page.get_by_role("link", name="Older"))
    visit.follow(visit.page.locator("a[data-row]").first)
    assert "UTC" in visit.page.inner_text(".facts-line time")
    assert visit.page.get_by_role("button", name=re.compile("Copy")).count() == 0
    visit.page.locator(".who summary").click()
    visit.follow(visit.page.get_by_role("button", name="Sign out"))
    assert visit.page.url.endswith("/console/sign-in")


def test_the_keyboard_goes_everywhere(owner: Visit) -> None:
    """`/` searches, `?` helps, `g r` goes, `j` and Enter open a row, Esc closes."""
    press = owner.page.keyboard.press
    press("?")
    assert owner.page.get_by_role("dialog").is_visible()
    press("Escape")
    assert not owner.page.get_by_role("dialog").is_visible()
    press("/")
    assert owner.page.evaluate("document.activeElement.id") == "find"
    press("Escape")
    press("g")
    press("r")
    owner.page.wait_for_url(f"**{LIST}")
    press("j")
    press("j")
    second = owner.page.locator("a[data-row]").nth(1)
    wanted = str(second.get_attribute("href"))
    assert owner.page.evaluate("document.activeElement.getAttribute('href')") == wanted
    press("Enter")
    owner.page.wait_for_url(f"**{wanted}")


def test_times_are_local_with_the_zone_at_hand(owner: Visit, day: Day) -> None:
    """The script shows local time with its zone and keeps UTC one hover away."""
    owner.go(f"{LIST}/{day.named['plain']}")
    time = owner.page.locator(".facts-line time")
    assert time.inner_text().endswith(("UTC+1", "UTC+2"))
    assert str(time.get_attribute("title")).endswith(" UTC")
    assert str(time.get_attribute("datetime")).endswith("Z")


def test_an_id_is_copied_by_its_button(owner: Visit, day: Day) -> None:
    """The button beside the id puts the whole id into the clipboard."""
    owner.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    owner.go(f"{LIST}/{day.named['plain']}")
    owner.page.get_by_role("button", name="Copy the request id").click()
    owner.page.get_by_role("status").wait_for()
    assert owner.page.evaluate("navigator.clipboard.readText()") == day.named["plain"]
