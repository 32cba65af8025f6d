"""Which step of a new version is which step of the old one (N-4).

Nobody numbers the steps of a wiki page. A step is the same when it says the same, first under the
same headings and then anywhere; what is left over is the same when it is alike, best pairs first.
Steps that say the same under the same headings are told apart by their order alone: they would run
the same bytes, so that which is which changes nothing.

Two hashes of a step: its *content* is what it says; its *basis* is that and the content of each
step that sets a variable for it, because `rm -rf "$DIR"` is another command when another step says
what DIR is.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import islice

import msgspec

from dd0c.products.run.models import Step

ALIKE_MIN = 0.4
"""Words that two steps share, of all that they have. A pair too many costs nothing: what is trusted
is the basis, never a likeness."""
WINDOW = 8
"""How many of the steps that are left over, on either side, are compared with one."""
WORDS_MAX = 400

FIELDS = (
    *("kind", "title", "tool", "commands", "query", "placeholders", "interactive"),
    *("expected", "timeout_s", "rollback", "references"),
)
"""What a step says; where it says so is another thing."""

Key = Callable[[Step], Hashable]


def said(step: Step, field: str) -> object:
    """A field without the places in the source."""
    if field == "commands":
        return [(command.text, command.inferred) for command in step.commands]
    return getattr(step, field)


def content(step: Step) -> bytes:
    """A hash of what it says."""
    return hashlib.sha256(msgspec.json.encode([said(step, field) for field in FIELDS])).digest()


def bases(steps: Sequence[Step]) -> list[bytes]:
    """For each step a hash of all that its meaning rests on."""
    found: list[bytes] = []
    for at, step in enumerate(steps):
        rests = sorted(
            (used.name, b"" if used.step is None or used.step >= at else found[used.step])
            for used in step.variables
        )
        hashed = hashlib.sha256(content(step))
        for name, basis in rests:
            hashed.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(basis).digest())
        found.append(hashed.digest())
    return found


def match(before: Sequence[Step], after: Sequence[Step]) -> list[int | None]:
    """For each step of `after` which one of `before` it is, or None: a new one."""
    found: dict[int, int] = {}
    hashes = {id(step): content(step) for step in (*before, *after)}
    exact: tuple[Key, ...] = (
        lambda step: (step.section, hashes[id(step)]),
        lambda step: hashes[id(step)],
    )
    for key in exact:
        _match_equal(before, after, found, key)
    near: tuple[Key, ...] = (lambda step: step.section, lambda _: None)
    for key in near:
        _match_alike(before, after, found, key)
    return [found.get(at) for at in range(len(after))]


def _left(
    before: Sequence[Step], after: Sequence[Step], found: dict[int, int], key: Key
) -> Iterator[tuple[list[int], list[int]]]:
    """What is not matched yet, by key, in order."""
    taken = set(found.values())
    groups: defaultdict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for at, step in enumerate(before):
        if at not in taken:
            groups[key(step)][0].append(at)
    for at, step in enumerate(after):
        if at not in found:
            groups[key(step)][1].append(at)
    return iter(groups.values())


def _match_equal(
    before: Sequence[Step], after: Sequence[Step], found: dict[int, int], key: Key
) -> None:
    for old, new in _left(before, after, found, key):
        found.update(zip(new, old, strict=False))


def _match_alike(
    before: Sequence[Step], after: Sequence[Step], found: dict[int, int], key: Key
) -> None:
    for old, new in _left(before, after, found, key):
        words = {at: _words(before[at]) for at in old}
        pairs = []
        for rank, at in enumerate(new):
            own = _words(after[at])
            for other in range(max(0, rank - WINDOW), min(len(old), rank + WINDOW + 1)):
                likeness = _likeness(words[old[other]], own)
                if likeness >= ALIKE_MIN:
                    pairs.append((-likeness, abs(rank - other), at, old[other]))
        taken: set[int] = set()
        for _, _, at, was in sorted(pairs):
            if at not in found and was not in taken:
                found[at] = was
                taken.add(was)


def _words(step: Step) -> frozenset[str]:
    texts = (step.title, step.query or "", *(command.text for command in step.commands))
    each = (word.group() for text in texts for word in re.finditer(r"\w+", text.lower()))
    return frozenset(islice(each, WORDS_MAX))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0
