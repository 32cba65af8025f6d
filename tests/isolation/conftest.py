"""The two organisations, and what the stranger was told before the owner had anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from dd0c.kernel.db import roles
from tests.isolation import tenants
from tests.isolation.asking import Asker, Question, questions
from tests.isolation.judging import World
from tests.isolation.tenants import Books
from tests.products.route.api.ledger import register
from tests.support.control import serving
from tests.support.database import Cluster


class Stopped:
    """A clock that stands: two calls a second apart are of the same moment."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return int(self._now.timestamp() * 1_000_000)


@pytest.fixture(scope="package")
def world(cluster: Cluster) -> Iterator[World]:
    """For tests that only read."""
    with made(cluster, listening=True) as world:
        yield world


@pytest.fixture
def spare(cluster: Cluster) -> Iterator[World]:
    """For one test that changes things."""
    with made(cluster, listening=False) as world:
        yield world


@contextmanager
def made(cluster: Cluster, *, listening: bool) -> Iterator[World]:
    """Two filled organisations on a control server of their own, for the block; between filling
    one and the other it may have been listened to what the first is told."""
    with ExitStack() as stack:
        served = stack.enter_context(serving(cluster))
        state = served.app.state
        state.resources = replace(state.resources, clock=Stopped())
        register(served)
        asked, missing = questions(served.app)
        globex = tenants.fill(served, "globex", served.globex, unit=7, away="open")
        stranger = stack.enter_context(closing(Asker(served, globex)))
        still = [q for q in asked if listening and _stands_still(q)]
        quiet = {str(question): stranger.call(question, globex.names) for question in still}
        acme = tenants.fill(served, "acme", served.acme, unit=1_000, away="closed")
        owner = stack.enter_context(closing(Asker(served, acme)))
        conninfo = served.database.conninfo(roles.OWNER).reveal()
        books = Books(stack.enter_context(psycopg.connect(conninfo, autocommit=True)))
        yield World(served, acme, globex, owner, stranger, books, asked, missing, quiet)


def _stands_still(question: Question) -> bool:
    """Whether it can be asked again, and has the same answer: cursors are given out anew."""
    return question.method == "GET" and "cursor" not in question.query
