"""Results that are no row of the great table: tables of their own. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import calls

NONE = "–"
NEVER_MS = 10**6


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a title and a sentence."""

    title: str
    told: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def of(found: dict[str, Any]) -> Iterator[Section]:
    """One for each of those scenarios that was measured."""
    makers = {
        "features": _features,
        "mixed": _mixed,
        "scaling": _scaling,
        "cold": _cold,
        "soak": _soak,
        "shipping": _shipping,
        "judging": _judging,
    }
    for name, make in makers.items():
        if found.get(name):
            yield make(found[name])


def interval(one: dict[str, float]) -> str:
    """A median and where it lies with 95 % confidence."""
    return f"{one['median']:,.0f} ({one['low']:,.0f} to {one['high']:,.0f})"


def _features(found: dict[str, Any]) -> Section:
    chat, stream = found[calls.CHAT.name], found[calls.STREAM.name]
    return Section(
        "Features, one by one",
        "One worker of dd0c with ever more of its features, 32 connections. Processor time is the "
        "worker's; what a step adds is the median of differences within a round, with its 95 % "
        "interval. Trace ids are made and passed on in every row. Sampled tracing is in none, "
        "as this version exports no spans.",
        [
            "with",
            "chat, answers a second",
            "µs of an answer",
            "the step adds, µs",
            f"{calls.STREAM.name}, a second",
            "µs of a stream",
            "the step adds, µs",
            "MB RSS",
        ],
        [
            [
                name,
                *_step(chat[name]),
                *_step(stream[name]),
                f"{found['memory'][name]['rss_bytes'] / 1024**2:,.0f}",
            ]
            for name in chat
        ],
    )


def _step(row: dict[str, Any]) -> list[str]:
    added = row.get("costs_us")
    busy_us = row["subject_cpu"] / row["per_s"] * 1e6 if row["per_s"] else 0.0
    spread = (
        f"{added['median']:,.1f} ({added['low']:,.1f} to {added['high']:,.1f})" if added else NONE
    )
    return [f"{'' if row['saturated'] else '≥ '}{row['per_s']:,.0f}", f"{busy_us:,.1f}", spread]


def _mixed(found: dict[str, Any]) -> Section:
    kinds = [call.name for call, _ in calls.MIX]
    shares = ", ".join(f"{weight} % {call.name}" for call, weight in calls.MIX)
    return Section(
        "Mixed traffic",
        f"{shares}, by the clock, at half of what each subject does of them: p99 of each kind in "
        "ms, and in brackets that of direct calls at the same rate.",
        ["", "requests a second", *kinds, "failed"],
        [
            [
                name,
                f"{row['per_s']:,.0f}",
                *(_beside(row, kind) for kind in kinds),
                f"{row['failed']:,}",
            ]
            for name, row in found.items()
        ],
    )


def _beside(row: dict[str, Any], kind: str) -> str:
    if "p99_ms" not in row:
        return NONE
    direct = row["direct_p99_ms"].get(kind)
    return f"{_ms(row['p99_ms'][kind])}" + (f" ({_ms(direct)})" if direct is not None else "")


def _ms(value: float) -> str:
    return "never" if value >= NEVER_MS else f"{value:,.1f}"


def _scaling(found: dict[str, Any]) -> Section:
    numbers = list(next(iter(found.values())))
    return Section(
        "Workers",
        "Chat 1 kB, answers a second, 32 connections for each thread of the load generator, each "
        "worker on a processor of its own; and µs of processor time of an answer.",
        ["", *(f"{number} worker{'s' if number != '1' else ''}" for number in numbers)],
        [
            [name, *(_workers(by_number[number]) for number in numbers)]
            for name, by_number in found.items()
        ],
    )


def _workers(row: dict[str, Any]) -> str:
    busy_us = row["subject_cpu"] / row["per_s"] * 1e6 if row["per_s"] else 0.0
    bound = "" if row["saturated"] and row["apart"] else "≥ "
    return f"{bound}{row['per_s']:,.0f}; {busy_us:,.0f} µs"


def _cold(found: dict[str, Any]) -> Section:
    return Section(
        "Cold start",
        "From starting the program until it has answered a request, with nothing else running, and "
        "the memory of what serves a second later. `dd0c` makes its home, with a database, first; "
        "`dd0c, again` finds it.",
        ["", "median, s", "all starts, s", "idle, MB RSS"],
        [
            [
                name,
                f"{row['median_s']:,.2f}",
                ", ".join(f"{one:,.2f}" for one in row["starts_s"]),
                f"{row['idle_rss_bytes'] / 1024**2:,.0f}" if row["idle_rss_bytes"] else NONE,
            ]
            for name, row in found.items()
        ],
    )


def _soak(found: dict[str, Any]) -> Section:
    return Section(
        "A long run",
        "Mixed requests, 32 connections; memory of what serves after each fiftieth of them. Growth "
        "is the median of all slopes between two looks, with its 95 % interval, without the first "
        "fifth.",
        ["", "requests", "failed", "first, MB RSS", "last, MB RSS", "grows, MB a million requests"],
        [
            [
                name,
                f"{row['requests']:,}",
                f"{row['failed']:,}",
                f"{row['rss_bytes'][0] / 1024**2:,.1f}",
                f"{row['rss_bytes'][-1] / 1024**2:,.1f}",
                "{median:,.2f} ({low:,.2f} to {high:,.2f})".format(**row["grows_mb_per_million"]),
            ]
            for name, row in found.items()
        ],
    )


def _shipping(found: dict[str, Any]) -> Section:
    each = ", ".join(f"{one:,}" for one in found["rounds_per_s"])
    return Section(
        "Into the ledger",
        "Attempts of one worker's spool into PostgreSQL that syncs nothing: the work of both, not "
        "of the disk.",
        ["", "rows a second, median", "each round"],
        [[f"{found['rows']:,} rows", f"{found['per_s']:,.0f}", each]],
    )


def _judging(found: dict[str, Any]) -> Section:
    commands, steps = found["commands"], found["steps"]
    return Section(
        "Commands judged, runbooks read",
        "In one process, warm, without a model; memory before the first verdict and after all.",
        ["", "measured", "bound"],
        [
            ["a verdict, median", f"{found['each_p50_ms']:,.1f} ms", NONE],
            ["a verdict, p99", f"{found['each_p99_ms']:,.1f} ms", "10 ms"],
            [f"{commands} commands at once", f"{found['all_ms']:,.0f} ms", "3,000 ms"],
            ["the first verdict of a process", f"{found['first_ms']:,.0f} ms", NONE],
            [f"{steps} steps, the first one", f"{found['first_step_ms']:,.0f} ms", "1,000 ms"],
            [f"{steps} steps, read", f"{found['parse_ms']:,.0f} ms", NONE],
            [
                f"{steps} steps, read and judged",
                f"{found['parse_ms'] + found['judge_ms']:,.0f} ms",
                "200 ms",
            ],
            ["memory", f"{found['before_mb']:,.0f} to {found['after_mb']:,.0f} MB RSS", NONE],
        ],
    )
