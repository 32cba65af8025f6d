"""Reads an export of a provider. Pure: text in, lines out, or InvalidInput with line and field.

All or nothing: a line that cannot be right (a fraction of a token, a negative number, the same line
twice, a column that is missing or that we do not know) refuses the whole export. Numbers never pass
through a float.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from dd0c.base.errors import InvalidInput
from dd0c.products.route.models import PICO_PER_DOLLAR
from dd0c.products.route.reconcile.forms import (
    CSV_FORMS,
    CSV_NAMES,
    JSON_FORMS,
    Form,
    Measure,
    Source,
)

LINES_MAX: Final = 200_000
DAYS_MAX: Final = 400
COUNT_MAX: Final = 10**15
AMOUNT_MAX: Final = Decimal(1_000_000)
DAY = timedelta(days=1)
_COUNT = re.compile(r"[0-9]{1,18}")
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,40})?")
_FIRST, _LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What a provider says of a model on a day, or of one request. None: it does not say.

    `where` is its place in the export, `sums` tokens, and picodollars of cost.
    """

    where: str
    day: date
    model: str | None
    sums: Mapping[Measure, int]
    keys: tuple[str, ...] = ()
    credential: str | None = None
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A whole export: its lines, and the days that it covers, `until` not included."""

    form: Form
    lines: tuple[Line, ...]
    since: date
    until: date

    @property
    def by_model(self) -> bool:
        """Whether each line names its model."""
        return all(line.model is not None for line in self.lines)


def read(source: Source, text: str) -> Export:
    """The export, whatever of its provider's forms it has."""
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        form, found, span = _read_json(source, text)
    else:
        form, found, span = _read_csv(source, text)
    lines: list[Line] = []
    seen: dict[tuple[Any, ...], str] = {}
    for where, values in found:
        line = _line(form, where, values)
        if line is None:
            continue
        same = tuple((k, str(v)) for k, v in sorted(values.items()) if k not in form.measured)
        if same in seen:
            raise InvalidInput(f"{where}: the same as {seen[same]}, with its numbers once more")
        seen[same] = where
        lines.append(line)
    days = [line.day for line in lines] + span
    if not days:
        raise InvalidInput("the export has no line with usage or cost")
    since, until = min(days), max(days) + DAY
    if (until - since).days > DAYS_MAX:
        raise InvalidInput(f"the export covers more than {DAYS_MAX} days: {since} to {max(days)}")
    return Export(form, tuple(lines), since, until)


Found = tuple[Form, Sequence[tuple[str, Values]], list[date]]


def _read_csv(source: Source, text: str) -> Found:
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff")), strict=True)
    try:
        header = [CSV_NAMES.get(name.strip(), name.strip()) for name in next(rows, [])]
        form = _choose(source, header)
        found = list(_csv_lines(form, header, rows))
    except csv.Error as error:
        raise InvalidInput(f"line {rows.line_num}: {error}") from None
    return form, found, []


def _choose(source: Source, header: Sequence[str]) -> Form:
    """The form with these columns; says what is missing of the one that is nearest."""
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise InvalidInput(f"line 1, column {twice}: it is there twice")
    forms = [form for form in CSV_FORMS if form.source is source]
    form = min(forms, key=lambda form: len(form.marks - set(header)))
    if missing := sorted(form.marks - set(header)):
        raise InvalidInput(
            f"line 1: the column {missing[0]} is missing", hint=f"it is needed in a {form.kind}"
        )
    if unknown := [name for name in header if name not in form.columns]:
        raise InvalidInput(
            f"line 1, column {unknown[0] or '(without a name)'}: not known in a {form.kind}",
            hint=f"known are {', '.join(sorted(form.columns))}",
        )
    if not form.measured & set(header):
        raise InvalidInput(f"line 1: one column of {', '.join(sorted(form.measured))} is needed")
    return form


def _csv_lines(
    form: Form, header: Sequence[str], rows: Any
) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    for row in rows:
        where = f"line {rows.line_num}"
        if not row:
            continue
        if len(row) != len(header):
            raise InvalidInput(f"{where}: {len(row)} fields under {len(header)} columns")
        if rows.line_num > LINES_MAX:
            raise InvalidInput(f"the export has more than {LINES_MAX:,} lines")
        values = {name: cell.strip() or None for name, cell in zip(header, row, strict=True)}
        if any(values.get(name) is not None for name in form.measured):
            yield where, values  # else a day without any usage


