"""Secrets are nowhere in what a whole `dd0c up` leaves: its home, its words, its processes (K-41).

Each place is first shown to carry a secret where redaction is off (proofs 3).
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from dd0c.base import home, secrets, settings
from dd0c.base.secrets import Secret
from dd0c.kernel.db import address, passwords, roles
from tests.e2e.test_canary import PROVIDER_KEY, UNMASKED, repeats_the_key
from tests.support.product import Product, running, until
from tests.support.upstream import Upstream, running_upstream

UNKNOWN = "sk-canary-that-nobody-loaded-0815"  # only its shape gives it away
CLIENT_SECRET = "canary-of-the-oidc-client"
REFUSED = "canary-in-a-row-that-postgres-refuses"
POSTGRES = "postgres"
WORDS = "what it says"
LOGS = {"log/worker.log", "log/postgres.log", "log/prepare.log"}
CARRIERS = {*LOGS, "run/up.json", POSTGRES, WORDS}


@dataclass
class Found:
    """Which secrets lie in which place, and which of them we put there ourselves; the secrets of
    the home; what processes had as arguments and environment."""

    places: dict[str, set[str]]
    planted: set[str]
    held: set[str]
    argv: str
    environ: dict[str, str]
    worker_log: str
    gateway_log: str


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running_upstream() as upstream:
        upstream.script = repeats_the_key
        yield upstream


def provoke(product: Product) -> Found:
    """Failures in every part, and what they left."""
    place = home.find(product.home)
    files = [read(path) for path in place.secrets.iterdir()]
    held = {secret for text in files for secret in texts_of(text)} | {product.owner_key}
    echoes(product)
    refused_row(product)
    password = failing_job(product)
    dying_workers(product)
    failed_reload(product)
    planted = {REFUSED, UNKNOWN, password}
    seen = search(
        product, planted | held | {*secrets.spellings(Secret(PROVIDER_KEY)), CLIENT_SECRET}
    )
    parts = {name: Path("/proc", str(pid)) for name, pid in product.parts().items()}
    parts["supervisor"] = Path("/proc", str(product.process.pid))
    return Found(
        seen,
        planted,
        held,
        "\n".join(read(path / "cmdline") for path in parts.values()),
        {name: read(path / "environ") for name, path in parts.items()},
        read(place.log / "worker.log"),
        read(place.log / "gateway.log"),
    )


def echoes(product: Product) -> None:
    """A provider that repeats its key, in an answer and in a stream; both reach the ledger."""
    for stream in (False, True):
        content = json.dumps({"model": "gpt-5-mini", "messages": [], "stream": stream})
        httpx.post(
            f"{product.gateway_url}/v1/chat/completions",
            headers={"authorization": f"Bearer {product.owner_key}"},
            content=content.replace(": ", ":").encode(),
            timeout=20,
        )
    until(lambda: len(product.get_json("/route/requests")["items"]) == 2, "both are booked")


def refused_row(product: Product) -> None:
    """PostgreSQL refuses a row, whose values its own log would name."""
    made = [product.api("POST", "/orgs", json={"name": REFUSED}).status_code for _ in range(2)]
    assert made == [201, 409]
    with admin(product) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "INSERT INTO kernel.organisations (id, name) VALUES (gen_random_uuid(), %s)", (REFUSED,)
        )


def failing_job(product: Product) -> str:
    """A job whose name, which the log must tell, holds a key and the password that it returns."""
    password = passwords.get(home.find(product.home), roles.JOBS).reveal()
    with admin(product) as connection:
        connection.execute("SET search_path = jobs")
        connection.execute(
            "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args)"
            " VALUES ('default', %s, '{}')",
            (f"{UNKNOWN} {password} unheard-of",),
        )
    log = product.home / "log" / "worker.log"
    until(lambda: "unheard-of" in log.read_text(), "the worker tells of it")
    return password


def dying_workers(product: Product) -> None:
    """The job worker's end, whose last words the supervisor tells, and a native crash in the
    gateway."""
    before = product.parts()
    os.kill(before["worker"], signal.SIGKILL)
    os.kill(before["gateway_worker-0"], signal.SIGSEGV)
    until(lambda: len(before.items() - product.parts().items()) >= 2, "both died")
    until(lambda: '"restarts": 1' in (product.home / "run" / "up.json").read_text(), "it is told")
    until(product.is_ready, "all serve again")


def failed_reload(product: Product) -> None:
    """The supervisor tells why it stays what it is: a key stands where a setting should be."""
    wrong = product.home / "dd0c.toml"
    wrong.write_text(f"{UNKNOWN} = 1\n")
    product.process.send_signal(signal.SIGHUP)
    until(lambda: any("not reloaded" in line for line in product.lines), "it is told")
    wrong.unlink()


def admin(product: Product) -> psycopg.Connection[tuple[object, ...]]:
    """A connection to the embedded database as its administrator."""
    found = settings.load(environ={"DD0C_HOME": str(product.home)})
    return psycopg.connect(address.conninfo(found, roles.ADMIN).reveal(), autocommit=True)


def search(product: Product, canaries: set[str]) -> dict[str, set[str]]:
    """Every byte of the home but where secrets belong, and all that the supervisor said."""
    wanted = {canary: canary.encode() for canary in canaries}
    found: dict[str, set[str]] = {}
    for path in [*product.home.rglob("*"), None]:
        name = WORDS if path is None else str(path.relative_to(product.home))
        if name.startswith(("secrets/", "owner.key")) or (path and not path.is_file()):
            continue
        said = path.read_bytes() if path else "\n".join(product.lines).encode()
        place = POSTGRES if name.startswith(f"{POSTGRES}/") else name
        hits = {canary for canary, raw in wanted.items() if raw in said}
        if hits:
            found[place] = found.get(place, set()) | hits
    return found


def texts_of(content: str) -> set[str]:
    """The secrets of a file: values of JSON, or its only line."""
    try:
        return set(json.loads(content).values())
    except ValueError:
        return {content.strip()}


def read(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_a_whole_dd0c_leaves_no_secret(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """K-41: each file of the home but those that are for secrets, what the supervisor says, and the
    arguments and environments of all processes, after failures in every part."""
    given = {
        "OPENAI_API_KEY": PROVIDER_KEY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream.port}/v1",
        "DD0C_OIDC_ISSUER": f"http://127.0.0.1:{upstream.port}",
        "DD0C_OIDC_CLIENT_ID": "dd0c",
        "DD0C_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "DD0C_WORKERS": "1",
    }
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(UNMASKED))
        with running(None, **given) as product:
            carried = provoke(product).places
    with running(None, **given) as product:
        found = provoke(product)
    assert carried.keys() == CARRIERS
    assert found.places.keys() == {POSTGRES}
    assert found.places[POSTGRES] == found.planted
    assert found.argv.count("dd0c") > 5
    assert [
        secret for secret in (*found.held, PROVIDER_KEY, CLIENT_SECRET) if secret in found.argv
    ] == []
    for secret in found.held:
        assert [name for name, text in found.environ.items() if secret in text] == []
    knows = {
        secret: {name for name, text in found.environ.items() if secret in text}
        for secret in (PROVIDER_KEY, CLIENT_SECRET)
    }
    assert knows == {PROVIDER_KEY: {"supervisor"}, CLIENT_SECRET: {"supervisor", "control"}}
    assert "unheard-of" in found.worker_log  # masked, not left out
    assert "Segmentation fault" in found.gateway_log
