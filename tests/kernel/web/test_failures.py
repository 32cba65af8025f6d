"""What an endpoint that fails looks like from outside, and in the log."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import StreamingResponse

from dd0c.base import settings
from dd0c.base.clock import SystemClock
from dd0c.base.errors import LimitExceeded
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import permissions
from dd0c.kernel.auth.last_used import Uses
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.autonomy.flag_publishing import Publisher
from dd0c.kernel.cache import client
from dd0c.kernel.content import configured as places
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.guard.circuit import Rules
from dd0c.kernel.guard.counters import Counters
from dd0c.kernel.guard.flags import Flags
from dd0c.kernel.guard.rates import Rates
from dd0c.kernel.plans.catalogue import UNLIMITED
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.web import app as web
from dd0c.kernel.web.edge import Edge
from dd0c.kernel.web.metrics import Metrics
from dd0c.kernel.web.paging import Cursors
from dd0c.kernel.web.resources import Resources
from tests.support.control import NO_CACHE
from tests.support.database import Database

router = APIRouter(prefix="/api/v1/test")


@router.get("/broken")
async def broken() -> None:
    """A bug of ours."""
    raise RuntimeError("secret detail of the bug")


@router.get("/limited")
async def limited() -> None:
    """A limit that says when it frees."""
    raise LimitExceeded("too many", retry_after_s=7)


@router.get("/slow")
async def slow() -> None:
    """A dependency that hangs."""
    await asyncio.sleep(60)


@router.get("/stream")
async def stream() -> StreamingResponse:
    """An answer that takes longer than a deadline, but has started."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"."
            await asyncio.sleep(0.1)

    return StreamingResponse(pieces())


@router.post("/read")
async def read(body: dict[str, int]) -> dict[str, int]:
    """An endpoint that wants its body."""
    return body


@pytest.fixture
def app(app_pool: Pool, database: Database) -> FastAPI:
    """The control server's application with these endpoints."""
    pepper = Pepper(Secret(os.urandom(32).hex()))
    found = settings.load({}, {"DD0C_VALKEY_URL": NO_CACHE.reveal()})
    vault = Vault(local.ensure(database.cluster.home))
    resources = Resources(
        settings=found,
        pool=app_pool,
        queue=app_pool,
        clock=SystemClock(),
        pepper=pepper,
        grants=permissions.KERNEL,
        cursors=Cursors(pepper.derive(b"test")),
        uses=Uses(SystemClock()),
        vault=vault,
        contents=Contents(app_pool, vault, places.places(found, app_pool), SystemClock()),
        breakers=Breakers(None, Rules()),
        plan=UNLIMITED,
        flags=Flags(),
        publisher=Publisher(app_pool, client.open_client(found, 1)),
        panic_cache=client.open_client(found, 1),
        counters=Counters(client.open_client(found, 1), "test"),
        rates=Rates(Counters(client.open_client(found, 1), "test")),
    )
    return web.create(resources, web.Added(api=[router]))


def client_of(app: FastAPI, deadline_s: float = 5.0) -> httpx.AsyncClient:
    """A client of the application behind an edge with that deadline."""
    edge = Edge(
        app, Metrics([], Breakers(None, Rules())), header_bytes_max=32_768, deadline_s=deadline_s
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://test")


async def test_a_bug_is_a_500_without_its_trace(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets a request id and nothing of the bug; the log has both, once."""
    with caplog.at_level(logging.INFO):
        async with client_of(app) as client:
            answer = await client.get("/api/v1/test/broken")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    (record,) = [r for r in caplog.records if r.exc_info]
    assert record.__dict__["request_id"].startswith("req_")
    assert "secret detail" in caplog.text


async def test_a_limit_says_when_to_come_back(app: FastAPI) -> None:
    """Errors of the tree keep their status, code and retry time."""
    async with client_of(app) as client:
        answer = await client.get("/api/v1/test/limited")
    assert (answer.status_code, answer.json()["code"]) == (429, "limit_exceeded")
    assert answer.headers["retry-after"] == "7"


async def test_nothing_hangs_for_ever(app: FastAPI) -> None:
    """A dependency or a body that never comes is 504 at the deadline; a running answer goes on."""

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async with client_of(app, deadline_s=0.2) as client:
        slow = await client.get("/api/v1/test/slow")
        body = await client.post(
            "/api/v1/test/read", content=never(), headers={"content-type": "application/json"}
        )
        stream = await client.get("/api/v1/test/stream")
    for answer in (slow, body):
        assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
    assert (stream.status_code, stream.text) == (200, "....")
