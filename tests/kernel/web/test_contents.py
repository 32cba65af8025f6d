"""The content store over HTTP and by the command line."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from dd0c.base import ids
from dd0c.base.clock import SystemClock
from dd0c.kernel.content import policies
from dd0c.kernel.content.chunks import CHUNK_BYTES
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.content.database import Database
from dd0c.kernel.content.kinds import HOOK_BODY, Mode
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from tests.cli import terminal
from tests.support.control import Served

DATA = b"<script>alert(1)</script>" + bytes(CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class Stored:
    """A content of acme's."""

    id: str
    path: str


@pytest.fixture
def stored(served: Served) -> Stored:
    """A page that somebody sent."""

    async def keep() -> str:
        pool = await open_pool(served.database.conninfo(roles.APP), roles.APP, 1)
        vault = Vault(local.load(served.database.cluster.home))
        contents = Contents(pool, vault, [Database(pool)], SystemClock())
        with served.client(served.acme) as client:
            org = ids.parse(ids.Kind.ORGANISATION, client.get("/api/v1/me").json()["org_id"])
        async with tenancy.tenant(pool, org) as tx:
            await policies.save(tx, org, HOOK_BODY, Mode.WHOLE, days=30, now=SystemClock().now())
        blob = await contents.put(org, HOOK_BODY, DATA, media_type="text/html")
        assert blob is not None
        async with tenancy.tenant(pool, org) as tx:
            content = await contents.keep(tx, blob)
        await pool.close()
        return ids.text(ids.Kind.CONTENT, content)

    found = asyncio.run(keep())
    return Stored(found, f"/api/v1/content/{found}")


def test_a_content_is_a_file_to_be_saved(served: Served, stored: Stored) -> None:
    """Whoever may read it gets its bytes, or a range of them, and never what a browser would show
    or run; others hear that there is none; who read it is told (K-85)."""
    with served.client(served.acme) as client:
        found = client.get(stored.path)
        assert (found.status_code, found.content) == (200, DATA)
        assert found.headers["content-type"] == "application/octet-stream"
        assert found.headers["content-disposition"].startswith("attachment")
        assert found.headers["x-dd0c-sha256"] == hashlib.sha256(DATA).hexdigest()
        for given, span in (("1-2", DATA[1:3]), (f"{CHUNK_BYTES}-", DATA[CHUNK_BYTES:])):
            part = client.get(stored.path, headers={"range": f"bytes={given}"})
            assert (part.status_code, part.content) == (206, span)
        assert client.get(stored.path, headers={"range": "bytes=9-1"}).status_code == 200
        [listed] = client.get("/api/v1/content").json()["items"]
        assert (listed["id"], listed["bytes"], listed["media_type"]) == (
            *(stored.id, len(DATA), "text/html"),
        )
    with served.client(served.globex) as client:
        assert client.get(stored.path).status_code == 404
        assert client.delete(stored.path).status_code == 404
        assert client.get("/api/v1/content").json()["items"] == []
    with served.client(served.key(served.acme, roles=["viewer"])) as client:
        assert client.get(stored.path).status_code == 403
    with served.client(served.acme) as client:
        assert client.delete(stored.path).json()["id"] == stored.id
        assert client.get(stored.path).status_code == 404
    with served.database.cluster.admin(served.database.name) as admin:
        told = admin.execute(
            "SELECT name FROM kernel.audit_outbox WHERE subject = %s ORDER BY id", (stored.id,)
        ).fetchall()
    assert told == [("ContentRead",)] * 4 + [("ContentDeleted",)]


def test_an_organisation_says_what_is_kept(served: Served, stored: Stored, tmp_path: Path) -> None:
    """By the command line: a kind is kept otherwise, a content is fetched, and with `never` all of
    its kind is over (K-85)."""
    env = {"DD0C_URL": served.url, "DD0C_KEY": served.acme}

    def run(*words: str) -> object:
        done = terminal.call("content", *words, "--json", env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    path = tmp_path / "body"
    written = {"id": stored.id, "path": str(path), "bytes": len(DATA)}
    written |= {"sha256": hashlib.sha256(DATA).hexdigest()}
    assert run("get", stored.id, "-o", str(path)) == written
    assert path.read_bytes() == DATA
    holds = {"kind": "hook.body", "about": HOOK_BODY.sentence, "mode": "whole", "days": 90}
    said = run("policy", "hook.body", "--days", "90")
    assert said == {"items": [holds | {"contents": 1, "bytes": len(DATA)}]}
    run("policy", "hook.body", "--mode", "never")
    assert terminal.call("content", "get", stored.id, env=env).returncode == 4
    assert terminal.call("content", "policy", "nonsense", env=env).returncode == 4


def test_the_page_wants_the_kind_typed_before_contents_end(served: Served, stored: Stored) -> None:
    """On the page Settings a kind is kept otherwise; to keep it no more, where that ends something,
    its name is typed (K-85)."""
    with served.client() as client:
        client.headers["origin"] = served.url
        client.post("/console/sign-in", data={"key": served.acme})
        page = client.get("/console/settings").text
        given = {
            "csrf": re.findall(r'name="csrf" value="([0-9a-f]+)"', page)[0],
            "kind": "hook.body",
        }

        def save(mode: str, days: str, confirm: str = "") -> int:
            form = given | {"mode": mode, "days": days, "confirm": confirm}
            return client.post("/console/settings/content", data=form).status_code

        assert save("capture", "400") == 303
        assert save("capture", "many") == 400
        assert save("never", "400") == 400
        assert client.get(
            stored.path, headers={"authorization": f"Bearer {served.acme}"}
        ).is_success
        assert save("never", "400", "hook.body") == 303
        data = client.get("/console/settings.json").json()["content"]
    now = {"kind": "hook.body", "mode": "never", "days": 400, "contents": 0, "bytes": 0}
    assert data[0] == now | {"about": HOOK_BODY.sentence}
