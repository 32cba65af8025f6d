"""Inline Markdown: which characters of a sentence are words, which are marks around them.

Our own reading, because markdown-it gives no places for what stands within a line, and because it
takes time quadratic in hostile brackets. Everything here is one pass. What is not understood stays
as it is written: a word too many is seen, a `*` too few changes a command.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping

from dd0c.products.run.parsing.passages import LINE_BREAK, Passage, Pen

_LABEL = r"\[((?:[^\[\]]|\[[^\[\]]{0,200}\]){1,400})\]"
_INLINE = re.compile(
    r"(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|(?P<image>!\[[^\[\]]{0,200}\]\([^()\s]{0,2000}\))"
    rf"|(?P<link>{_LABEL}(?:\((?P<inline><[^<>\n]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)?)"
    r"(?:\s+[\"'(][^\n]{0,200}?[\"')])?\)|\[(?P<reference>[^\[\]]{0,200})\])?)"
    r"|(?P<url><(?P<address>(?:https?|ftp|mailto):[^<>\s]{1,2000})>)"
    r"|(?P<tag></?(?:a|abbr|b|br|code|em|i|img|kbd|p|s|small|span|strong|sub|sup|u)"
    r"(?:\s[^<>]{0,500})?/?>)"
    r"|(?P<comment><!--)"
    r"|(?P<emphasis>\*+|_+)",
    re.IGNORECASE,
)
_BREAK = re.compile(r"<br", re.IGNORECASE)


def read(passage: Passage, references: Mapping[str, str]) -> Passage:
    """The words of a line or paragraph of Markdown, its code and links marked."""
    pen = Pen()
    dropped = _emphasis(passage.text)
    _write(passage, references, dropped, pen)
    return pen.passage()


def _write(
    passage: Passage, references: Mapping[str, str], dropped: frozenset[int], pen: Pen
) -> None:
    text, done = passage.text, 0
    ends = _code_ends(text)
    for found in _tokens(text, ends):
        pen.write(passage.part(done, found.start()))
        done = found.end()
        if found["ticks"]:
            done = ends[found.start()]
            begin, length = len(pen.at), len(found["ticks"])
            pen.write(passage.part(found.start() + length, done - length))
            pen.mark(begin, None)
        elif found["escape"]:
            pen.write(passage.part(done - 1, done))
        elif found["url"]:
            begin = len(pen.at)
            pen.write(passage.part(*found.span("address")))
            pen.mark(begin, found["address"])
        elif found["link"]:
            _write_link(passage, found, references, pen)
        elif found["emphasis"] and found.start() not in dropped:
            pen.write(passage.part(found.start(), done))
        elif found["comment"]:
            end = text.find("-->", done)
            done = len(text) if end < 0 else end + 3
        elif found["tag"] and _BREAK.match(found["tag"]):
            pen.stand_for(LINE_BREAK, passage.at[found.start()])
    pen.write(passage.part(done, len(text)))


def _tokens(text: str, ends: Mapping[int, int]) -> Iterator[re.Match[str]]:
    """Marks of inline Markdown from left to right; backticks only where they open code."""
    position = 0
    while found := _INLINE.search(text, position):
        position = found.end()
        if found["ticks"] and found.start() not in ends:
            continue
        if found["ticks"]:
            position = ends[found.start()]
        if found["comment"]:
            end = text.find("-->", position)
            position = len(text) if end < 0 else end + 3
        yield found


def _write_link(
    passage: Passage, found: re.Match[str], references: Mapping[str, str], pen: Pen
) -> None:
    label = next(n for n in range(found.start(), found.end()) if passage.text[n] == "[") + 1
    close = label + len(found[_GROUP])
    target = found["inline"]
    if target is None:
        name = found["reference"] or found[_GROUP]
        target = references.get(" ".join(name.split()).upper())
        if target is None:
            pen.write(passage.part(*found.span()))
            return
    begin = len(pen.at)
    pen.write(read(passage.part(label, close), {}))
    pen.mark(begin, target.strip("<>"))


_GROUP = _INLINE.groupindex["link"] + 1


def _code_ends(text: str) -> dict[int, int]:
    """For each run of backticks that opens code, where the code with its closing run ends."""
    runs = [(m.start(), m.end()) for m in re.finditer("`+", text)]
    starts: defaultdict[int, list[int]] = defaultdict(list)
    for start, end in runs:
        starts[end - start].append(start)
    ends: dict[int, int] = {}
    closed = 0
    for start, end in runs:
        if start < closed or (start and text[start - 1] == "\\"):
            continue
        length = end - start
        following = starts[length]
        index = bisect_right(following, start)
        if index < len(following):
            closed = ends[start] = following[index] + length
    return ends


def _emphasis(text: str) -> frozenset[int]:
    """Where the pairs of `*`, `**`, `_` stand that are no words."""
    if "*" not in text and "_" not in text:
        return frozenset()
    ends = _code_ends(text)
    opened: defaultdict[str, list[int]] = defaultdict(list)
    pairs: set[int] = set()
    for found in _tokens(text, ends):
        run = found["emphasis"]
        if not run:
            continue
        before = text[found.start() - 1 : found.start()]
        after = text[found.end() : found.end() + 1]
        closes = bool(before.strip()) and not after.isalnum() and after != "/"
        opens = bool(after.strip()) and not before.isalnum() and before != "/"
        if closes and opened[run]:
            pairs |= {opened[run].pop(), found.start()}
        elif opens:
            opened[run].append(found.start())
    return frozenset(pairs)
