"""How verdicts look: the risk as a word with a colour, why, and which part of the text it is about.

What is judged may attack whoever reads about it: of its characters only those that print reach the
terminal, all others are written out (`\\x1b`, `\\u202e`).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from dd0c.cli import output
from dd0c.scan.models import Risk, Span, Understood, Verdict

TINTS = {
    Risk.SAFE: "green",
    Risk.CAUTION: "yellow",
    Risk.DANGEROUS: "red",
    Risk.BLOCKED: "magenta",
}
INDENT = " " * (max(len(risk.label) for risk in Risk) + 2)
REASONS_SHOWN = 3
TEXT_SHOWN = 500
WIDTH_IN_PIPE = 100
MARK = "~"
TREE_SHOWN = 200
LINES_SHOWN = 6


def as_json(verdict: Verdict) -> dict[str, object]:
    """The verdict for programs; spans count characters of the text."""
    return {
        "text": verdict.text,
        "risk": verdict.risk.label,
        "effects": sorted(verdict.effects),
        "findings": [
            {
                "risk": one.risk.label,
                "rule": one.rule,
                "span": [one.span.start, one.span.end],
                "reason": one.reason,
            }
            for one in verdict.findings
        ],
        "pack": verdict.pack,
    }


def brief(verdict: Verdict) -> Iterator[str]:
    """The command in a line, and the worst reasons."""
    yield f"{word(verdict.risk)}  {clipped(verdict.text)}"
    yield from reasons(verdict)


def reasons(verdict: Verdict) -> Iterator[str]:
    """The worst of them, a line each."""
    for one in verdict.findings[:REASONS_SHOWN]:
        yield f"{INDENT}{paint(one.rule, dim=True)}: {output.visible(one.reason)}"
    more = len(verdict.findings) - REASONS_SHOWN
    if more > 0:
        yield f"{INDENT}{paint(f'and {more} more', dim=True)}"


def explained(verdict: Verdict, understood: Sequence[Understood]) -> Iterator[str]:
    """The commands that were found, every reason under the part that it is about, and by what it
    was judged."""
    yield f"{word(verdict.risk)}  {clipped(verdict.text)}"
    if understood:
        yield ""
        yield f"{INDENT}understood as"
        yield from (f"{INDENT}{line}" for line in _tree(understood))
    for one in verdict.findings:
        yield ""
        yield from underlined(verdict.text, one.span, TINTS[one.risk])
        risk = paint(one.risk.label, fg=TINTS[one.risk])
        yield f"{INDENT}{risk} {one.rule}: {output.visible(one.reason)}"
    if not verdict.findings:
        yield f"{INDENT}every word of it is known, and none of them changes anything"
    yield ""
    yield f"{INDENT}effects: {', '.join(sorted(verdict.effects)) or 'none'}"
    yield f"{INDENT}judged by: {verdict.pack}"


def _tree(understood: Sequence[Understood]) -> Iterator[str]:
    """Each command below the one that runs it, or that it is a part of."""
    above: list[Understood] = []
    for one in understood[:TREE_SHOWN]:
        while above and not _holds(above[-1], one):
            above.pop()
        yield f"{'  ' * len(above)}- {clipped(' '.join(map(_quoted, one.words)))}"
        above.append(one)
    if len(understood) > TREE_SHOWN:
        yield f"… ({len(understood) - TREE_SHOWN:,} more)"


def _holds(outer: Understood, inner: Understood) -> bool:
    if inner.path[: len(outer.path)] == outer.path:
        return True
    begins, ends = outer.span.start <= inner.span.start, inner.span.end <= outer.span.end
    return begins and ends and len(inner.path) == len(outer.path)


def _quoted(text: str) -> str:
    """A word so that it can be told where it ends."""
    return text if text and not set(text) & set(" \t\n'\"") else f"[{text}]"


def underlined(text: str, span: Span, tint: str) -> Iterator[str]:
    """The lines of the text that the span touches, with marks under it."""
    at = 0
    shown = 0
    for line in text.split("\n"):
        start, end = max(span.start - at, 0), min(span.end - at, len(line))
        if 0 <= start < end or (start == end == span.start - at):
            if shown == LINES_SHOWN:
                yield f"{INDENT}…"
                return
            shown += 1
            yield from _marked(line, start, end, tint)
        at += len(line) + 1


def _marked(line: str, start: int, end: int, tint: str) -> Iterator[str]:
    """The line, as much around the marks as there is room for."""
    from rich.cells import cell_len  # only who looks at spans pays

    room = _width() - len(INDENT)
    left = max(0, start - max(room // 3, room - (end - start) - 2))
    before = ("…" if left else "") + output.visible(line[left:start])
    marked = output.visible(line[start:end][:room])
    rest = line[start:end][room:] + line[end:]
    free = max(room - len(before) - len(marked), 0)
    after = output.visible(rest[:free]) + ("…" if len(rest) > free else "")
    yield f"{INDENT}{before}{paint(marked, bold=True)}{after}"
    yield f"{INDENT}{' ' * cell_len(before)}{paint(MARK * max(cell_len(marked), 1), fg=tint)}"


def word(risk: Risk) -> str:
    """Its word in its colour, as wide as all of them."""
    shown = risk.label.ljust(len(INDENT) - 2)
    return paint(shown, fg=TINTS[risk], bold=risk >= Risk.DANGEROUS)


def paint(text: str, **style: Any) -> str:
    """The text with that style, where escape sequences may go."""
    return click.style(text, **style) if output.in_colour(sys.stdout) else text


def clipped(text: str) -> str:
    """The text in one line of characters that print, as much as a person looks at."""
    shown = output.visible(text[:TEXT_SHOWN])
    return shown if len(text) <= TEXT_SHOWN else f"{shown}… ({len(text) - TEXT_SHOWN:,} more)"


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_IN_PIPE


def write(lines: Iterable[str]) -> None:
    """To stdout, whose colours were decided when they were made."""
    for line in lines:
        click.echo(line, color=True)
