"""Live pages: server-sent events that say *that* something changed, never what.

A product names topics; a topic knows how to ask for a *mark*, a short text that differs whenever
the pages about it would (a count and a newest id, say). While somebody watches, one task per
organisation and topic asks once a second, whatever the number of viewers, and a viewer whose last
mark differs gets `changed`. The script then loads the page's own address again and moves over what
differs. So there is one way to draw a page, filters and permissions hold by themselves, a row that
was committed late is not missed, and a viewer owes us no queue: only the newest mark counts.

    event: changed   id: <mark>                 the page is behind: load it again
    event: beat      data: {"age_s": 0.4}       every three seconds; age of what we know
    event: ended                                the session is over or lost the permission

A viewer comes back with `Last-Event-ID` (or `?after=`) and is told at once when it is behind.
Streams end when the server drains, so that a stop waits for none.

The flag `console.live` turns all this off for an organisation: its pages say what was true when
they were loaded, and open streams end. A topic whose mark cannot be had counts against the flag; a
database that is away does not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dd0c.base.errors import (
    Error,
    Forbidden,
    LimitExceeded,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.guard.flags import Flags
from dd0c.kernel.web import resources
from dd0c.kernel.web.requires import Requires, identify

ROOT = "/console/live"
FLAG = "console.live"
ASK_EVERY_S = 1.0
ASK_WITHIN_S = 5.0
BEAT_EVERY_S = 3.0
SEND_WITHIN_S = 20.0  # a reader that takes longer for a hundred bytes is not there
RETRY_MS = 2000
SWITCHED_OFF_S = 15
VIEWERS_OF_ORG_MAX = 20
VIEWERS_MAX = 200
MARK_LENGTH_MAX = 200

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that pages can follow. `mark` runs in the organisation's transaction."""

    name: str
    permission: str | None
    mark: Callable[[Transaction], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Stream:
    """What a live page carries: where to listen (empty: it is not live), and the mark that it
    already shows."""

    url: str
    after: str
    as_of: datetime


@dataclass(slots=True)
class Feed:
    """What the viewers of one topic in one organisation share."""

    mark: str = ""
    known_at: float = 0.0  # monotonic; 0: nothing yet
    viewers: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, mark: str) -> None:
        """Keep the newest mark; wake who waits when it is another one."""
        self.known_at = time.monotonic()
        if mark != self.mark:
            self.mark = mark
            self.news.set()
            self.news = asyncio.Event()

    @property
    def age_s(self) -> float:
        """How old our knowledge is."""
        return round(time.monotonic() - self.known_at, 1)


class Hub:
    """The feeds of one control server."""

    def __init__(self, pool: Pool, topics: Iterable[Topic], flags: Flags):
        self.topics = {topic.name: topic for topic in topics}
        self.flags = flags
        self.is_stopping: Callable[[], bool] = lambda: False
        self._pool = pool
        self._feeds: dict[tuple[uuid.UUID, str], Feed] = {}
        self._asking: dict[tuple[uuid.UUID, str], asyncio.Task[None]] = {}

    def is_on(self, org: uuid.UUID) -> bool:
        """Whether pages of the organisation are live, as long as the server goes on."""
        return self.flags.is_on(FLAG, org) and not self.is_stopping()

    def peek(self, org: uuid.UUID, topic: str) -> str:
        """The mark of a moment ago if somebody watches, else nothing."""
        feed = self._feeds.get((org, topic))
        return feed.mark if feed else ""

    @contextmanager
    def watch(self, org: uuid.UUID, topic: Topic) -> Iterator[Feed]:
        """The feed, for as long as the block lasts; LimitExceeded when too many watch."""
        here = sum(feed.viewers for (of, _), feed in self._feeds.items() if of == org)
        if (
            here >= VIEWERS_OF_ORG_MAX
            or sum(f.viewers for f in self._feeds.values()) >= VIEWERS_MAX
        ):
            raise LimitExceeded("too many live pages are open", retry_after_s=10)
        key = (org, topic.name)
        feed = self._feeds.setdefault(key, Feed())
        feed.viewers += 1
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._ask(org, topic, feed))
        try:
            yield feed
        finally:
            feed.viewers -= 1
            if not feed.viewers:
                self._asking.pop(key).cancel()
                del self._feeds[key]

    async def _ask(self, org: uuid.UUID, topic: Topic, feed: Feed) -> None:
        """Once a second, until nobody watches. What fails makes the feed old, not wrong."""
        while True:
            try:
                async with tenancy.tenant(self._pool, org, deadline_s=ASK_WITHIN_S) as tx:
                    feed.tell(await topic.mark(tx))
                self.flags.observe(FLAG, org, ok=True)
            except Error:
                pass  # the beats say how old our knowledge is
            except Exception:
                self.flags.observe(FLAG, org, ok=False)
                log.exception("a live topic failed", extra={"topic": topic.name})
            await asyncio.sleep(ASK_EVERY_S)


