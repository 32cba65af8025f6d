"""The brake on its page: with one hand, without script, and never by accident (K-63)."""

from __future__ import annotations

import pytest

from tests.console.conftest import Visit, Visitor
from tests.support.control import Served

pytestmark = pytest.mark.browser

PATH = "/console/autonomy"
BANNER = "[data-state=panic]"
PHONE_PX, THUMB_PX = 400, 44


def press(visit: Visit, word: str, why: str) -> None:
    """Open the brake, fill it in, press."""
    brake = visit.page.locator("details", has_text="Panic: halt")
    if brake.get_attribute("open") is None:
        brake.locator("summary").click()
    brake.get_by_label("Why").fill(why)
    brake.get_by_label("to confirm").fill(word)
    button = brake.get_by_role("button", name="Panic: halt")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= THUMB_PX
    assert box["x"] + box["width"] <= PHONE_PX
    visit.follow(button)


def test_the_brake_is_put_on_and_released_with_a_thumb(visitor: Visitor, served: Served) -> None:
    """On a phone, without script: a wrong word does nothing and says so, the right one halts; every
    page says it, who may not release is told who may, and a release asks for its reason."""
    with served.client(served.platform) as client:
        owner = client.post("/api/v1/orgs", json={"name": "tyrell"}).json()["owner_key"]
    viewer = served.key(owner, roles=["viewer"], scopes=["console"])
    visit = visitor(PHONE_PX, script=False)
    visit.sign_in(owner)
    visit.go(PATH)
    assert visit.page.locator(BANNER).count() == 0
    press(visit, "yes", "odd answers")
    assert "type panic" in visit.page.get_by_role("alert").inner_text()
    assert visit.page.locator("details[open]").get_by_label("Why").input_value() == "odd answers"
    press(visit, "Panic", "odd answers <script>")
    assert visit.page.inner_text("h1") == "A panic is on: halt"
    assert "odd answers <script>" in visit.page.inner_text("main")
    visit.go("/console/keys")
    assert "refuse all requests" in visit.page.inner_text(BANNER)
    other = visitor(PHONE_PX)
    other.sign_in(viewer)
    other.follow(other.page.locator(BANNER).get_by_role("link"))
    assert other.page.get_by_role("button", name="Release tyrell").count() == 0
    assert "autonomy:panic" in other.page.inner_text("main")
    visit.go(PATH)
    visit.page.get_by_label("Why it may end").fill("it was the weather")
    visit.follow(visit.page.get_by_role("button", name="Release tyrell"))
    assert visit.page.inner_text("h1").startswith("No panic is on")
    assert visit.page.locator(BANNER).count() == 0
