"""A runbook's text into steps: the way in (N-1, N-2).

Structure first: what is a heading, a list, a block is known before any sentence is read, and every
step says which characters of the source it was made from. Pure and deterministic: no server, no
model, no clock. Whatever is given, the answer is steps or `TooLarge`, within the bounds below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dd0c.base.errors import TooLarge
from dd0c.products.run.models import Format, Parsed, Remark, Step
from dd0c.products.run.parsing import html, markdown, sections
from dd0c.products.run.parsing.passages import Source
from dd0c.products.run.parsing.steps import Steps

SIZE_BYTES_MAX = 1 << 20
LINES_MAX = 20_000
SENTENCES_MAX = 12_000
TAGS_MAX = 60_000
STEPS_MAX = 2_000

_SENTENCE = re.compile(r"[.!?:](?=\s)|\n\s*\n")
_HTML = re.compile(
    r"\s*<(?:!doctype\s+html|html|head|body|h[1-6]|p|div|ul|ol|table|pre|section|article|ac:)\b",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(
    r"^(?:#{1,6} +\S|\s*(?:```|~~~)|=+\s*$|> |\|.*\||\[[^\]\n]{1,300}\]: |-{3,}\s*$)"
    r"|\*\*\S|`[^`\n]{1,300}`|\]\([^)\n]{1,300}\)",
    re.MULTILINE,
)


def decode(given: bytes) -> tuple[str, tuple[Remark, ...]]:
    """The text of a file, and what was wrong with its bytes."""
    if len(given) > SIZE_BYTES_MAX:
        raise TooLarge(f"a runbook may have {SIZE_BYTES_MAX // 1024} KiB")
    text = given.decode(errors="replace").removeprefix("\ufeff")
    wrong = text.count("\ufffd") - given.count("\ufffd".encode())
    if not wrong:
        return text, ()
    return text, (Remark(None, f"{wrong} places are not UTF-8 and were replaced"),)


def parse(source: str, format: Format | None = None) -> Parsed:
    """All steps of a runbook. TooLarge when it is over a bound."""
    page = _page(source)
    format = format or detect(source)
    steps = tuple(_steps(page, format))
    return Parsed(format, steps, tuple(page.remarks))


def iter_steps(source: str, format: Format | None = None) -> Iterator[Step]:
    """The steps, each as soon as its section has been read."""
    return _steps(_page(source), format or detect(source))


def _page(source: str) -> Source:
    if len(source) > SIZE_BYTES_MAX:
        raise TooLarge(f"a runbook may have {SIZE_BYTES_MAX // 1024} KiB")
    page = Source(source)
    if len(page.lines) > LINES_MAX:
        raise TooLarge(f"a runbook may have {LINES_MAX:,} lines, this has {len(page.lines):,}")
    if sum(1 for _ in _SENTENCE.finditer(page.text)) > SENTENCES_MAX:
        raise TooLarge(f"a runbook may have {SENTENCES_MAX:,} sentences")
    return page


def _steps(page: Source, format: Format) -> Iterator[Step]:
    if format is Format.HTML:
        if page.text.count("<") > TAGS_MAX:
            raise TooLarge(f"a page may have {TAGS_MAX:,} tags")
        blocks = html.read(page)
    else:
        blocks = markdown.read(page, plain=format is Format.TEXT)
    steps = Steps(page)
    for drafts in sections.read(page, blocks):
        for draft in drafts:
            yield from steps.of(draft)
            if steps.count > STEPS_MAX:
                raise TooLarge(f"a runbook may have {STEPS_MAX:,} steps")


def detect(source: str) -> Format:
    """How a text is written, by its first signs; what has none is plain text."""
    if _HTML.match(source):
        return Format.HTML
    return Format.MARKDOWN if _MARKDOWN.search(source) else Format.TEXT
