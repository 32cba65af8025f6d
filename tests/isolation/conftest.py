"""The two organisations, and what the stranger was told before the owner had anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
import pytest

from dd0c.kernel.db import roles
from tests.isolation import tenants
from tests.isolation.asking import Answer, Asker, Question, questions
from tests.isolation.tenants import Books, Tenant
from tests.products.route.api.ledger import register
from tests.support.control import Served, serving
from tests.support.database import Cluster


class Stopped:
    """A clock that stands: two calls a second apart are of the same moment."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return int(self._now.timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class World:
    """`acme` owns what `globex` asks for. `quiet` is what globex heard when acme was empty."""

    served: Served
    acme: Tenant
    globex: Tenant
    owner: Asker
    stranger: Asker
    books: Books
    asked: list[Question]
    missing: list[str]
    quiet: dict[str, Answer]


@pytest.fixture(scope="package")
def world(cluster: Cluster) -> Iterator[World]:
    """For tests that only read."""
    with made(cluster) as world:
        yield world


@pytest.fixture
def spare(cluster: Cluster) -> Iterator[World]:
    """For one test that changes things."""
    with made(cluster) as world:
        yield world


@contextmanager
def made(cluster: Cluster) -> Iterator[World]:
    """Two filled organisations on a control server of their own, for the block."""
    with ExitStack() as stack:
        served = stack.enter_context(serving(cluster))
        state = served.app.state
        state.resources = replace(state.resources, clock=Stopped())
        register(served)
        asked, missing = questions(served.app)
        globex = tenants.fill(served, "globex", served.globex, unit=7, away="open")
        stranger = stack.enter_context(closing(Asker(served, globex)))
        quiet = {str(q): stranger.ask(q, globex.names) for q in asked if _stands_still(q)}
        acme = tenants.fill(served, "acme", served.acme, unit=1_000, away="closed")
        owner = stack.enter_context(closing(Asker(served, acme)))
        conninfo = served.database.conninfo(roles.OWNER).reveal()
        books = Books(stack.enter_context(psycopg.connect(conninfo, autocommit=True)))
        yield World(served, acme, globex, owner, stranger, books, asked, missing, quiet)


def _stands_still(question: Question) -> bool:
    """Whether it can be asked again, and has the same answer: cursors are given out anew."""
    return question.method == "GET" and "cursor" not in question.query