class EventStream(Response):
    """The answer that goes on. It ends with the viewer, the session, or the server."""

    def __init__(self, request: Request, who: Principal, topic: Topic, after: str):
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"  # nginx would hold events back
        self._request, self._who, self._topic, self._sent = request, who, topic, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub = of(self._request)
        with hub.watch(self._who.org, self._topic) as feed:
            writing = asyncio.create_task(self._write(hub, feed, send))
            leaving = asyncio.create_task(_gone(receive))
            try:
                await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (writing, leaving):
                    task.cancel()
                await asyncio.gather(writing, leaving, return_exceptions=True)

    async def _write(self, hub: Hub, feed: Feed, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await _send(send, f"retry: {RETRY_MS}\n\n")
        beat_at = 0.0
        while hub.is_on(self._who.org):
            news = feed.news  # before looking, so that what comes meanwhile wakes us
            if feed.known_at and feed.mark != self._sent:
                self._sent = feed.mark
                await _send(send, f"event: changed\nid: {feed.mark}\ndata: {{}}\n\n")
            if feed.known_at and time.monotonic() >= beat_at:
                if not await self._is_allowed():
                    await _send(send, "event: ended\ndata: {}\n\n")
                    break
                await _send(send, f"event: beat\ndata: {json.dumps({'age_s': feed.age_s})}\n\n")
                beat_at = time.monotonic() + BEAT_EVERY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_EVERY_S):
                    await news.wait()
        await send({"type": "http.response.body", "body": b""})

    async def _is_allowed(self) -> bool:
        """Whether the session and its permission still hold; a database that is away ends none."""
        try:
            who = await identify(self._request)
            if self._topic.permission is not None:
                who.require(self._topic.permission)
        except (Unauthenticated, Forbidden):
            return False
        except Error:
            return True
        return True


async def _send(send: Send, text: str) -> None:
    async with asyncio.timeout(SEND_WITHIN_S):
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def of(request: Request) -> Hub:
    """The hub of the application that serves this request."""
    return cast(Hub, request.app.state.live)


def follow(request: Request, who: Principal, topic: str) -> Stream:
    """What a page shows from now on is behind this mark: call it before loading anything."""
    hub, now = of(request), resources.of(request).clock.now()
    url = f"{ROOT}/{topic}" if hub.flags.is_on(FLAG, who.org) else ""
    return Stream(url, hub.peek(who.org, topic), now)


@router.get(f"{ROOT}/{{topic}}")
async def listen(
    request: Request,
    topic: str,
    who: Annotated[Principal, Depends(Requires())],
    after: Annotated[str, Query(max_length=MARK_LENGTH_MAX)] = "",
) -> EventStream:
    """The stream of a topic."""
    found = of(request).topics.get(topic)
    if found is None:
        raise NotFound
    if found.permission is not None:
        who.require(found.permission)
    if not of(request).flags.is_on(FLAG, who.org):
        raise Unavailable("live updates are switched off", retry_after_s=SWITCHED_OFF_S)
    return EventStream(request, who, found, request.headers.get("last-event-id", after))
