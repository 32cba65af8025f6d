"""One line in the log for each request, with what finds it again and nothing that it carried."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dd0c.kernel.web import edge
from tests.kernel.web.test_status import wait_for
from tests.support.control import Served


def test_a_request_is_one_line(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Method, template, status, duration, who and the request's id; no value of path or query."""

    def lines() -> list[dict[str, Any]]:
        """What was told of our requests, not of the fixture's."""
        told = [vars(r) for r in caplog.records if r.name == edge.__name__]
        return [one for one in told if one["route"] != "/api/v1/orgs"]

    with caplog.at_level(logging.INFO, edge.__name__):
        with served.client(served.acme) as client, served.client() as nobody:
            me = client.get("/api/v1/me").json()
            revoked = client.delete("/api/v1/keys/key_value-of-path")
            client.get("/api/v1/keys?limit=7&cursor=value-of-query")
            nobody.get("/nowhere/value-of-path")
            nobody.get("/livez")
        wait_for(lambda: len(lines()) == 4)  # a line is written when its answer is out
    found = sorted(lines(), key=lambda one: one["created"])
    assert [(one["method"], one["route"], one["status"]) for one in found] == [
        ("GET", "/api/v1/me", 200),
        ("DELETE", "/api/v1/keys/{key_id}", 400),
        ("GET", "/api/v1/keys", 400),
        ("GET", "unknown", 404),
    ]
    who = (me["org_id"], me["key"]["id"])
    assert [(r["org"], r["key"]) for r in found] == [who, who, who, (None, None)]
    assert found[1]["request_id"] == revoked.headers["x-dd0c-request-id"]
    assert all(0 < r["ms"] < 60_000 for r in found)
    assert "value-of" not in str([vars(r) for r in caplog.records])
