"""HTML (exports and storage format of Confluence, exports of Notion, saved pages) into blocks.

A tokenizer of our own: the standard library's parser takes time quadratic in unclosed tags, and
says of a tag where it stands but not of an entity. One pass, nothing is looked for twice. Scripts,
styles, comments and pictures are dropped; a tag nobody knows is as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import NamedTuple

from dd0c.products.run.parsing.blocks import (
    Block,
    Code,
    Heading,
    Listing,
    Paragraph,
    Quote,
    Table,
)
from dd0c.products.run.parsing.passages import LINE_BREAK, Passage, Pen, Source
from dd0c.scan.models import Span

_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>[a-z][\w:-]{0,40})(?P<attributes>(?:\"[^\"<]*\"|'[^'<]*'|[^<>\"'])*)>",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_BRUSH = re.compile(r"(?:brush:\s*|lang(?:uage)?-)([\w+-]+)", re.IGNORECASE)
_UNSEEN = frozenset(
    ["script", "style", "template", "head", "title", "noscript", "svg", "ac:emoticon"]
)
_VOID = frozenset(
    ["br", "hr", "img", "input", "meta", "link", "col", "source", "wbr", "area", "base", "embed"]
)
_BREAKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "figure",
        "figcaption",
        "address",
        "aside",
        "form",
        "fieldset",
        "dl",
        "dt",
        "dd",
        "center",
        "body",
        "html",
        "nav",
        "details",
        "summary",
        "ac:layout",
        "ac:layout-section",
        "ac:layout-cell",
        "ac:rich-text-body",
        "ac:structured-macro",
    ]
)
_LISTS = frozenset(("ul", "ol", "ac:task-list"))
_ITEMS = frozenset(("li", "ac:task"))
_SILENT = frozenset(("ac:parameter", "ac:task-id", "ac:task-status", "ac:placeholder"))
_NOTES = frozenset(("info", "note", "warning", "tip"))
_DEPTH_MAX = 100


class _Token(NamedTuple):
    """A tag (`name`, with `/` in front when it closes), or data (`name` is empty)."""

    name: str
    start: int
    end: int
    attributes: str = ""
    literal: bool = False


def read(source: Source, span: Span | None = None) -> list[Block]:
    """The blocks of the HTML in a part of the source, or in all of it."""
    span = span or Span(0, len(source.text))
    builder = _Builder(source.text)
    for token in _tokens(source.text, span):
        builder.take(token)
    return builder.finished(span.end)


def _tokens(text: str, span: Span) -> Iterator[_Token]:
    position, end = span.start, span.end
    while position < end:
        start = text.find("<", position, end)
        if start < 0:
            start = end
        if start > position:
            yield _Token("", position, start)
        if start == end:
            return
        position, token = _markup(text, start, end)
        if token:
            yield token


def _markup(text: str, start: int, end: int) -> tuple[int, _Token | None]:
    """What begins with the `<` at `start`: where it ends, and its token if it says anything."""
    if text.startswith("<!--", start):
        close = text.find("-->", start, end)
        return (close + 3 if close >= 0 else end), None
    if text.startswith("<![CDATA[", start):
        close = text.find("]]>", start, end)
        stop = close if close >= 0 else end
        return (stop + 3 if close >= 0 else end), _Token("", start + 9, stop, literal=True)
    if text.startswith(("<!", "<?"), start):
        close = text.find(">", start, end)
        return (close + 1 if close >= 0 else end), None
    found = _TAG.match(text, start, end)
    if not found:
        return start + 1, _Token("", start, start + 1)
    name = found["name"].lower()
    if name in _UNSEEN and not found["close"] and not found["attributes"].endswith("/"):
        close_tag = re.compile(rf"</{re.escape(name)}\s*>", re.IGNORECASE).search(
            text, found.end(), end
        )
        return (close_tag.end() if close_tag else end), None
    return found.end(), _Token(found["close"] + name, start, found.end(), found["attributes"])


@dataclass(slots=True)
class _Frame:
    """A container that is open: a page, a list, an item, a note, a table."""

    name: str
    start: int
    blocks: list[Block] = field(default_factory=list)
    items: list[tuple[Block, ...]] = field(default_factory=list)
    rows: list[tuple[Passage, ...]] = field(default_factory=list)
    cells: list[Passage] = field(default_factory=list)


class _Builder:
    def __init__(self, text: str) -> None:
        self.text = text
        self.frames = [_Frame("", 0)]
        self.pen = Pen()
        self.heading: int | None = None
        self.code: tuple[int, str | None] | None = None  # where a block began, its language
        self.macro: list[str] = []
        self.language: str | None = None
        self.links: list[tuple[int, str]] = []
        self.marked: int | None = None  # where inline code began
        self.silent = ""

    def take(self, token: _Token) -> None:
        """One token further."""
        if self.silent:
            self._take_silent(token)
        elif not token.name:
            self._write(token)
        elif token.name.startswith("/"):
            self._close(token.name[1:], token)
        else:
            self._open(token.name, token)

    def finished(self, end: int) -> list[Block]:
        """The page, with everything closed that was left open."""
        self._end_code(end)
        while len(self.frames) > 1:
            self._end_frame(end)
        self._flush()
        return self.frames[0].blocks

    def _take_silent(self, token: _Token) -> None:
        if token.name == f"/{self.silent}":
            self.silent = ""
        elif not token.name and self.silent == "ac:parameter:language":
            self.language = self.text[token.start : token.end].strip().lower()
        if token.name == "/ac:parameter":
            self.silent = ""

    def _write(self, token: _Token) -> None:
        data = self.text[token.start : token.end]
        if token.literal:
            self.pen.copy(data, token.start)
            return
        if self.code is None:
            data = data.replace("\n", " ")
        done = 0
        for entity in _ENTITY.finditer(data):
            self.pen.copy(data[done : entity.start()], token.start + done)
            meant = unescape(entity[0]).replace("\xa0", " ")
            self.pen.stand_for(
                meant, token.start + entity.end() - 1
            )  # so that a span has all of it
            done = entity.end()
        self.pen.copy(data[done:], token.start + done)

    def _open(self, name: str, token: _Token) -> None:
        attributes = _attributes(token)
        if self.code is not None:
            if name == "br":
                self.pen.stand_for("\n", token.start)
            elif name == "code" and not self.code[1]:
                self.code = (self.code[0], _brush(attributes))
        elif name in _SILENT:
            if not token.attributes.endswith("/"):
                language = attributes.get("ac:name") == "language"
                self.silent = "ac:parameter:language" if language else name
        elif name in ("pre", "ac:plain-text-body"):
            self._flush()
            self.code = (token.start, _brush(attributes) or self.language)
            self.language = None
        elif name in ("a", "ac:link", "ri:page", "ri:url", "code", "kbd", "tt", "br"):
            self._open_inline(name, attributes, token)
        elif re.fullmatch("h[1-6]", name):
            self._flush()
            self.heading = int(name[1])
        elif not token.attributes.endswith("/") and name not in _VOID:
            self._open_block(name, attributes, token)

    def _open_inline(self, name: str, attributes: dict[str, str], token: _Token) -> None:
        if name == "br":
            self.pen.stand_for(LINE_BREAK, token.start)
        elif name in ("code", "kbd", "tt"):
            self.marked = len(self.pen.at)
        elif name == "a":
            self.links.append((len(self.pen.at), attributes.get("href", "")))
        elif name == "ac:link":
            self.links.append((len(self.pen.at), ""))
        elif self.links and name.startswith("ri:"):
            target = attributes.get("ri:content-title") or attributes.get("ri:value") or ""
            self.links[-1] = (self.links[-1][0], target)

    def _open_block(self, name: str, attributes: dict[str, str], token: _Token) -> None:
        if name == "ac:structured-macro":
            self.macro.append(attributes.get("ac:name", ""))
            if self.macro[-1] in _NOTES:
                self._begin("blockquote", token)
                return
        if name in ("td", "th"):
            self._flush()
            self.pen = Pen()
        elif name in _LISTS | _ITEMS | {"blockquote", "table", "tr"}:
            self._begin(name, token)
        elif name in _BREAKS and not self._in_cell():
            self._flush()

    def _close(self, name: str, token: _Token) -> None:
        if name in ("pre", "ac:plain-text-body"):
            self._end_code(token.end)
        elif self.code is not None:
            return
        elif name in ("code", "kbd", "tt"):
            if self.marked is not None and len(self.pen.at) > self.marked:
                self.pen.mark(self.marked, None)
            self.marked = None
        elif name in ("a", "ac:link") and self.links:
            begin, target = self.links.pop()
            if name == "ac:link" and len(self.pen.at) == begin:
                self.pen.stand_for(target, token.start)
            if target and len(self.pen.at) > begin:
                self.pen.mark(begin, target)
        elif re.fullmatch("h[1-6]", name):
            self._flush()
            self.heading = None
        elif name == "ac:structured-macro":
            self.language = None
            if self.macro and self.macro.pop() in _NOTES:
                self._end("blockquote", token.end)
        elif name in ("td", "th"):
            self.frames[-1].cells.append(self._taken())
        elif name in _LISTS | _ITEMS | {"blockquote", "table", "tr"}:
            self._end(name, token.end)
        elif name in _BREAKS and not self._in_cell():
            self._flush()

    def _in_cell(self) -> bool:
        return self.frames[-1].name == "tr"

    def _begin(self, name: str, token: _Token) -> None:
        self._flush()
        unclosed = _ITEMS if name in _ITEMS else {"tr"} if name == "tr" else frozenset()
        if self.frames[-1].name in unclosed:
            self._end_frame(token.start)  # `<li>` without `</li>`
        if len(self.frames) < _DEPTH_MAX:
            self.frames.append(_Frame(name, token.start))

    def _end(self, name: str, end: int) -> None:
        if any(frame.name == name for frame in self.frames[1:]):
            while self.frames[-1].name != name:
                self._end_frame(end)
            self._end_frame(end)

    def _end_frame(self, end: int) -> None:
        self._flush()
        frame = self.frames.pop()
        above, span = self.frames[-1], Span(frame.start, end)
        if frame.name in _ITEMS:
            above.items.append(tuple(frame.blocks))
            if above.name not in _LISTS:
                above.blocks.append(Listing((above.items.pop(),), ordered=False, span=span))
        elif frame.name in _LISTS:
            items = (*frame.items, *((tuple(frame.blocks),) if frame.blocks else ()))
            above.blocks.append(Listing(items, frame.name == "ol", span))
        elif frame.name == "blockquote":
            above.blocks.append(Quote(tuple(frame.blocks), span))
        elif frame.name == "tr":
            above.rows.append(tuple(frame.cells))
            above.blocks += frame.blocks
        else:
            above.blocks.append(Table(tuple(frame.rows), span))
            above.blocks += frame.blocks

    def _end_code(self, end: int) -> None:
        if self.code is None:
            return
        start, language = self.code
        text = self._taken()
        self.code = None
        lead = len(text.text) - len(text.text.lstrip("\n"))
        text = text.part(lead, max(lead, len(text.text.rstrip())))
        self.frames[-1].blocks.append(Code(text, language, Span(start, end)))

    def _taken(self) -> Passage:
        passage = self.pen.passage()
        self.pen, self.links, self.marked = Pen(), [], None
        return passage.stripped() if self.code is None else passage

    def _flush(self) -> None:
        """What was written is a paragraph or a heading."""
        if not self.pen.at or self.code is not None:
            return
        words = self._taken()
        if words.text:
            block = Heading(self.heading, words) if self.heading else Paragraph(words)
            self.frames[-1].blocks.append(block)


def _attributes(token: _Token) -> dict[str, str]:
    return {
        name.lower(): unescape(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(token.attributes)
    }


def _brush(attributes: dict[str, str]) -> str | None:
    """The language that a block of code says it is in."""
    said = f"{attributes.get('data-syntaxhighlighter-params', '')} {attributes.get('class', '')}"
    found = _BRUSH.search(said)
    return found[1].lower() if found else None
