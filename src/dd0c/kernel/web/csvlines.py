"""CSV a line at a time, with nothing in it that a spreadsheet would take for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # wide ones too


def line(cells: Iterable[object]) -> str:
    """One line of CSV; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text).writerow("" if cell is None else neutral(str(cell)) for cell in cells)
    return text.getvalue()


def neutral(cell: str) -> str:
    """The text so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
