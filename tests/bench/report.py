"""The result as people read it: one table, on a terminal and as Markdown, and what is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.table import Table

from tests.bench import calls, paced, sections
from tests.bench.plot import Panel, Value
from tests.bench.plot import draw as draw_panels
from tests.bench.subject import Flags

Cell = Callable[[str], str]

LIMITS_LEAVE = 0.7  # of the bare relay
NONE = "–"


def names(found: dict[str, Any]) -> list[str]:
    """Who was measured, in order, then who is missing."""
    return [*found["subjects"], *(one for one in found["missing"] if one not in found["subjects"])]


def rows(found: dict[str, Any]) -> list[list[str]]:
    """One row for each figure, one cell for each subject; what was not measured has no row. `≥`
    marks a lower bound."""
    by_kind = found.get("throughput", {})
    chat = by_kind.get(calls.CHAT.name, {})
    nginx = chat.get("nginx", {}).get("per_s")

    def of(where: dict[str, Any], show: Callable[[Any], str]) -> Cell:
        return lambda name: show(where[name]) if name in where else NONE

    def throughput(kind: str) -> Cell:
        return of(by_kind.get(kind, {}), _rate)

    def busy(kind: str) -> Cell:
        return of(by_kind.get(kind, {}), _busy)

    def added(kind: str) -> Cell:
        return of(found.get("latency", {}).get(kind, {}), _added)

    def reached(bound_ms: int) -> Cell:
        return of(found.get("frontier", {}), lambda row: _reached(row["at_p99_ms"][str(bound_ms)]))

    def half(what: str) -> Cell:
        return of(found.get("half", {}), lambda row: _half(row, what))

    def memory(when: str) -> Cell:
        return of(found.get("memory", {}), lambda row: _megabytes(row[when]["rss_bytes"]))

    streams = found.get("streams", {})
    count = f"{found['plan']['streams']:,} streams"
    table: list[tuple[str, Cell]] = [
        ("version", lambda name: found["subjects"][name]["version"] or NONE),
        ("chat 1 kB, answers a second at 32 connections", throughput(calls.CHAT.name)),
        (
            "the same as a multiple of nginx",
            of(chat, lambda row: f"{row['per_s'] / nginx:.3f}" if nginx else NONE),
        ),
        ("chat 400 kB, answers a second", throughput(calls.LONG.name)),
        (f"{calls.STREAM.name}, streams a second", throughput(calls.STREAM.name)),
        ("chat, streams and 400 kB mixed, answers a second", throughput(calls.MIXED)),
        ("chat 1 kB, added at 1 connection, median µs (95 %)", added(calls.CHAT.name)),
        ("chat 400 kB, added at 1 connection, median µs (95 %)", added(calls.LONG.name)),
        ("chat 1 kB, added to the median at half load, µs (95 %)", half("p50_added_us")),
        ("chat 1 kB, added to p99 at half load, µs (95 %)", half("p99_added_us")),
        ("chat 1 kB, processor time of an answer, µs", busy(calls.CHAT.name)),
        (f"{calls.STREAM.name}, processor time of a stream, µs", busy(calls.STREAM.name)),
        *(
            (f"requests a second with p99{_added_to(found)} ≤ {ms} ms", reached(ms))
            for ms in paced.BOUNDS_MS
        ),
        (f"{count}: p99 of an event, ms", of(streams, _delay)),
        (f"{count}: added to p99 of an event, ms", of(streams, _delay_added)),
        (f"{count}: events lost", of(streams, lambda row: f"{row['lost']:,}")),
        (
            f"{count}: memory meanwhile, MB RSS",
            of(streams, lambda row: _megabytes(row.get("rss_bytes", 0))),
        ),
        ("memory of the serving process, idle, MB RSS", memory("idle")),
        ("the same after load, MB RSS", memory("loaded")),
    ]
    measured = found["subjects"]
    made = [
        [what, *(cell(name) if name in measured else "missing" for name in names(found))]
        for what, cell in table
    ]
    return [row for row in made if not set(row[1:]) <= {NONE, "missing"}]


def _added_to(found: dict[str, Any]) -> str:
    """Results of before were about p99 itself, not about what it is more than directly."""
    probes = [probe for row in found.get("frontier", {}).values() for probe in row["probes"]]
    return " added" if any("direct_ms" in probe for probe in probes) else ""


def _half(row: dict[str, Any], what: str) -> str:
    if row["failed"] or not row["pairs"]:
        return f"{row['failed']:,} failed" if row["failed"] else NONE
    return sections.interval(row[what])


def _delay_added(row: dict[str, Any]) -> str:
    if not row["events"] or "added_p99_ns" not in row:
        return NONE
    return f"{row['added_p99_ns'] / 1e6:,.1f}"


def _delay(row: dict[str, Any]) -> str:
    return f"{row['p99_ns'] / 1e6:,.1f}" if row["events"] else NONE


def _rate(row: dict[str, Any]) -> str:
    failed = f" ({row['failed']:,} failed)" if row["failed"] else ""
    return f"{'' if row['saturated'] else '≥ '}{row['per_s']:,.0f}{failed}"


def _busy(row: dict[str, Any]) -> str:
    busy = row["subject_cpu"] and row["per_s"]
    return f"{row['subject_cpu'] / row['per_s'] * 1e6:,.0f}" if busy else NONE


def _added(row: dict[str, Any] | None) -> str:
    if row is None:
        return NONE
    if not row["turns"]:
        return f"all {row['failed']:,} failed"
    added = row["added_us"]
    return f"{added['median']:,.0f} ({added['low']:,.0f} to {added['high']:,.0f})"


def _reached(one: dict[str, Any]) -> str:
    if one["per_s"] is None:
        return "?" if one["inconclusive"] else "none"
    return f"{'≥ ' if one['inconclusive'] else ''}{one['per_s']:,.0f}"


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f}" if size else NONE


def limits(found: dict[str, Any]) -> list[str]:
    """What limits, budgets and meter cost together, beside the bound that they have to keep."""
    told = []
    for scenario, left in found.get("limits", {}).items():
        if left is None:
            continue
        per_cpu, per_s = _spread(left["per_cpu"]), _spread(left["per_s"])
        held = "holds" if left["per_cpu"]["median"] >= LIMITS_LEAVE else "does not hold"
        told.append(
            f"{scenario}: limits, budgets and meter leave {per_cpu} of what a processor answers as "
            f"a bare relay, {per_s} of the answers a second; the bound of {LIMITS_LEAVE} {held}"
        )
    return told


def _spread(one: dict[str, float]) -> str:
    return f"{one['median']:.2f} ({one['low']:.2f} to {one['high']:.2f})"


def tables(found: dict[str, Any]) -> Iterator[Table]:
    """For the terminal."""
    yield _table(_title(found), ["", *names(found)], rows(found))
    for section in sections.of(found):
        yield _table(section.title, section.heads, section.rows)


def _table(title: str, heads: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    shown = Table(title=title, title_justify="left")
    for number, head in enumerate(heads):
        shown.add_column(head, justify="right" if number else "left")
    for row in cells:
        shown.add_row(*row)
    return shown


def markdown(found: dict[str, Any], picture: str = "results.svg") -> str:
    """For people who read the repository."""
    lines = [f"{_title(found)}.", "", *_grid(["", *names(found)], rows(found)), ""]
    for section in sections.of(found):
        lines += [f"## {section.title}", "", section.told, ""]
        lines += [*_grid(section.heads, section.rows), ""]
    lines += ["## Who was measured, and what it does", ""]
    lines += [f"- {name}: {one['features']}{_flags(one)}." for name, one in _told(found)]
    lines += [f"- {one}." for one in limits(found)]
    lines += [f"- {name} is missing: {reason}" for name, reason in found["missing"].items()]
    lines += ["", "## What may not be quoted", ""] if found["doubts"] else []
    lines += [f"- Inconclusive: {doubt}." for doubt in found["doubts"]]
    return "\n".join([*lines, "", f"![The same as a plot]({picture})", ""])


def _told(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(found["subjects"].items())


def _flags(subject: dict[str, Any]) -> str:
    told = Flags(**subject["flags"]).told() if "flags" in subject else ""
    return f" ({told})" if told else ""


def page(found: dict[str, Any]) -> str:
    """`docs/reference/benchmarks.md`."""
    how = (
        "Written from `bench/results/results.json` by `make docs`. `make bench` measures\n"
        "again, and `make bench ARGS=--help` says how to measure a part. Each gateway serves\n"
        "with one worker on a processor of its own, in front of the same upstream, beside direct\n"
        "calls. A figure with `≥` is a lower bound: something else was slower than its subject."
    )
    text = markdown(found, "../../bench/results/results.svg")
    return f"# Benchmarks\n\n{how}\n\n{text}"


def _grid(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    return [_line(heads), "|---" + "|---:" * (len(heads) - 1) + "|", *map(_line, cells)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _title(found: dict[str, Any]) -> str:
    at, machine, plan = found["at"][:10], found["machine"], found["plan"]
    quick = "A quick run, not to be quoted. " if found["quick"] else ""
    return (
        f"{quick}{at}, {machine['processor']}, {machine['processors']} processors, "
        f"Linux {machine['kernel']}, Python {machine['python']}; one worker each, medians of "
        f"{plan['rounds']} interleaved rounds of {plan['seconds']} s"
    )


def plot(found: dict[str, Any]) -> str:
    """A panel for each kind of figure, on logarithmic scales."""
    chat = found.get("throughput", {}).get(calls.CHAT.name, {})
    latency = found.get("latency", {}).get(calls.CHAT.name, {})
    steps = found.get("features", {}).get(calls.CHAT.name, {})
    panels = [
        Panel(
            "Answers a second, chat 1 kB, 32 connections",
            [Value(name, [row["per_s"]]) for name, row in chat.items()],
        ),
        Panel("Added at one connection, µs, with 95 % interval: less is better", _spans(latency)),
        Panel(
            "Requests a second with p99 added within 1, 5 and 10 ms",
            [
                Value(name, [x["per_s"] for x in row["at_p99_ms"].values() if x["per_s"]])
                for name, row in found.get("frontier", {}).items()
            ],
        ),
        Panel(
            "1,000 streams of 50 events a second: p99 of an event, ms: less is better",
            [
                Value(name, [row["p99_ns"] / 1e6])
                for name, row in found.get("streams", {}).items()
                if row["events"]
            ],
        ),
        Panel(
            "dd0c's features one by one: processor time of an answer, µs: less is better",
            [
                Value(name, [row["subject_cpu"] / row["per_s"] * 1e6])
                for name, row in steps.items()
                if row["per_s"]
            ],
        ),
        Panel(
            "Memory of the serving process after load, MB: less is better",
            [
                Value(name, [row["loaded"]["rss_bytes"] / 1024**2])
                for name, row in found.get("memory", {}).items()
                if row["loaded"]["rss_bytes"]
            ],
        ),
    ]
    return draw_panels(_title(found), [panel for panel in panels if panel.rows])


def _spans(latency: dict[str, Any]) -> list[Value]:
    added = {name: row["added_us"] for name, row in latency.items() if row["turns"]}
    return [Value(n, [x["median"]], (x["low"], x["high"])) for n, x in added.items()]
