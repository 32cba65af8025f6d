"""Parts and Settings: how the installation is and what it was told, without a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from dd0c.kernel.web.console import parts
from dd0c.kernel.web.probes import Finding, Status
from tests.console.conftest import Visit, Visitor
from tests.console.test_keys import browsing, form_token
from tests.support.control import NO_CACHE, Served

pytestmark = pytest.mark.browser

PARTS = "/console/parts"
SETTINGS = "/console/settings"


def test_parts_says_first_what_fails(visitor: Visitor, served: Served) -> None:
    """The cache that this server cannot reach is in the headline, red, with what was seen (K-5)."""
    visit = visitor()
    visit.sign_in(served.platform)
    visit.go(PARTS)
    assert "fail" in visit.page.inner_text("h1")
    cache = visit.page.locator("tr", has=visit.page.get_by_role("rowheader", name="cache"))
    assert "failing" in cache.inner_text()
    control = visit.page.locator("tr", has=visit.page.get_by_role("rowheader", name="control"))
    assert "alive" in control.inner_text()
    expect(visit.page.locator("[data-live] .state")).to_have_text("live")


def test_parts_are_for_those_who_run_the_installation(owner: Visit, served: Served) -> None:
    """An organisation's owner sees "not permitted" and the permission by name (K-10)."""
    assert owner.go(PARTS) == 403
    assert owner.page.locator("[data-state=forbidden]").count() == 1
    assert "platform:health" in owner.page.inner_text("main")
    owner.go(SETTINGS)
    assert owner.page.locator("[data-state=forbidden]").count() == 1
    assert "database_url" not in owner.page.content()
    with served.client(served.acme) as client:
        assert client.get(f"{PARTS}.json").status_code == 403
        assert client.get(f"{SETTINGS}.json").json()["settings"] is None


def test_settings_name_their_source_and_hide_secrets(visitor: Visitor, served: Served) -> None:
    """Each setting with value and source; of a secret only that it is set (K-40)."""
    visit = visitor()
    visit.sign_in(served.platform)
    visit.go(SETTINGS)
    with served.client(served.platform) as client:
        answer = client.get(f"{SETTINGS}.json")
    told = {each["name"]: each for each in answer.json()["settings"]}
    assert told["valkey_url"]["value"] == "set, hidden"
    assert told["drain_s"] | {"doc": ""} == {
        "name": "drain_s",
        "value": "30.0",
        "source": "default",
        "environment": "DD0C_DRAIN_S",
        "doc": "",
    }
    for text in (answer.text, visit.page.content()):
        assert NO_CACHE.reveal() not in text
        assert served.settings.database_url.reveal() not in text
    assert "set, hidden" in visit.page.inner_text("tr:has-text('valkey_url')")


def test_a_session_is_ended_from_another(served: Served) -> None:
    """Ending a session opens nothing with it any more; one of another organisation stays."""
    with browsing(served, served.acme) as here, browsing(served, served.acme) as there:
        mine = there.get(f"{SETTINGS}.json").json()["this_session"]
        with browsing(served, served.globex) as foreign:
            data = {"csrf": form_token(foreign)}
            foreign.post(f"{SETTINGS}/sessions/{mine}/end", data=data)
            assert mine not in foreign.get(f"{SETTINGS}.json").text
        assert there.get(SETTINGS).status_code == 200
        assert here.post(f"{SETTINGS}/sessions/{mine}/end").status_code == 403
        data = {"csrf": form_token(here)}
        assert here.post(f"{SETTINGS}/sessions/{mine}/end", data=data).status_code == 303
        assert there.get(SETTINGS).status_code == 303
        assert here.get(SETTINGS).status_code == 200


def test_an_operator_ends_only_sessions_of_its_key(served: Served) -> None:
    """Without keys:write the sessions of other keys can be seen and not ended (K-10)."""
    operator = served.key(served.acme, roles=["operator"])
    with browsing(served, served.acme) as owner, browsing(served, operator) as other:
        mark = owner.get(f"{SETTINGS}.json").json()["this_session"]
        other.post(f"{SETTINGS}/sessions/{mark}/end", data={"csrf": form_token(other)})
        assert owner.get(SETTINGS).status_code == 200


@pytest.mark.parametrize("path", ["/console/keys", "/console/keys?q=owner", PARTS, SETTINGS])
def test_a_page_and_its_twin_are_one(visitor: Visitor, served: Served, path: str) -> None:
    """The link of each page answers as JSON with a session and with a key, and says the same."""
    visit = visitor()
    visit.sign_in(served.platform)
    visit.go(path)
    link = str(visit.page.locator(".twin a").first.get_attribute("href"))
    assert served.url + link in str(visit.page.locator(".twin pre").text_content())
    page = json.loads(visit.page.request.get(served.url + link).text())
    with served.client(served.platform) as client, served.client() as nobody:
        twin = client.get(link).json()
        assert client.get(path, headers={"accept": "application/json"}).json().keys() == twin.keys()
        names = [row.get("key", row.get("part")) for row in twin.get("items", [])]
        anonymous = nobody.get(link)
    assert page.keys() == twin.keys()
    assert (anonymous.status_code, anonymous.headers["content-type"]) == (
        401,
        "application/problem+json",
    )
    told = visit.page.inner_text("main")
    for name in names:
        assert name.get("name", name.get("kind")) in told
    if "counts" in twin:
        assert visit.page.inner_text("h1").startswith(f"{twin['counts']['working']} key")


@pytest.mark.parametrize(
    ("seen", "number"),
    [
        (["ok", "ok"], "All is well"),
        (["ok", "unknown"], "check 1 is unknown"),
        (["unknown", "degraded"], "check 1 is degraded"),
        (["degraded", "failing"], "check 1 fails"),
    ],
)
def test_the_worst_is_the_headline(seen: list[Status], number: str) -> None:
    """All is well only where every check passed (K-5)."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    checks = [
        Finding(f"check {place}", status, "", "", now, 0.0) for place, status in enumerate(seen)
    ]
    assert parts.headline([], checks)["number"] == number
