"""Events have names that everybody can look up."""

from __future__ import annotations

import re

from dd0c.app.events import CATALOGUE
from tests.house import tree

MADE = re.compile(r"\bEventType\(\s*\"(\w+)\"")
TOLD_BY_SQL = re.compile(r"\btell\(\w+, '(\w+)'")
BARE = re.compile(r"\bEvent\(\s*\"")
"""An event by a text instead of a type of the catalogue."""


def test_every_event_is_in_the_catalogue() -> None:
    """Each type that a module makes is in app/events.py, once, and so in docs/reference/events.md;
    a statement of SQL tells only such (K-50)."""
    sources = [path.read_text() for path in tree.python_files(tree.SOURCE)]
    migrations = [path.read_text() for path in tree.SOURCE.rglob("migrations/*.sql")]
    names = [event.name for event in CATALOGUE]
    assert sorted(names) == sorted(name for text in sources for name in MADE.findall(text))
    assert len(names) == len(set(names))
    assert {name for text in migrations for name in TOLD_BY_SQL.findall(text)} <= set(names)


def test_no_event_is_told_by_a_name_alone() -> None:
    """Whoever tells an event names its type: a slip is an error of the types, not a new event."""
    bare = [p for p in tree.python_files(tree.SOURCE) if BARE.search(p.read_text())]
    assert not bare, [tree.shown(path) for path in bare]
    assert BARE.search('outbox.record(tx, org, Event("KeyMade", "system", "x"))')


def test_sentences_are_sentences() -> None:
    """What an event means is said in one sentence (decision 23)."""
    for event in CATALOGUE:
        assert re.fullmatch(r"[A-Z][^.]*\.", event.sentence), event