def _read_json(source: Source, text: str) -> Found:
    """One page of an Admin API, or a list of all its pages."""
    try:
        given = json.loads(text.lstrip("\ufeff"), parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the export is no JSON: {error}") from None
    pages = given if isinstance(given, list) else [given]
    form: Form | None = None
    lines: list[tuple[str, Values]] = []
    days: list[date] = []
    for number, page in enumerate(pages):
        at = f"[{number}]." if isinstance(given, list) else ""
        for place, bucket in _items(page, "data", at):
            start, day = _bucket(bucket, place)
            days.append(day)
            for where, result in _items(bucket, "results", f"{place}."):
                values = {**_flat(result, where), start: bucket[start]}
                found = _form_of(source, values, where)
                if form not in (None, found):
                    raise InvalidInput(f"{where}: usage and cost are exports of their own")
                form = found
                lines.append((where, values))
                if len(lines) > LINES_MAX:
                    raise InvalidInput(f"the export has more than {LINES_MAX:,} results")
    if pages and isinstance(pages[-1], dict) and pages[-1].get("has_more"):
        raise InvalidInput("has_more: there are more pages", hint="put all of them into a list")
    if form is None:
        raise InvalidInput("data: no result in it says what was used or charged")
    return form, lines, days


def _items(of: Any, name: str, at: str) -> Iterator[tuple[str, Any]]:
    found = of.get(name) if isinstance(of, dict) else None
    if not isinstance(found, list):
        raise InvalidInput(f"{at}{name}: must be a list")
    yield from ((f"{at}{name}[{number}]", one) for number, one in enumerate(found))


def _bucket(bucket: Any, where: str) -> tuple[str, date]:
    """The name of a bucket's start, and its day; it must lie within one."""
    names = (("start_time", "end_time"), ("starting_at", "ending_at"))
    pair = next((p for p in names if isinstance(bucket, dict) and p[0] in bucket), None)
    if pair is None:
        raise InvalidInput(f"{where}: neither start_time nor starting_at is there")
    start, end = (_moment(bucket.get(name), f"{where}.{name}") for name in pair)
    if not start < end or end > _midnight(start.date()) + DAY:
        raise InvalidInput(f"{where}.{pair[1]}: a bucket must lie within one day (UTC)")
    return pair[0], start.date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _flat(result: Any, where: str) -> dict[str, Any]:
    if not isinstance(result, dict):
        raise InvalidInput(f"{where}: must be an object")
    flat: dict[str, Any] = {}
    for name, value in result.items():
        inner = value if isinstance(value, dict) else None
        flat |= {name: value} if inner is None else {f"{name}.{k}": v for k, v in inner.items()}
    return flat


def _form_of(source: Source, values: Values, where: str) -> Form:
    kind = values.get("object")
    for form in JSON_FORMS:
        if form.source is source and (kind == form.kind if kind else form.marks <= values.keys()):
            if missing := sorted(form.marks - values.keys()):
                raise InvalidInput(f"{where}.{missing[0]}: is missing")
            return form
    raise InvalidInput(f"{where}: no usage or cost of {source} that can be compared: {kind or '?'}")


def _line(form: Form, where: str, values: Values) -> Line | None:
    """One line; None for an empty one."""
    sums = {
        measure: sum(_number(form, measure, where, name, values.get(name)) for name in names)
        for measure, names in form.sums.items()
        if any(values.get(name) is not None for name in names)
    }
    for name in sorted(form.measured & form.marks):
        if values.get(name) is None:
            raise InvalidInput(f"{where}, {name}: is empty")
    if form.currency and str(values.get(form.currency)).lower() != "usd":
        raise InvalidInput(f"{where}, {form.currency}: must be USD")
    if sums.get(Measure.CACHED, 0) > sums.get(Measure.INPUT, COUNT_MAX):
        raise InvalidInput(f"{where}, {form.sums[Measure.CACHED][0]}: more than went in")
    return Line(
        where=where,
        day=_moment(values[form.start], f"{where}, {form.start}").date(),
        model=_text(values, form.model, where),
        sums=sums,
        keys=tuple(filter(None, (_text(values, name, where) for name in form.keys))),
        credential=_text(values, form.credential, where),
        request=_text(values, form.request, where),
    )


def _text(values: Values, name: str, where: str) -> str | None:
    found = values.get(name) if name else None
    if found is None:
        return None
    if not isinstance(found, str) or not found.isprintable() or len(found) > 256:
        raise InvalidInput(f"{where}, {name}: must be printable text of at most 256 characters")
    return found


def _number(form: Form, measure: Measure, where: str, name: str, value: Any) -> int:
    """A count of tokens, or an amount in picodollars; nothing counts as 0 beside others."""
    if value is None:
        return 0
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if measure is not Measure.COST:
        if isinstance(value, bool) or not _COUNT.fullmatch(text) or int(text) > COUNT_MAX:
            raise InvalidInput(
                f"{where}, {name}: must be a whole number of tokens, not {text[:40]!r}"
            )
        return int(text)
    if isinstance(value, bool) or not _AMOUNT.fullmatch(text):
        raise InvalidInput(
            f"{where}, {name}: must be an amount such as 12.50, not negative, not {text[:40]!r}"
        )
    dollars = Decimal(text).scaleb(-form.places)
    if dollars > AMOUNT_MAX:
        raise InvalidInput(f"{where}, {name}: more than {AMOUNT_MAX:,} dollars")
    return round(dollars * PICO_PER_DOLLAR)


def _moment(value: Any, where: str) -> datetime:
    """Seconds since 1970, a day, or a moment; without a zone it is UTC."""
    try:
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            found = datetime.fromtimestamp(int(value), UTC)
        else:
            found = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError, OSError):
        raise InvalidInput(f"{where}: {str(value)[:40]!r} is no day or moment") from None
    found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    if not _FIRST <= found < _LAST:
        raise InvalidInput(f"{where}: {found:%Y-%m-%d} is not between 2020 and 2200")
    return found
