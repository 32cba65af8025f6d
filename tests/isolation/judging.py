"""What must be true of every answer, whatever was asked and however."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol
from urllib.parse import unquote

from tests.isolation import rows
from tests.isolation.asking import Answer, Asker, Question
from tests.isolation.tenants import NOBODY, Books, Names, Tenant
from tests.support.control import Served

CURSOR = re.compile(r'(?:"next_cursor":\s*"|[?&;]cursor=)([\w%=-]{40,})')


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


class Probe(Protocol):
    """Something that can be asked: a call, or a verb of the command line."""

    @property
    def names_something(self) -> bool:
        """Whether it can be asked about what is another's."""
        ...

    def said(self, names: Names) -> str:
        """What the question itself says: to be told that is no answer."""
        ...

    def ask(self, asker: Asker, names: Names) -> Answer:
        """Its answer, about what these names name."""
        ...


def judged(world: World, question: Question) -> Iterator[str]:
    """What is wrong about the answers to one call."""
    theirs, nobodys = world.acme.names, NOBODY
    if "cursor" in question.query:
        nobodys = nobodys | {"cursor": _made_up()}
        theirs = theirs | {"cursor": _cursor_of(world, question)}
    closed = question.route in rows.PLATFORM
    alike = question.route in rows.ALIKE and not question.names_something
    yield from wrong(world, question, theirs, nobodys, tells=not closed and not alike)


def wrong(
    world: World, probe: Probe, theirs: Names, nobodys: Names, *, tells: bool
) -> Iterator[str]:
    """What the stranger could learn or change; and, where it `tells` its owner anything, that it
    told the owner no more than the stranger."""
    before = world.books.read(world.acme.org)
    other = probe.ask(world.stranger, theirs)
    if probe.names_something:
        nothing = probe.ask(world.stranger, nobodys)
        if (other.status, other.alike) != (nothing.status, nothing.alike):
            yield f"a stranger can tell whether it exists: {_difference(other, nothing)}"
    marks = [mark for mark in theirs.values() if mark not in probe.said(theirs)]
    if told := [mark for mark in marks if mark in other.text]:
        yield f"a stranger is told {told}"
    after = world.books.read(world.acme.org)
    if changed := [table for table in after if after[table] != before[table]]:
        yield f"a stranger changed {changed}"
    if not tells:
        return
    own = probe.ask(world.owner, theirs)
    reference = probe.ask(world.owner, nobodys) if probe.names_something else other
    if own.alike == reference.alike and world.books.read(world.acme.org) == before:
        yield f"the owner hears no more than others: {own.status} {own.text[:200]}"


def _difference(one: Answer, other: Answer) -> str:
    """Where two answers begin to differ."""
    pairs = enumerate(zip_longest(one.alike, other.alike))
    at = next((place for place, (a, b) in pairs if a != b), 0)
    said = [f"{each.status} …{each.alike[max(at - 40, 0) : at + 80]}" for each in (one, other)]
    return " / ".join(said)


def _cursor_of(world: World, question: Question) -> str:
    """The cursor that the owner's own first page gives out."""
    if question.route in rows.PLATFORM:
        return _made_up()
    query = {"limit": "1"} if question.route.startswith("GET /api/") else {}
    first = world.owner.call(replace(question, query=query), world.acme.names)
    found = CURSOR.search(first.text)
    assert found, f"{question} has one page: fill more in tests/isolation/tenants.py"
    return unquote(found[1])


def _made_up() -> str:
    """A cursor as nobody gave it out."""
    return base64.urlsafe_b64encode(os.urandom(33)).decode()
