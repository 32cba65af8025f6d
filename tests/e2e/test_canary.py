"""Secrets are nowhere: failures in every layer, then every byte that came out is searched (K-41).

Each place is first shown to carry a secret where redaction is off (proofs 3).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from dd0c.base import secrets
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import pepper
from dd0c.kernel.auth.permissions import Scope
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.vault import keyfile, local
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route import providers
from tests.app import test_control as control
from tests.conftest import TwoOrgs
from tests.house import tree
from tests.products.route.gateway.running import Running, running_gateway
from tests.products.route.gateway.tenant import Tenant, as_owner
from tests.support.database import LOGIN_PASSWORD, Database, cut_off
from tests.support.product import free_port
from tests.support.upstream import CHAT, Peer, Received, Upstream, running_upstream

PROVIDER_KEY = "canary-of-the-provider-4711"
WITHIN_S = 20.0
UNMASKED = tree.TESTS / "support" / "unmasked"


@dataclass
class Seen:
    """What came out of the product, by the place where it did."""

    places: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, said: str | bytes) -> None:
        text = said.decode("latin-1") if isinstance(said, bytes) else said
        self.places[place] = self.places.get(place, "") + text


async def repeats_the_key(peer: Peer, request: Received) -> None:
    """A provider that repeats the caller's credential in head, body and stream."""
    told = request.headers["authorization"]
    key = told.removeprefix("Bearer ")
    coded = base64.b64encode(f"key:{key}".encode()).decode()
    repeated = {"error": {"message": f"{told} {quote(key)} {coded}", "code": key}}
    if b'"stream":true' in request.body:
        chunk = json.dumps(CHAT | {"model": key, "service_tier": key})
        body = f"data: {chunk}\n\ndata: [DONE]\n\n".encode()
        kind, status = "text/event-stream", "200 OK"
    else:
        body, kind, status = json.dumps(repeated).encode(), "application/json", "401 Unauthorized"
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nx-request-id: {key}\r\n"
    await peer.send(f"{head}x-echo: {key}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)


@pytest.fixture
def owner(database: Database, app_pool: Pool, two_orgs: TwoOrgs) -> Tenant:
    """An organisation in the home of the cluster, whose secrets all parts share."""
    local.ensure(database.cluster.home)
    return Tenant(app_pool, two_orgs.acme, pepper.ensure(database.cluster.home))


@pytest.fixture
def upstream(
    database: Database,
    pool_as: Callable[[str], Pool],
    owner: Tenant,
    runner: asyncio.Runner,
) -> Iterator[Upstream]:
    """The provider, registered with its key."""
    owner_pool = pool_as(roles.OWNER)
    with running_upstream() as upstream:
        upstream.script = repeats_the_key
        settings = replace(
            database.cluster.settings,
            openai_api_key=Secret(PROVIDER_KEY),
            openai_base_url=f"http://127.0.0.1:{upstream.port}/v1",
        )

        async def register() -> None:
            async with tenancy.system(owner_pool) as tx:
                vault = Vault(local.load(database.cluster.home))
                await providers.ensure_from_environment(settings, tx, vault, None)

        runner.run(register())
        yield upstream


def run(database: Database, key: str, log: Path) -> Seen:
    """Failures in every layer, and what came out."""
    seen, port = Seen(), free_port()
    place = database.cluster.home
    with (
        control.running(database, port) as server,
        running_gateway(database, place, log, workers=1) as gateway,
    ):
        control.wait_ready(server, port)
        gateway.wait_ready()
        call_the_gateway(gateway, key, seen)
        left_out = "INSERT INTO route.providers (id, name, dialect, base_url, price_provider)"
        left_out += " VALUES (gen_random_uuid(), %s, 'anthropic', 'ftp://x', 'anthropic')"
        as_owner(database, left_out, PROVIDER_KEY)  # named in a warning
        await_text(gateway.log.read_text, "left out")
        call_the_control_server(port, key, seen)
        with cut_off(database):
            call_the_gateway(gateway, key, seen)
            for record in place.spool.rglob("*.spool"):
                seen.add("spool", record.read_bytes())
            url = f"http://127.0.0.1:{port}/api/v1/keys/{key}.{LOGIN_PASSWORD}"
            seen.add("control answer", told(httpx.delete(url, headers=bearer(key), timeout=30)))
        await_rows(database, 4)
        as_owner(database, "DELETE FROM route.providers WHERE name = %s", PROVIDER_KEY)
        seen.add("database", rows(database))
        server.terminate()
        seen.add("control log", server.communicate(timeout=20)[0])
    seen.add("gateway log", log.read_bytes())
    seen.add("command line", wrong_command(database))
    return seen


def call_the_gateway(gateway: Running, key: str, seen: Seen) -> None:
    """Answers whose head, body and stream repeat the provider's key."""
    url = f"{gateway.facts['gateway_url']}/v1/chat/completions"
    for stream in (False, True):
        body = json.dumps({"model": "gpt-5-mini", "messages": [], "stream": stream})
        content = body.replace(": ", ":").encode()
        answer = httpx.post(url, headers=bearer(key), content=content, timeout=20)
        seen.add("gateway stream" if stream else "gateway answer", answer.text)
        seen.add("gateway head", str(answer.headers))


def call_the_control_server(port: int, key: str, seen: Seen) -> None:
    """Secrets where an id, a name or a cursor belongs."""
    url = f"http://127.0.0.1:{port}"
    for method, path in (
        ("GET", f"/api/v1/route/requests/{LOGIN_PASSWORD}"),
        ("GET", f"/api/v1/route/requests/{key}"),
        ("GET", f"/api/v1/keys?cursor={key}&key={key}"),
        ("GET", f"/nowhere/{key}?key={LOGIN_PASSWORD}"),
    ):
        seen.add("control answer", told(httpx.request(method, url + path, headers=bearer(key))))
    seen.add("metrics", httpx.get(f"{url}/metrics").text)


def wrong_command(database: Database) -> str:
    """A part that does not start, as the password is where a word should be."""
    given = {
        "DD0C_HOME": str(database.cluster.home.path),
        "DD0C_DATABASE_URL": database.settings.database_url.reveal(),
        "DD0C_LOG_FORMAT": LOGIN_PASSWORD,
    }
    command = [sys.executable, "-m", "dd0c.cli.main", "worker"]
    done = subprocess.run(
        command, env=os.environ | given, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    return done.stdout + done.stderr


def rows(database: Database) -> str:
    """Every row of every table as text, binary columns also as text."""
    with psycopg.connect(database.conninfo(roles.ADMIN).reveal()) as admin:
        tables = admin.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN"
            " ('kernel', 'route', 'jobs')"
        ).fetchall()
        found = []
        for schema, table in tables:
            query = SQL("SELECT t::text FROM {} t").format(Identifier(schema, table))
            found += [row[0] for row in admin.execute(query).fetchall()]
    return "\n".join(found)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def told(answer: httpx.Response) -> str:
    return f"{answer.headers}\n{answer.text}"


def await_text(read: Callable[[], str], wanted: str) -> None:
    """Until what is read holds the text."""
    until = time.monotonic() + WITHIN_S
    while wanted not in read():
        assert time.monotonic() < until, read()
        time.sleep(0.05)


def await_rows(database: Database, count: int) -> None:
    """Until so many attempts are in the ledger."""
    with psycopg.connect(database.conninfo(roles.ADMIN).reveal(), autocommit=True) as admin:
        await_text(
            lambda: str(admin.execute("SELECT count(*) FROM route.attempts").fetchall()),
            f"({count},)",
        )


@contextmanager
def redaction_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes started in the block mask nothing."""
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(UNMASKED))
        yield


@pytest.mark.timeout(300)  # it provokes every layer, half a minute where nothing else runs
def test_secrets_are_nowhere(
    database: Database,
    owner: Tenant,
    upstream: Upstream,
    runner: asyncio.Runner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Provider's key, database password, caller's key, pepper and key-encryption key: in no answer,
    log, spool, row or message, in any spelling; each place shows them with redaction off (K-41)."""
    key = runner.run(owner.create(*Scope)).text.reveal()
    home = database.cluster.home.secrets
    files = [keyfile.read(home / name) for name in (pepper.FILE, local.FILE)]
    canaries = [Secret(PROVIDER_KEY), Secret(LOGIN_PASSWORD), Secret(key), *files]
    spelled = {form for canary in canaries for form in secrets.spellings(canary)} | {key[:40]}

    def leaks(seen: Seen) -> dict[str, set[str]]:
        found = {p: {form for form in spelled if form in text} for p, text in seen.places.items()}
        return {place: forms for place, forms in found.items() if forms}

    with redaction_off(monkeypatch):
        carriers = leaks(run(database, key, tmp_path / "unmasked.log"))
    as_owner(database, "TRUNCATE route.attempts, route.ratings, route.rollups CASCADE")
    seen = run(database, key, tmp_path / "gateway.log")
    # the console's metrics have labels out of the program only; those of others: test_sinks.py
    assert carriers.keys() == seen.places.keys() - {"metrics"}
    assert leaks(seen) == {}
