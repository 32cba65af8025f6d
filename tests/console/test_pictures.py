"""Pictures of every page, wide and light, narrow and dark: to be looked at after a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.conftest import Scheme, Visitor
from tests.console.ledger import Day
from tests.support.control import Served

pytestmark = pytest.mark.browser

SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.mark.parametrize("width", [1400, 400])
def test_every_page_fits_its_window(
    visitor: Visitor, served: Served, day: Day, artifacts: Path, width: int
) -> None:
    """No page scrolls sideways or breaks its policy, at 1400 and 400 px, light and dark."""
    visit = visitor(width)
    schemes = SCHEMES if width < 1000 else SCHEMES[::-1]

    def picture(name: str) -> None:
        for scheme in schemes:
            visit.page.emulate_media(color_scheme=scheme)
            overflow = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, (name, scheme)
        path = artifacts / f"{name}-{width}-{schemes[-1]}.png"
        visit.page.screenshot(path=path, full_page=True)

    visit.go("/console/sign-in")
    picture("sign-in")
    visit.sign_in(served.acme)
    picture("home")
    for name, path in PAGES.items():
        visit.go(path.format(**day.named))
        picture(name)
    visit.page.context.clear_cookies()
    visit.sign_in(served.platform)
    for name, path in OPERATED.items():
        visit.go(path)
        picture(name)
    assert not [line for line in visit.said if "status of 40" not in line]


PAGES = {
    "home-month": "/console/?range=30d",
    "requests": "/console/route/requests",
    "requests-chips": "/console/route/requests?model=gpt-5-mini&end_reason=complete",
    "requests-filtered-out": "/console/route/requests?model=nothing",
    "requests-simulated": "/console/route/requests?simulated=yes",
    "spend": "/console/spend",
    "budgets": "/console/budgets",
    "budget": "/console/budgets/{budget}",
    "providers": "/console/route/providers",
    "request": "/console/route/requests/{plain}",
    "request-gone": "/console/route/requests/{gone}",
    "request-failed": "/console/route/requests/{failed}",
    "request-retried": "/console/route/requests/{retried}",
    "request-refused": "/console/route/requests/{refused}",
    "request-lost": "/console/route/requests/{lost}",
    "request-hostile": "/console/route/requests/{hostile}",
    "runbooks": "/console/run/runbooks",
    "runbook": "/console/run/runbooks/{runbook}?version=1",
    "runbook-diff": "/console/run/runbooks/{runbook}/diff?before=1&after=2",
    "runbook-new": "/console/run/runbooks/preview",
    "absent": "/console/route/requests/req_00000000000000000000000000",
    "keys": "/console/keys",
    "keys-filtered-out": "/console/keys?q=nothing+is+called+so",
    "key-new": "/console/keys/new",
    "parts-forbidden": "/console/parts",
    "kit": "/console/kit",
}
OPERATED = {"parts": "/console/parts", "settings": "/console/settings"}
