"""Names that are a script for a browser and a formula for a spreadsheet, wherever somebody chooses
names; and then every page in a real browser, and every list as CSV."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, sync_playwright

from dd0c.base import ids
from dd0c.kernel.web.csvlines import FORMULA
from dd0c.kernel.web.requires import COOKIE
from tests.cli import terminal
from tests.console.conftest import DEADLINE_MS, FLAGS
from tests.isolation.asking import HTML, questions
from tests.isolation.tenants import NOBODY, Names
from tests.products.route import records
from tests.products.route.api.ledger import rated, request_id, ship, tenant_of
from tests.support import missing
from tests.support.control import Served

EVIL = '=1+"><img src=x onerror=canary()>'
PASSWORD = "a correct horse of the battery"

CSV_PATHS = (
    "/api/v1/route/requests.csv",
    *(f"/api/v1/route/usage?format=csv&by={by}" for by in ("model", "team", "tag", "key")),
    "/console/route/requests.csv",
    "/console/keys.csv",
    *(f"/console/spend.csv?by={by}" for by in ("model", "team", "tag", "key")),
)
CSV_VERBS = (
    *("key list", "team list", "person list", "invite list", "requests list", "usage --by tag"),
    *("route budgets list", "route limits list", "route prices list"),
)


@dataclass(frozen=True, slots=True)
class Evil:
    """An organisation in which all names are EVIL."""

    key: str
    session: str
    names: Names


@pytest.fixture(scope="module")
def evil(served: Served) -> Evil:
    """One of everything."""
    names = NOBODY | dict.fromkeys(("key_name", "team_name", "model", "tag", "provider"), EVIL)
    with served.client(served.platform) as client:
        owner = str(client.post("/api/v1/orgs", json={"name": EVIL}).json()["owner_key"])
    with served.client(owner) as client, served.client() as browser:

        def make(what: str, **wanted: object) -> dict[str, str]:
            answer = client.post(f"/api/v1/{what}", json=wanted)
            assert answer.status_code in (200, 201), answer.text
            found: dict[str, str] = answer.json()
            return found

        names["team"] = make("teams", name=EVIL)["id"]
        names["key"] = make("keys", name=EVIL, team=EVIL, models=[EVIL])["id"]
        invited = make("invitations", email="eve@evil.example", roles=["owner"], team=EVIL)
        names["invitation"] = make("invitations", email="=x@evil.example", team=EVIL)["id"]
        form = {"name": EVIL, "password": PASSWORD}
        taken = browser.post(invited["link"], data=form, headers={"origin": served.url})
        assert taken.status_code == 303, taken.text
        names["person"] = client.get("/api/v1/people").json()["items"][0]["id"]
        for what, more in (
            ("budget", {"window": "day", "usd": "1"}),
            ("limit", {"concurrency": 1}),
        ):
            names[what] = make(f"route/{what}s", scope="model", subject=EVIL, **more)["id"]
            make(f"route/{what}s", scope="team", subject=EVIL, **more)
        price = {"provider": "openai", "model": EVIL, "tiers": [{"input": "1"}]}
        names["override"] = make("route/prices/overrides", **price)["id"]
        told = f"date,model,request_id,cost_usd\n2026-01-01,{EVIL.replace(',', '')},{EVIL},0.25"
        export = {"provider": "csv", "export": told.replace('"', "'")}
        names["reconciliation"] = make("route/reconciliations", **export)["id"]
        session = browser.cookies[COOKIE]
    names["request"] = _used(served, owner, names)
    return Evil(owner, session, names)


def _used(served: Served, owner: str, names: Names) -> str:
    """The id of the last of some requests in which all is EVIL that a caller or provider says."""
    org, _ = tenant_of(served, owner)
    now_us = int(datetime.now(UTC).timestamp() * 1_000_000) - 60_000_000
    own = dict.fromkeys(("requested_model", "sent_model", "provider", "price_provider"), EVIL)
    more = dict.fromkeys(("end_user", "conversation", "caller_key", "route_reason"), EVIL)
    said = dict.fromkeys(
        ("served_model", "upstream_request_id", "service_tier", "error_code"), EVIL
    )
    key, team = (ids.parse(ids.Kind(what), names[what]).bytes for what in ("key", "team"))
    opened = [
        records.opened(org, at_us=now_us + n, **own, **more, tags=(EVIL,), key_id=key, team=team)
        for n in range(3)
    ]
    ship(served, [rated(each, **said) for each in opened])
    return request_id(opened[-1])


@pytest.fixture(scope="module")
def page(served: Served, evil: Evil) -> Iterator[Page]:
    """A page of Chromium in which EVIL calls `canary`, signed in as a person of that name."""
    found = shutil.which(os.environ.get("DD0C_CHROMIUM") or "chromium")
    missing.unless(bool(found), "apt-get install chromium, or set DD0C_CHROMIUM=/path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        context = browser.new_context()
        context.set_default_timeout(DEADLINE_MS)
        context.add_cookies([{"name": COOKIE, "value": evil.session, "url": served.url}])
        context.add_init_script("window.ran = 0; window.canary = () => { window.ran += 1 }")
        yield context.new_page()
        browser.close()


INSIDE = """() => ({
    ran: window.ran,
    made: document.querySelectorAll('img[src="x"], #canary').length,
    shown: document.documentElement.outerHTML.includes('onerror=canary'),
})"""


def test_the_canary_can_sing(page: Page, served: Served) -> None:
    """The name is a script: a page that writes it down as it is runs it."""
    page.goto("about:blank")
    page.set_content(f'<p title="{EVIL}">')
    page.wait_for_function("window.ran > 0")


def test_no_name_becomes_a_script(page: Page, served: Served, evil: Evil) -> None:
    """On every page of the console, and where a search or a filter says it again: it is shown as
    the text that it is (K-11)."""
    asked = [
        each
        for each in questions(served.app)[0]
        if each.is_page and each.accept == HTML and not each.path.endswith((".csv", "curl"))
    ]
    plain = {each.path.format_map(evil.names): each for each in asked if not each.query}
    filtered = [
        replace(each, query=dict.fromkeys(each.query, EVIL)) for each in asked if each.query
    ]
    shown = 0
    for path in plain:
        page.goto(f"{served.url}{path}")
        inside = page.evaluate(INSIDE)
        assert (inside["ran"], inside["made"]) == (0, 0), path
        shown += inside["shown"]
    assert shown > 15
    for each in filtered:
        with served.client() as client:
            client.cookies.set(COOKIE, evil.session)
            path = each.path.format_map(evil.names)
            answer = client.get(path, params=each.query, headers={"accept": HTML})
        assert answer.status_code < 500, str(each)
        assert "<img" not in answer.text, str(each)


def test_a_script_that_gets_in_does_not_run(page: Page, served: Served) -> None:
    """Should a page ever write it down as it is, its content policy stops it."""
    page.goto(f"{served.url}/console/")
    violated = page.evaluate(
        """evil => new Promise(resolve => {
            document.addEventListener(
                'securitypolicyviolation', event => resolve(event.effectiveDirective)
            );
            document.body.insertAdjacentHTML('beforeend', evil.slice(evil.indexOf('<')));
        })""",
        EVIL,
    )
    assert violated == "script-src-attr"
    assert page.evaluate(INSIDE)["ran"] == 0


def test_no_cell_is_a_formula(served: Served, evil: Evil) -> None:
    """Of no list, from the API, the console or the command line; and a file is never a page
    (K-52)."""
    with served.client(evil.key) as client:
        for path in CSV_PATHS:
            client.cookies.set(COOKIE, evil.session)
            headers = {"authorization": f"Bearer {evil.key}"} if path.startswith("/api") else {}
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200, (path, answer.text)
            assert answer.headers["content-type"].startswith("text/csv"), path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            _check(path, answer.text)
    for verb in CSV_VERBS:
        env = {"DD0C_URL": served.url, "DD0C_KEY": evil.key}
        done = terminal.call(*verb.split(), "--csv", env=env)
        assert done.returncode == 0, (verb, done.stderr)
        _check(verb, done.stdout)


def _check(place: str, text: str) -> None:
    """A name that would be one is in it, and no cell begins as a formula does."""
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    assert [cell for cell in cells if cell.startswith("'=")], place
    assert [cell for cell in cells if cell.startswith(FORMULA)] == [], place
