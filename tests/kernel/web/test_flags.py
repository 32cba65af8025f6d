"""Flags over HTTP: who sets them, what is refused, what the log is told (K-62)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support import people
from tests.support.control import Served

FLAG = "/api/v1/flags/hooks.deliver"


def of(served: Served) -> dict[str, Any]:
    """The flag as it is listed."""
    with served.client(served.platform) as client:
        shown = client.get("/api/v1/flags").raise_for_status().json()["items"]
    found: dict[str, Any] = next(each for each in shown if each["name"] == "hooks.deliver")
    return found


def told(served: Served) -> list[tuple[Any, ...]]:
    """What the log was told of flags."""
    with served.database.cluster.admin(served.database.name) as admin:
        return admin.execute(
            "SELECT name, subject, org IS NULL, facts::jsonb - 'request' FROM kernel.audit_outbox"
            " WHERE name LIKE 'Flag%' ORDER BY id"
        ).fetchall()


def test_a_flag_is_set_and_taken_back(served: Served) -> None:
    """For a share, for one organisation by name and by id, and back; each is told to the log that
    it concerns (K-50, K-62)."""
    with served.client(served.platform) as client, served.client(served.acme) as acme:
        org = acme.get("/api/v1/me").json()["org_id"]
        shown = client.put(FLAG, json={"percent": 20}).raise_for_status().json()
        assert (shown["percent"], shown["initial"], shown["orgs"]) == (20, 100, [])
        shown = client.put(FLAG, json={"org": "ACME", "on": True}).raise_for_status().json()
        assert shown["orgs"] == [{"org": "acme", "id": org, "on": True}]
        shown = client.put(FLAG, json={"org": org, "on": False}).raise_for_status().json()
        assert shown["orgs"] == [{"org": "acme", "id": org, "on": False}]
        client.delete(FLAG, params={"org": "acme"}).raise_for_status()
        assert client.delete(FLAG, params={"org": "acme"}).status_code == 404
        shown = client.delete(FLAG).raise_for_status().json()
        assert (shown["percent"], shown["changed_at"], shown["orgs"]) == (100, None, [])
    assert told(served) == [
        ("FlagSet", "hooks.deliver", True, {"percent": 20}),
        ("FlagSet", "hooks.deliver", False, {"on": True}),
        ("FlagSet", "hooks.deliver", False, {"on": False}),
        ("FlagCleared", "hooks.deliver", False, {}),
        ("FlagCleared", "hooks.deliver", True, {}),
    ]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({}, 400),
        ({"percent": 101}, 400),
        ({"percent": -1}, 400),
        ({"percent": True}, 400),
        ({"percent": "20"}, 400),
        ({"percent": 1.5}, 400),
        ({"on": True}, 400),
        ({"org": "acme"}, 400),
        ({"org": "acme", "on": "yes"}, 400),
        ({"org": "acme", "on": True, "percent": 5}, 400),
        ({"org": "nobody", "on": True}, 404),
        ({"percent": 5, "because": "x"}, 400),
    ],
)
def test_what_is_no_setting_is_refused(
    served: Served, wanted: dict[str, object], status: int
) -> None:
    """Nothing is taken for what it is not, and nothing changes (K-62)."""
    before = of(served)
    with served.client(served.platform) as client:
        assert client.put(FLAG, json=wanted).status_code == status
        assert client.put("/api/v1/flags/no.such", json={"percent": 1}).status_code == 404
    assert of(served) == before


def test_the_page_sets_flags(served: Served) -> None:
    """By forms that only our own page sends: for all, for one, back; nonsense is said in place
    (K-62)."""
    path = "/console/flags/hooks.deliver"
    with people.browsing(served) as browser:
        browser.post("/console/sign-in", data={"key": served.platform})
        page = browser.get("/console/flags").text
        csrf = re.findall(r'name="csrf" value="([0-9a-f]+)"', page)[0]
        assert browser.post(path, data={"percent": "7"}).status_code == 403
        assert browser.post(path, data={"csrf": csrf, "percent": "7"}).status_code == 303
        assert of(served)["percent"] == 7
        wrong = browser.post(path, data={"csrf": csrf, "percent": "most"})
        assert wrong.status_code == 400
        assert "A percentage is a number from 0 to 100." in wrong.text
        for wanted, apart in (("on", [True]), ("off", [False]), ("as others", [])):
            form = {"csrf": csrf, "org": "acme", "on": wanted}
            assert browser.post(f"{path}/org", data=form).status_code == 303
            assert [each["on"] for each in of(served)["orgs"]] == apart
        unknown = browser.post(f"{path}/org", data={"csrf": csrf, "org": "nobody", "on": "on"})
        assert unknown.status_code == 400
        assert browser.post(f"{path}/clear", data={"csrf": csrf}).status_code == 303
    assert of(served)["changed_at"] is None


def test_flags_are_for_those_who_run_the_installation(served: Served) -> None:
    """An owner of an organisation neither sees nor sets them (K-10)."""
    with served.client(served.acme) as client:
        assert client.get("/api/v1/flags").status_code == 403
        assert client.put(FLAG, json={"percent": 1}).status_code == 403
        assert client.delete(FLAG).status_code == 403
