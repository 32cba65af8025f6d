"""Markdown, and plain text that looks like it, into blocks.

markdown-it finds the blocks and says in which lines they stand; the words within a line are read by
`markup`. Before that, what generators of pages add to Markdown (front matter, shortcodes) is
replaced by blanks, so that places stay what they are.

Authors are not exact: a fence stands at the margin although it belongs to an item, or four blanks
too deep, or nothing but a prompt says that a line of a paragraph is typed. All of that is read as
it is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from dd0c.products.run.parsing import html, markup, typed
from dd0c.products.run.parsing.blocks import (
    PARAGRAPH_MAX,
    Block,
    Code,
    Heading,
    Listing,
    Paragraph,
    Quote,
    Table,
)
from dd0c.products.run.parsing.passages import Passage, Source, joined
from dd0c.scan.models import Span

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT = re.compile(r"\A(---|\+\+\+)[ \t]*\n(?:.*\n){0,60}?\1[ \t]*(?:\n|\Z)")
_SHORTCODE = re.compile(r"^[ \t]*(?:\{\{[<%].*[>%]\}\}|\{%.*%\}|:::.*)[ \t]*$", re.MULTILINE)
_ADMONITION = re.compile(r"^(?:!!!|\?\?\?\+?) .*(?:\n(?: {4}.*|[ \t]*))*", re.MULTILINE)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([^`\n]*)$")
_PROMPTED = re.compile(r"^\s*(?:\$|[\w.-]+@[\w.-]+:\S*[$#]|\[\w+@[^\]]+\][$#])\s+\S")
_ROOT = re.compile(r"^\s*#\s+[a-z./]")
_TYPED_ROWS_MAX = 1_000  # lines of a paragraph that are asked, each, whether they are typed
_LETTERED = re.compile(r"^(\s*)[a-z](?=[.)] )", re.MULTILINE)
_CAPITALS = re.compile(r"[A-Z][A-Z0-9 /&-]{3,60}:?")


def read(source: Source, *, plain: bool = False) -> list[Block]:
    """The blocks of a page. Plain: `#`, `*` and `<` are no marks, CAPITALS are a heading."""
    if not plain:
        source = _without_additions(source)
    found: dict[str, Any] = {}
    text = _LETTERED.sub(r"\g<1>1", source.text) if plain else source.text
    tokens = _parser(plain).parse(text, found)
    targets = {name: entry["href"] for name, entry in found.get("references", {}).items()}
    return _Reader(source, targets, plain).blocks(tokens)


@cache
def _parser(plain: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt  # 9 MB: only where a page is read

    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    if plain:
        parser.disable(["html_block", "heading", "reference", "blockquote", "hr"])
    else:
        parser.enable("table")
    parser.options["maxNesting"] = 24  # what is deeper is one paragraph; nobody can follow it
    return parser


def _without_additions(source: Source) -> Source:
    text = _FRONT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source.text)
    text = _SHORTCODE.sub(lambda m: " " * len(m[0]), text)
    text = _ADMONITION.sub(_as_quote, text)
    return source if text == source.text else Source(text)


def _as_quote(found: re.Match[str]) -> str:
    head, *body = found[0].split("\n")
    lines = [">" + line[1:] if line.startswith("    ") else line for line in body]
    return "\n".join([" " * len(head), *lines])


class _Reader:
    def __init__(self, source: Source, targets: Mapping[str, str], plain: bool) -> None:
        self.source = source
        self.targets = targets
        self.plain = plain

    def blocks(self, tokens: Sequence[Token]) -> list[Block]:
        """The blocks that stand directly in these tokens."""
        found: list[Block] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            close = _closing(tokens, position)
            found += self._block(token, tokens[position + 1 : close])
            position = close + 1
        return found

    def _block(self, token: Token, within: Sequence[Token]) -> list[Block]:
        span = self._span(token)
        match token.type:
            case "heading_open":
                return [Heading(int(token.tag[1]), self._words(within[0]))]
            case "paragraph_open":
                return self._paragraph(within[0])
            case "fence" | "code_block":
                return [self._code(token, span)]
            case "html_block":
                return html.read(self.source, span)
            case "bullet_list_open" | "ordered_list_open":
                ordered = token.type == "ordered_list_open"
                return [Listing(tuple(self._items(within)), ordered, span)]
            case "blockquote_open":
                return [Quote(tuple(self.blocks(within)), span)]
            case "table_open":
                return [Table(tuple(self._rows(within)), span)]
            case _:
                return []

    def _items(self, tokens: Sequence[Token]) -> list[tuple[Block, ...]]:
        items, position = [], 0
        while position < len(tokens):
            close = _closing(tokens, position)
            items.append(tuple(self.blocks(tokens[position + 1 : close])))
            position = close + 1
        return items

    def _rows(self, tokens: Sequence[Token]) -> list[tuple[Passage, ...]]:
        rows: list[tuple[Passage, ...]] = []
        cells: list[Passage] = []
        row: Passage | None = None  # read once: it may have a hundred thousand cells
        column = 0
        for token in tokens:
            if token.type == "tr_open":
                cells, column = [], 0
                row = self.source.row(token.map[0]) if token.map else None
            elif token.type == "inline" and row is not None:
                start = row.text.find(token.content, column)
                if start >= 0:
                    column = start + len(token.content)
                    cells.append(markup.read(row.part(start, column), self.targets))
            elif token.type == "tr_close":
                rows.append(tuple(cells))
        return rows

    def _span(self, token: Token) -> Span:
        first, last = token.map or (0, 1)
        while last > first + 1 and not self.source.lines[last - 1].strip():
            last -= 1
        end = self.source.starts[last - 1] + len(self.source.lines[last - 1])
        return Span(self.source.starts[first], end)

    def _rows_of(self, content: str, first: int) -> list[Passage]:
        """The lines of a token, each found in the line of the source that it is the end of."""
        rows = []
        for number, line in enumerate(content.split("\n"), first):
            if number >= len(self.source.lines):
                break
            raw = self.source.lines[number]
            column = len(raw.rstrip()) - len(line.rstrip())
            rows.append(self.source.row(number, max(column, 0)))
        return rows

    def _words(self, inline: Token) -> Passage:
        rows = self._rows_of(inline.content, inline.map[0] if inline.map else 0)
        return self._marked(rows)

    def _marked(self, rows: Sequence[Passage]) -> Passage:
        words = joined(
            (row.part(0, len(row.text.rstrip())) for row in rows),
            _is_break if self.plain else None,
        )
        words = words.part(0, PARAGRAPH_MAX)
        return words if self.plain else markup.read(words, self.targets).stripped()

    def _paragraph(self, inline: Token) -> list[Block]:
        """A paragraph; from a line with a prompt on it is a session, bare commands are blocks."""
        rows = self._rows_of(inline.content, inline.map[0] if inline.map else 0)
        blocks: list[Block] = []
        begin, number = 0, 0
        while number < len(rows) <= _TYPED_ROWS_MAX:
            until = self._typed_until(rows, number)
            if until > number:
                blocks += self._prose(rows[begin:number])
                text = joined(rows[number:until])
                blocks.append(Code(text, None, text.span))
                begin = until
            number = max(until, number + 1)
        return blocks + self._prose(rows[begin:])

    def _prose(self, rows: Sequence[Passage]) -> list[Block]:
        passage = self._marked(rows)
        if self.plain and len(rows) == 1 and _CAPITALS.fullmatch(passage.text):
            return [Heading(2, passage.part(0, len(passage.text.rstrip(":"))))]
        return [Paragraph(passage)] if passage.text else []

    def _typed_until(self, rows: Sequence[Passage], number: int) -> int:
        """Up to where it is typed what begins in this line; `number` itself when it is words."""
        line = rows[number].text
        if _PROMPTED.match(line) or (self.plain and _ROOT.match(line)):
            return len(rows)
        introduced = self.plain or (number > 0 and rows[number - 1].text.rstrip().endswith(":"))
        until = number
        while introduced and until < len(rows) and self._is_command(rows, number, until):
            until += 1
        return until

    def _is_command(self, rows: Sequence[Passage], first: int, number: int) -> bool:
        if number > first and rows[number - 1].text.rstrip().endswith(("\\", "|", "&&")):
            return True
        return typed.is_bare_command(rows[number].text)

    def _code(self, token: Token, span: Span) -> Code:
        first = (token.map or (0, 0))[0]
        fenced = token.type == "fence"
        rows = self._rows_of(token.content.removesuffix("\n"), first + fenced)
        if fenced and not token.content:
            rows = []
        language = token.info if fenced else ""
        if not fenced and rows and (fence := _FENCE.match(rows[0].text)):
            language = fence[2]
            closed = len(rows) > 1 and rows[-1].text.strip() == fence[1]
            rows = rows[1 : len(rows) - closed]
        return Code(joined(rows), _language(language), span)


def _is_break(before: str, after: str) -> bool:
    """Whether the author of plain text ended a line here, where it was not full."""
    return len(before) < 60 and (after[:1].isupper() or after[:1].isdigit())


def _language(info: str) -> str | None:
    """The first word behind a fence: `bash`, `{.sh}`, `shell-session,linenos`."""
    words = re.split(r"[\s,{}]+", info.strip().lower().lstrip("{. "), maxsplit=1)
    return words[0].lstrip(".") or None


def _closing(tokens: Sequence[Token], position: int) -> int:
    """The index of the token that closes the one at `position`; its own if it has none."""
    token = tokens[position]
    if token.nesting != 1:
        return position
    for index in range(position + 1, len(tokens)):
        if tokens[index].level == token.level and tokens[index].nesting == -1:
            return index
    return len(tokens)
