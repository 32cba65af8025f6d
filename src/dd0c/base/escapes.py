r"""Text as it reads once its escapes are undone, and where each character of that stood.

A secret is known by its text, but whoever repeats it may spell any of its characters in a way of
their own: `\u002d` in JSON (some writers do so with `+`, `&` and `<`), `%2D` in a URL, `&#45;` in a
page, `\x2d` in a repr, and all of it again where JSON is quoted in JSON. Lists of spellings never
end; undoing the escapes finds every mixture of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

LAYERS_MAX = 3  # an error body in a message in a log line; more is not seen

_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(
    r"""\\u(?P<u>[0-9a-fA-F]{4}) | \\x(?P<x>[0-9a-fA-F]{2}) | \\(?P<letter>[\\/"'bfnrt])
    | (?P<percent>(?:%[0-9a-fA-F]{2})+)
    | &(?:\#(?P<number>[0-9]{1,6}) | \#[xX](?P<hex>[0-9a-fA-F]{1,5})
        | (?P<name>amp|lt|gt|quot|apos)
      );""",
    re.VERBOSE,
)


class View(NamedTuple):
    """A text without a layer of escapes; `places[i]` is where its character `i` began in the text
    that it was made of, with one place more for the end. None: where it is here."""

    text: str
    places: list[int] | None = None

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of this text stood."""
        return (start, end) if self.places is None else (self.places[start], self.places[end])


def views(text: str) -> Iterator[View]:
    """The text as it is, then with one layer of escapes undone, with two, as far as there are."""
    view = View(text)
    yield view
    for _ in range(LAYERS_MAX):
        below = _undo(view)
        if below is None:
            return
        yield below
        view = below


def _undo(view: View) -> View | None:
    pieces: list[str] = []
    places: list[int] = []
    at = 0
    for match in _ESCAPE.finditer(view.text):
        meant = _meant(match)
        pieces += (view.text[at : match.start()], "".join(meant))
        places += range(at, match.start())
        # what stands for several characters tells where each of them stood
        sizes = _sizes(meant) if match["percent"] else [0]
        places += (match.start() + before for before in sizes)
        at = match.end()
    if not pieces:
        return None
    pieces.append(view.text[at:])
    places += range(at, len(view.text) + 1)
    if view.places is not None:
        places = [view.places[place] for place in places]
    return View("".join(pieces), places)


def _meant(match: re.Match[str]) -> str:
    """The characters that an escape stands for: as many as `_undo` notes places for."""
    kind, said = match.lastgroup, match[match.lastgroup or 0]
    if kind in ("u", "x", "hex"):
        return chr(int(said, 16))
    if kind == "number":
        return chr(int(said))
    if kind == "percent":
        raw = bytes.fromhex(said.replace("%", ""))
        return raw.decode(errors="surrogateescape")
    return _NAMED[said] if kind == "name" else _LETTERS.get(said, said)


def _sizes(meant: str) -> list[int]:
    """How far into a run of `%xx` each of its characters begins."""
    ends = [0]
    for character in meant:
        ends.append(ends[-1] + 3 * len(character.encode(errors="surrogateescape")))
    return [begin for begin, _ in pairwise(ends)]
