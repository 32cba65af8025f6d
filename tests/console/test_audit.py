"""The pages of the audit log: what happened, found by the address, and one event proven."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect

from dd0c.base import ids
from dd0c.kernel.db import roles
from tests.console.conftest import Visit, Visitor
from tests.console.ledger import Day
from tests.support.chained import chain
from tests.support.control import Served

pytestmark = pytest.mark.browser

AUDIT = "/console/audit"


def test_what_happens_appears_by_itself(owner: Visit, served: Served, day: Day) -> None:
    """A change stands in the list as soon as it is chained, with the names of now; the filters are
    the address, and a row leads to the event (K-50)."""
    owner.go(f"{AUDIT}?event=TeamCreated")
    with served.client(served.acme) as client:
        made = client.post("/api/v1/teams", json={"name": "seen by auditors"}).json()
    chain(served)
    row = owner.page.locator("tbody tr", has_text="seen by auditors")
    expect(row).to_have_count(1, timeout=20_000)
    assert "KeyCreated" not in owner.page.locator("tbody").inner_text()
    owner.follow(row.get_by_role("link", name="TeamCreated"))
    main = owner.page.locator("main")
    expect(main.get_by_role("heading", level=1)).to_contain_text("TeamCreated by owner")
    expect(main).to_contain_text(made["id"])
    expect(main).to_contain_text("it is in the log exactly like this")
    owner.follow(main.get_by_role("link", name="All that was done to seen by auditors"))
    assert f"subject={made['id']}" in owner.page.url
    expect(owner.page.locator("tbody tr")).to_have_count(1)


def test_text_that_was_erased_is_said_to_be_erased(owner: Visit, served: Served, day: Day) -> None:
    """The page of an event shows what people typed to who may read the log, and says so when it is
    gone; the entry stays (K-51)."""
    with served.client(served.acme) as client:
        key = client.post("/api/v1/keys", json={"name": "typed by somebody"}).json()["id"]
        chain(served)
        [told] = client.get("/api/v1/audit/events", params={"subject": key}).json()["items"]
    owner.go(f"{AUDIT}/{told['id']}")
    text = owner.page.get_by_role("region", name="Text")
    expect(text).to_contain_text("typed by somebody")
    conninfo = served.database.conninfo(roles.OWNER).reveal()
    with psycopg.connect(conninfo, autocommit=True) as db:
        event = ids.parse(ids.Kind.EVENT, told["id"])
        db.execute("DELETE FROM kernel.audit_contents WHERE id = %s", (event,))
    owner.go(f"{AUDIT}/{told['id']}")
    expect(text).to_contain_text("It was erased.")
    expect(owner.page.get_by_role("region", name="Proof")).to_contain_text("Root")


def test_who_may_open_which_log(visitor: Visitor, served: Served, day: Day) -> None:
    """A viewer is told that they may not; who runs the installation chooses its log, and
    the twin and the exports follow (K-50)."""
    viewer = served.key(served.acme, roles=["viewer"], scopes=["console", "api"])
    visit = visitor()
    visit.sign_in(viewer)
    assert visit.go(AUDIT) == 403
    visit.page.context.clear_cookies()
    visit.sign_in(served.platform)
    visit.go(AUDIT)
    visit.page.get_by_label("Log").select_option("installation")
    visit.follow(visit.page.get_by_role("button", name="Apply"))
    assert "log=installation" in visit.page.url
    items = visit.page.request.get(f"{served.url}{AUDIT}.json?log=installation").json()["items"]
    assert {one["log"] for one in items} == {"installation"}
    pdf = visit.page.get_by_role("link", name="PDF").get_attribute("href")
    answer = visit.page.request.get(f"{served.url}{pdf}")
    assert (answer.status, answer.body()[:5]) == (200, b"%PDF-")
