"""One line in the log for each request, with what finds it again and nothing that it carried."""

from __future__ import annotations

import logging

import pytest

from dd0c.kernel.web import edge
from tests.kernel.web.test_status import wait_for
from tests.support.control import Served


def test_a_request_is_one_line(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Method, template, status, duration, who and the request's id; no value of path or query."""
    with served.client(served.acme) as client, caplog.at_level(logging.INFO, edge.__name__):
        me = client.get("/api/v1/me").json()
        caplog.clear()
        revoked = client.delete("/api/v1/keys/key_value-of-path")
        client.get("/api/v1/keys?limit=7&cursor=value-of-query")
        with served.client() as nobody:
            nobody.get("/nowhere/value-of-path")
            nobody.get("/livez")
    wait_for(lambda: len(caplog.records) == 4)  # a line is written when its answer is out
    lines = [vars(r) for r in caplog.records]
    told = [(r["method"], r["route"], r["status"]) for r in lines]
    assert told == [
        ("GET", "/api/v1/me", 200),
        ("DELETE", "/api/v1/keys/{key_id}", 400),
        ("GET", "/api/v1/keys", 400),
        ("GET", "unknown", 404),
    ]
    who = (me["org_id"], me["key"]["id"])
    assert [(r["org"], r["key"]) for r in lines] == [who, who, who, (None, None)]
    assert lines[1]["request_id"] == revoked.headers["x-dd0c-request-id"]
    assert all(0 < r["ms"] < 60_000 for r in lines)
    assert "value-of" not in str([vars(r) for r in caplog.records])
