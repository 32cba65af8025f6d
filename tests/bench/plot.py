"""Panels of dots on a logarithmic scale, as one SVG that needs no script and no font."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, LEFT, RIGHT = 860, 26, 110, 90
_HEAD, _FOOT, _TOP = 34, 30, 44
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }
.grid { stroke: #d8dee4 } .dot { fill: #6e7781 } .ours { fill: #0969da } .range { stroke: #6e7781 }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #d1d7e0 } .grid { stroke: #3d444d } .ours { fill: #4493f8 } .paper { fill: #0d1117 }
}"""


@dataclass(frozen=True, slots=True)
class Value:
    """A row: one dot for each number, and where the number lies if that is known."""

    name: str
    numbers: Sequence[float]
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """A title and its rows."""

    title: str
    rows: Sequence[Value]

    @property
    def height(self) -> int:
        return _HEAD + ROW * len(self.rows) + _FOOT


def draw(title: str, panels: Sequence[Panel]) -> str:
    """The picture. A row without a positive number shows a dash."""
    height = _TOP + sum(panel.height for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text x="12" y="24">{escape(title)}</text>',
    ]
    top = _TOP
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: int) -> list[str]:
    numbers = [n for row in panel.rows for n in (*row.numbers, *(row.interval or ())) if n > 0]
    parts = [f'<text class="title" x="12" y="{top + 18}">{escape(panel.title)}</text>']
    if not numbers:
        return [*parts, f'<text x="{LEFT}" y="{top + _HEAD + 12}">not measured</text>']
    low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
    high = max(high, low + 1)

    def across(number: float) -> float:
        share = (math.log10(max(number, 10**low)) - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    floor = top + _HEAD + ROW * len(panel.rows)
    for power in range(low, high + 1):
        x = across(10.0**power)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 26}" y2="{floor}"/>')
        label = f"{10.0**power:,.{max(0, -power)}f}"
        parts.append(f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{label}</text>')
    for number, row in enumerate(panel.rows):
        y = top + _HEAD + ROW * number + ROW // 2
        parts.append(f'<text x="12" y="{y + 4}">{escape(row.name)}</text>')
        if row.interval:
            x1, x2 = (across(bound) for bound in row.interval)
            parts.append(f'<line class="range" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y}" y2="{y}"/>')
        ours = "ours" if row.name.startswith("dd0c") else "dot"
        shown = [value for value in row.numbers if value > 0]
        parts += [
            f'<circle class="{ours}" cx="{across(value):.1f}" cy="{y}" r="5">'
            f"<title>{escape(row.name)}: {value:,.4g}</title></circle>"
            for value in shown
        ]
        text = f"{max(shown):,.{0 if max(shown) >= 10 else 1}f}" if shown else "–"
        x = across(max(shown)) if shown else LEFT
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 4}">{text}</text>')
    return parts
