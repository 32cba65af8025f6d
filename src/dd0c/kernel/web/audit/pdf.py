"""Events as PDF, for those who file paper: totals, how to check, then a line an event.

The fonts that every reader has know Western European letters; others are written as escapes such as
`\\u4e2d`, so that nothing is lost and no font is embedded. The library is loaded when the first PDF
is made (15 MB). At most ROWS_MAX events: beyond, a file for programs serves better.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dd0c.base.errors import InvalidInput
from dd0c.kernel.web.audit import rows, table
from dd0c.kernel.web.audit.rows import Selection
from dd0c.kernel.web.audit.shapes import Names

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

ROWS_MAX = 10_000
WIDTH, HEIGHT, MARGIN = 841.89, 595.28, 36.0  # A4, lying
SIZE, LEADING, GAP = 7.0, 9.0, 6.0
BODY, BOLD, FIXED = "Helvetica", "Helvetica-Bold", "Courier"
GREY = 0.45
COLUMNS = (("No.", 34.0), ("Time, UTC", 92.0), ("Event", 116.0), ("By", 148.0), ("On", 148.0))
FACTS_X = MARGIN + sum(width for _, width in COLUMNS)
FACTS_WIDTH = WIDTH - MARGIN - FACTS_X


@dataclass(slots=True)
class Printed:
    """What is going to be printed."""

    lines: list[tuple[str, ...]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""
    sha256: str = ""


async def gather(selected: Selection) -> Printed:
    """The selection in memory; InvalidInput when it is too long for paper."""
    found, hashed = Printed(), hashlib.sha256(table.head(selected).encode())
    async for page in rows.pages(selected):
        for entry in page.entries:
            said = entry.read()
            beside = page.disclosed.get(entry.sequence)
            found.lines.append(_line(said, page.names, beside.private if beside else {}))
            found.kinds[said["event"]] += 1
            found.first, found.last = found.first or said["at"], said["at"]
        if len(found.lines) > ROWS_MAX:
            raise InvalidInput(
                f"more than {ROWS_MAX:,} events are too many for a PDF",
                hint="take CSV, or narrow it with since, until, actor, event or subject",
            )
        for line in table.write(page, selected):
            hashed.update(line.encode())
    found.sha256 = hashed.hexdigest()
    return found


def draw(found: Printed, selected: Selection, now: datetime) -> bytes:
    """The PDF. It takes a second or two for the most: call it in a thread."""
    from reportlab.pdfgen.canvas import Canvas  # 15 MB: only who prints pays

    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), pageCompression=1, invariant=1)
    canvas.setTitle(f"Audit log {selected.head.origin}")
    canvas.setAuthor("dd0c")
    Sheet(canvas, selected.head.origin).write(found, selected, now)
    canvas.save()
    return file.getvalue()


class Sheet:
    """A document that grows downwards, page by page."""

    def __init__(self, canvas: Canvas, foot: str):
        self._canvas = canvas
        self._foot = foot
        self._y = HEIGHT - MARGIN

    def write(self, found: Printed, selected: Selection, now: datetime) -> None:
        """All of it."""
        self._text(MARGIN, "Audit log", BOLD, 16.0)
        self._down(22.0)
        for name, value in _summary(found, selected, now):
            self._text(MARGIN, name, BODY, 8.0, grey=True)
            for line in _wrap(value, FIXED, 8.0, WIDTH - 2 * MARGIN - 110):
                self._text(MARGIN + 110, line, FIXED, 8.0)
                self._down(11.5)
        self._down(8.0)
        self._totals(found)
        self._head()
        for cells in found.lines:
            self._row(cells)
        self._end()

    def _totals(self, found: Printed) -> None:
        """How many of each event, in columns beside each other."""
        names = sorted(found.kinds.items(), key=lambda each: (-each[1], each[0]))
        across, step = 4, (WIDTH - 2 * MARGIN) / 4
        for at, (name, count) in enumerate(names):
            x = MARGIN + at % across * step
            self._canvas.setFont(BODY, 8.0)
            self._canvas.drawRightString(x + 36, self._y, f"{count:,}")
            self._text(x + 42, name, BODY, 8.0, grey=True)
            if at % across == across - 1 or at == len(names) - 1:
                self._down(11.0)
        self._down(10.0)

    def _head(self) -> None:
        x = MARGIN
        for name, width in (*COLUMNS, ("What", FACTS_WIDTH)):
            self._text(x, name, BOLD, SIZE)
            x += width
        self._rule(self._y - 3.0)
        self._down(LEADING + 4.0)

    def _row(self, cells: Sequence[str]) -> None:
        widths = (*(width for _, width in COLUMNS), FACTS_WIDTH)
        wrapped = [
            [line for part in cell.split("\n") for line in _wrap(part, BODY, SIZE, width - GAP)]
            for cell, width in zip(cells, widths, strict=True)
        ]
        for at in range(max(map(len, wrapped))):
            if self._y < MARGIN + LEADING:
                self._end()
                self._head()
            x = MARGIN
            for column, (lines, width) in enumerate(zip(wrapped, widths, strict=True)):
                if at < len(lines):
                    self._text(x, lines[at], BODY, SIZE, grey=column in (0, 1))
                x += width
            self._down(LEADING)
        self._rule(self._y + LEADING - 3.0, light=True)
        self._down(2.0)

    def _text(self, x: float, text: str, font: str, size: float, *, grey: bool = False) -> None:
        self._canvas.setFillGray(GREY if grey else 0.0)
        self._canvas.setFont(font, size)
        self._canvas.drawString(x, self._y, text)
        self._canvas.setFillGray(0.0)

    def _rule(self, y: float, *, light: bool = False) -> None:
        self._canvas.setLineWidth(0.25 if light else 0.6)
        self._canvas.setStrokeGray(0.8 if light else 0.2)
        self._canvas.line(MARGIN, y, WIDTH - MARGIN, y)

    def _down(self, by: float) -> None:
        self._y -= by

    def _end(self) -> None:
        self._y = MARGIN - 14.0
        self._text(MARGIN, self._foot, BODY, SIZE, grey=True)
        self._canvas.setFillGray(GREY)
        self._canvas.drawRightString(WIDTH - MARGIN, self._y, f"{self._canvas.getPageNumber()}")
        self._canvas.showPage()
        self._y = HEIGHT - MARGIN


def plain(text: str) -> str:
    """The text in letters that the fonts have; others, and what does not print, as escapes."""
    shown = text.encode("cp1252", "backslashreplace").decode("cp1252")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


def _line(said: Mapping[str, Any], names: Names, private: Mapping[str, Any]) -> tuple[str, ...]:
    def called(text: str) -> str:
        return f"{plain(names[text])}\n{plain(text)}" if text in names else plain(text)

    told = [*said["facts"].items(), *private.items()]
    return (
        str(said["sequence"]),
        said["at"][:19].replace("T", " "),
        said["event"],
        called(said["actor"]),
        called(said["subject"]),
        plain(
            "  ·  ".join(f"{name}: {_value(value)}" for name, value in told if value is not None)
        ),
    )


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _summary(found: Printed, selected: Selection, now: datetime) -> Iterator[tuple[str, str]]:
    head, wanted = selected.head, selected.wanted
    asked = {
        "since": wanted.since and wanted.since.isoformat(),
        "until": wanted.until and wanted.until.isoformat(),
        "actor": wanted.actor,
        "event": wanted.name,
        "subject": wanted.subject,
    }
    chosen = "   ".join(f"{name} {plain(value)}" for name, value in asked.items() if value)
    yield "Log", head.origin
    yield "Events", f"{len(found.lines):,} of {selected.size:,}"
    yield "Chosen", chosen or "all"
    yield "From, to", f"{found.first[:19]}Z to {found.last[:19]}Z" if found.first else "nothing"
    yield "Written", f"{now:%Y-%m-%dT%H:%M:%SZ}"
    yield "Signed root", f"{head.signed.root.hex()} of {head.signed.size:,} events"
    yield "SHA-256 of CSV", f"{found.sha256} of the same selection, with size={selected.size}"
    yield "To check it", "export the same as bundle, and run its verify.py"


def _wrap(text: str, font: str, size: float, width: float) -> list[str]:
    """The text in lines of that width; a word that is longer is cut."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    lines, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        while stringWidth(joined, font, size) > width:
            if line:
                lines.append(line)
                joined, line = word, ""
                continue
            fits = len(joined)
            while fits > 1 and stringWidth(joined[:fits], font, size) > width:
                fits -= 1
            lines.append(joined[:fits])
            joined = joined[fits:]
        line = joined
    return [*lines, line]
