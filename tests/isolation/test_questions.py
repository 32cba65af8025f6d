"""Every endpoint and every page by two organisations; cases come from the application's routes."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

from tests.isolation import rows
from tests.isolation.asking import Question, filled, known
from tests.isolation.conftest import World
from tests.isolation.tenants import NOBODY, Names

CURSOR = re.compile(r'(?:"next_cursor":\s*"|[?&;]cursor=)([\w%=-]{40,})')


def test_every_route_is_asked(world: World) -> None:
    """A route without a row in the table fails here, and says which line it wants (K-11)."""
    assert not world.missing, "\n".join(world.missing)
    listed = {*rows.BODIES, *rows.PUBLIC, *rows.PLATFORM, *rows.ALIKE, *rows.ELSEWHERE}
    assert listed <= known(world.served.app), "rows of routes that are no more"
    asked = {question.route for question in world.asked}
    assert known(world.served.app) == asked | {*rows.PUBLIC, *rows.ELSEWHERE}


def test_every_table_has_rows_of_both(world: World) -> None:
    """What is compared is there: a table without rows of an organisation proves nothing (K-11)."""
    for tenant in (world.acme, world.globex):
        empty = [table for table, rows in world.books.read(tenant.org).items() if rows is None]
        assert not empty, f"fill these in tests/isolation/tenants.py: {empty}"


def test_what_one_is_told_does_not_depend_on_the_other(world: World) -> None:
    """Lists, sums, filters, pages and exports of an organisation are the same, digit by digit,
    before and after another is filled (K-11)."""
    changed = [
        str(question)
        for question in world.asked
        if str(question) in world.quiet
        and world.stranger.ask(question, world.globex.names).alike
        != world.quiet[str(question)].alike
    ]
    assert not changed, "\n".join(changed)
    assert len(world.quiet) > 100


def test_what_is_anothers_is_as_if_it_were_nobodys(world: World) -> None:
    """Asked for what is acme's, globex hears what it hears of what does not exist, and learns none
    of acme's names; acme's same call works (K-11, proofs 2)."""
    reading = [question for question in world.asked if question.method == "GET"]
    wrong = [f"{question}: {said}" for question in reading for said in judged(world, question)]
    assert not wrong, "\n".join(wrong)


def test_what_is_anothers_cannot_be_changed(spare: World) -> None:
    """So it is with every call that changes something; and no row of acme's is another one
    afterwards, in any table (K-11, proofs 2)."""
    changing = [question for question in spare.asked if question.method != "GET"]
    wrong = [f"{question}: {said}" for question in changing for said in judged(spare, question)]
    assert not wrong, "\n".join(wrong)
    assert len(changing) > 40


def judged(world: World, question: Question) -> Iterator[str]:
    """What is wrong about the answers to one question."""
    theirs, nobodys = world.acme.names, NOBODY
    if "cursor" in question.query:
        nobodys = nobodys | {"cursor": made_up()}
        theirs = theirs | {"cursor": cursor_of(world, question)}
    before = world.books.read(world.acme.org)
    other = world.stranger.ask(question, theirs)
    if question.names_something:
        nothing = world.stranger.ask(question, nobodys)
        if other.alike != nothing.alike:
            yield "a stranger can tell whether it exists"
    marks = [mark for mark in theirs.values() if mark not in echo(question, theirs)]
    if told := [mark for mark in marks if mark in other.text]:
        yield f"a stranger is told {told}"
    after = world.books.read(world.acme.org)
    if changed := [table for table in after if after[table] != before[table]]:
        yield f"a stranger changed {changed}"
    if question.route in rows.PLATFORM:
        return
    if question.route in rows.ALIKE and not question.names_something:
        return
    reference = world.owner.ask(question, nobodys) if question.names_something else other
    own = world.owner.ask(question, theirs)
    if own.alike == reference.alike and world.books.read(world.acme.org) == before:
        yield f"the owner hears no more than others: {own.status} {own.text[:200]}"


def echo(question: Question, names: Names) -> str:
    """What the question itself says: to be told that is no answer."""
    said = (question.path, question.query, question.body)
    return " ".join(str(filled(part, names)) for part in said)


def cursor_of(world: World, question: Question) -> str:
    """The cursor that the owner's own first page gives out."""
    if question.route in rows.PLATFORM:
        return made_up()
    query = {"limit": "1"} if question.route.startswith("GET /api/") else {}
    first = world.owner.ask(Question(question.route, question.path, query), world.acme.names)
    found = CURSOR.search(first.text)
    assert found, f"{question} has one page: fill more in tests/isolation/tenants.py"
    return unquote(found[1])


def made_up() -> str:
    """A cursor as nobody gave it out."""
    return base64.urlsafe_b64encode(os.urandom(33)).decode()
