"""Organisations that are served without a record while the spool takes none, and the others."""

from __future__ import annotations

import asyncio
import json
import resource
import threading
from pathlib import Path

from dd0c.base import ids
from dd0c.products.route.hotpath.snapshot import SpoolFull, Terms, ToWorker
from dd0c.products.route.models import AttemptOpened
from tests.support.upstream import Peer, Received, Upstream
from tests.support.wire import CHAT_BODY, Caller
from tests.support.worker import ORG, Worker, key_entry, running_worker, snapshot, wait_for

OTHER_KEY, OTHER_ORG = "dd0c_sk_" + "o" * 43, ids.new().bytes
OTHERS = {"authorization": f"Bearer {OTHER_KEY}"}
MISSED = "requests_unrecorded_total"


def served(upstream: Upstream) -> list[ToWorker]:
    """A worker's configuration: ours is served without a record, the other organisation is not."""
    keys = (key_entry(), key_entry(OTHER_KEY, org=OTHER_ORG))
    terms = (Terms(ORG, spool_full="open"), Terms(OTHER_ORG))
    return [snapshot(upstream.port, keys=keys, terms=terms)]


def room(worker: Worker, file_bytes: int) -> None:
    """Let its files grow to this size and no further."""
    limits = (file_bytes, resource.RLIM_INFINITY)
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, limits)


def written(worker: Worker) -> int:
    """Bytes in its spool."""
    return sum(path.stat().st_size for path in worker.folder.glob("*.spool"))


def test_a_full_spool_refuses_only_who_wants_it_so(tmp_path: Path, upstream: Upstream) -> None:
    """Over the spool's bound an `open` organisation is served without a record, and counted; a
    `closed` one gets a 503; with room again both have their records (R-15, K-60)."""
    with running_worker(tmp_path, served(upstream)) as worker, Caller(worker.port) as caller:
        assert caller.chat().status == 200
        worker.closed(1)
        worker.tell(SpoolFull(True))
        wait_for(lambda: caller.chat(**OTHERS).status == 503, 10)
        assert caller.chat(**OTHERS).error["code"] == "spool_full"
        before = written(worker)
        assert [caller.chat().status for _ in range(3)] == [200] * 3
        caller.send(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert caller.answer().status == 200
        assert written(worker) == before
        wait_for(lambda: worker.counter(MISSED) == 3, 10)
        worker.tell(SpoolFull(False))
        wait_for(lambda: caller.chat(**OTHERS).status == 200, 10)
        assert caller.chat().status == 200
        assert len(worker.closed(3, 10)) == 3
        assert worker.counter(MISSED) == 3


def test_a_full_disk_is_no_reason_to_refuse_an_open_one(tmp_path: Path, upstream: Upstream) -> None:
    """The disk takes nothing: an `open` organisation's answers come whole, those begun before as
    well; what they ended with is written when there is room (R-15)."""
    full = threading.Event()

    async def answer(peer: Peer, request: Received) -> None:
        body = json.loads(request.body)
        if body.get("user") == "slow":
            await asyncio.to_thread(full.wait, 10)
        await peer.send_json(body)

    upstream.script = answer
    with (
        running_worker(tmp_path, served(upstream)) as worker,
        Caller(worker.port) as slow,
        Caller(worker.port) as caller,
    ):
        slow.post("/v1/chat/completions", {**CHAT_BODY, "user": "slow"})
        wait_for(lambda: len(worker.opened()) == 1, 10)
        room(worker, written(worker))
        full.set()
        assert slow.answer().status == 200
        assert caller.chat().status == 200
        assert caller.chat(**OTHERS).error["code"] == "spool_unavailable"
        assert [type(record) for record in worker.records()] == [AttemptOpened]
        room(worker, resource.RLIM_INFINITY)
        (closed,) = worker.closed(1, 10)
        assert closed.end_reason == "complete"
        wait_for(lambda: worker.counter(MISSED) == 1, 10)
