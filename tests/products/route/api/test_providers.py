"""Providers over HTTP: what a tenant may use, without secrets; and what health says of them."""

from __future__ import annotations

import asyncio
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dd0c.base import ids, settings
from dd0c.base.errors import Unavailable
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.products.route.api.probes import probes
from tests.products.route.api.ledger import tenant_of
from tests.support.control import Served


def register(served: Served, key: str | None, name: str) -> None:
    """A provider of the key's organisation, or of the installation."""
    org = None if key is None else tenant_of(served, key)[0]

    async def insert() -> None:
        pool = await open_pool(served.database.conninfo(roles.OWNER), roles.OWNER, 1)
        try:
            async with tenancy.system(pool) as tx:
                await tx.execute(
                    "INSERT INTO route.providers (id, org, name, dialect, base_url, price_provider)"
                    " VALUES (%s, %s, %s, 'openai', 'https://api.example/v1', 'openai')",
                    (ids.new(), org, name),
                )
        finally:
            await pool.close()

    asyncio.run(insert())


def test_two_tenants_on_providers(served: Served) -> None:
    """An organisation sees its own providers and the installation's, not another's (K-11), and
    the address of an installation's only where it runs that."""
    register(served, None, "shared")
    register(served, served.acme, "acmes-own")
    seen = {}
    for key in (served.acme, served.globex, served.platform):
        with served.client(key) as client:
            items = client.get("/api/v1/route/providers").json()["items"]
        seen[key] = [(item["name"], item["owner"], item["base_url"]) for item in items]
        assert not any({"secret", "data_key"} & item.keys() for item in items)
    url = "https://api.example/v1"
    assert seen == {
        served.acme: [("acmes-own", "organisation", url), ("shared", "installation", None)],
        served.globex: [("shared", "installation", None)],
        served.platform: [("shared", "installation", url)],
    }


READY = {
    "ready": True,
    "workers": [{"slot": 0, "pid": 1, "ready": True}, {"slot": 1, "pid": 2, "ready": True}],
    "database": "following",
    "spool": {"backlog_bytes": 4096, "full": False},
}


def findings(home: Path) -> dict[str, str]:
    """What the probes of route say of the gateway in this home."""

    async def ask() -> dict[str, str]:
        found = {}
        for probe in probes(settings.load({"home": str(home)}, {})):
            try:
                found[probe.name] = await probe.check()
            except Unavailable as error:
                found[probe.name] = f"FAILING {error.message}"
        return found

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("changes", "gateway", "spool"),
    [
        ({}, "2 of 2 workers ready", "4096 bytes wait"),
        (
            {"ready": False, "workers": [{"ready": True}, {"ready": False}]},
            "FAILING 1 of 2 workers ready",
            "4096 bytes wait",
        ),
        (
            {"database": "away"},
            "2 of 2 workers ready",
            "FAILING the gateway does not reach the database",
        ),
        (
            {"spool": {"backlog_bytes": 2**31, "full": True}},
            "2 of 2 workers ready",
            "FAILING 2147483648 bytes wait",
        ),
    ],
)
def test_the_gateways_own_word_is_heard(
    tmp_path: Path, changes: dict[str, Any], gateway: str, spool: str
) -> None:
    """Each thing that fails in the gateway turns its own probe red and no other (K-5)."""

    class Admin(BaseHTTPRequestHandler):
        """A gateway's admin port."""

        def do_GET(self) -> None:
            body = json.dumps(READY | changes).encode()
            self.send_response(200 if (READY | changes)["ready"] else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    (tmp_path / "run").mkdir()
    with HTTPServer(("127.0.0.1", 0), Admin) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        facts = {"admin_url": f"http://127.0.0.1:{server.server_port}"}
        (tmp_path / "run" / "gateway.json").write_text(json.dumps(facts))
        try:
            found = findings(tmp_path)
        finally:
            server.shutdown()
            thread.join()
    assert found["gateway"].startswith(gateway)
    assert found["spool"].startswith(spool)


@pytest.mark.parametrize("facts", [None, "", "{}", "[]", '{"admin_url": "http://127.0.0.1:1"}'])
def test_a_gateway_that_is_not_there(tmp_path: Path, facts: str | None) -> None:
    """No facts, damaged facts, facts of a dead gateway: failing, with a reason."""
    (tmp_path / "run").mkdir()
    if facts is not None:
        (tmp_path / "run" / "gateway.json").write_text(facts)
    assert all(text.startswith("FAILING ") for text in findings(tmp_path).values())
