"""The result as people read it: one table, on a terminal and as Markdown, and what is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from tests.bench import calls, rounds
from tests.bench.plot import Panel, Value
from tests.bench.plot import draw as draw_panels

Cell = Callable[[str], str]

CLEARLY_FASTER = 1.2
STREAMS_DIRECT_MS = 5.0  # what a gateway may add at most
LIMITS_LEAVE = 0.7  # of the bare relay
NONE = "–"


def names(found: dict[str, Any]) -> list[str]:
    """Who was measured, in order, then who is missing."""
    return [*found["subjects"], *found["missing"]]


def rows(found: dict[str, Any]) -> list[list[str]]:
    """One row for each figure, one cell for each subject. `≥` marks a lower bound."""
    nginx = found["throughput"][calls.CHAT.name].get("nginx", {}).get("per_s")

    def throughput(scenario: str) -> Cell:
        return lambda name: _rate(found["throughput"][scenario][name])

    def busy(scenario: str) -> Cell:
        return lambda name: _busy(found["throughput"][scenario][name])

    def added(scenario: str) -> Cell:
        return lambda name: _added(found["latency"][scenario].get(name))

    def reached(bound_ms: int) -> Cell:
        return lambda name: _reached(found["frontier"][name]["at_p99_ms"][str(bound_ms)])

    def stream(show: Callable[[dict[str, Any]], str]) -> Cell:
        return lambda name: show(found["streams"][name]) if name in found["streams"] else NONE

    def beside_nginx(name: str) -> str:
        rate = found["throughput"][calls.CHAT.name][name]["per_s"]
        return f"{rate / nginx:.3f}" if nginx else NONE

    def memory(when: str) -> Cell:
        return lambda name: _megabytes(found["memory"][name][when]["rss_bytes"])

    count = f"{found['plan']['streams']:,} streams"
    table: list[tuple[str, Cell]] = [
        ("version", lambda name: found["subjects"][name]["version"] or NONE),
        ("chat 1 kB, answers a second at 32 connections", throughput(calls.CHAT.name)),
        ("the same as a multiple of nginx", beside_nginx),
        ("chat 400 kB, answers a second", throughput(calls.LONG.name)),
        (f"{calls.STREAM.name}, streams a second", throughput(calls.STREAM.name)),
        ("chat 1 kB, added at 1 connection, median µs (95 %)", added(calls.CHAT.name)),
        ("chat 400 kB, added at 1 connection, median µs (95 %)", added(calls.LONG.name)),
        ("chat 1 kB, processor time of an answer, µs", busy(calls.CHAT.name)),
        (f"{calls.STREAM.name}, processor time of a stream, µs", busy(calls.STREAM.name)),
        *((f"requests a second with p99 ≤ {ms} ms", reached(ms)) for ms in rounds.BOUNDS_MS),
        (f"{count}: p99 of an event, ms", stream(_delay)),
        (f"{count}: events lost", stream(lambda row: f"{row['lost']:,}")),
        ("memory of the serving process, idle, MB RSS", memory("idle")),
        ("the same after load, MB RSS", memory("loaded")),
    ]
    measured = found["subjects"]
    return [
        [what, *(cell(name) if name in measured else "missing" for name in names(found))]
        for what, cell in table
    ]


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


def doubts(found: dict[str, Any]) -> list[str]:
    """Why figures of this run may not be quoted: the generator was the bottleneck."""
    doubtful = []
    if not found["processors_apart"]:
        doubtful.append("one processor: subject and load generator take time from each other")
    for scenario, taken in found["throughput"].items():
        direct = taken.get("direct", {}).get("per_s")
        for name, row in taken.items():
            if name == "direct" or row["saturated"]:
                continue
            busy = f"{name} used {row['subject_cpu']:.0%} of its processor"
            if direct is None:
                doubtful.append(
                    f"{scenario}: {busy}, and nothing shows that direct calls are faster"
                )
            elif direct < row["per_s"] * CLEARLY_FASTER:
                doubtful.append(f"{scenario}: {busy}, direct calls are hardly faster")
            else:
                doubtful.append(f"{scenario}: {busy}, so its figure is a lower bound")
    delay_ms = found["streams"].get("direct", {}).get("p99_ns", 0) / 1e6
    if delay_ms > STREAMS_DIRECT_MS:
        doubtful.append(f"streams: events called for directly took {delay_ms:,.1f} ms themselves")
    return doubtful


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


def table(found: dict[str, Any]) -> Table:
    """For the terminal."""
    shown = Table(title=_title(found), title_justify="left")
    shown.add_column("")
    for name in names(found):
        shown.add_column(name, justify="right")
    for row in rows(found):
        shown.add_row(*row)
    return shown


def markdown(found: dict[str, Any]) -> str:
    """For people who read the repository."""
    heads = ["", *names(found)]
    lines = [f"{_title(found)}.", "", _line(heads), "|---" + "|---:" * (len(heads) - 1) + "|"]
    lines += [_line(row) for row in rows(found)]
    lines += [""] + [f"- {name}: {one['features']}." for name, one in found["subjects"].items()]
    lines += [f"- {one}." for one in limits(found)]
    lines += [f"- {name} is missing: {reason}" for name, reason in found["missing"].items()]
    lines += [f"- Inconclusive: {doubt}." for doubt in found["doubts"]]
    return "\n".join([*lines, "", "![The same as a plot](results.svg)", ""])


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
    """Four panels on logarithmic scales."""
    chat, latency = found["throughput"][calls.CHAT.name], found["latency"][calls.CHAT.name]
    added = {name: row["added_us"] for name, row in latency.items() if row["turns"]}
    panels = [
        Panel(
            "Answers a second, chat 1 kB, 32 connections",
            [Value(name, [row["per_s"]]) for name, row in chat.items()],
        ),
        Panel(
            "Added at one connection, µs, with 95 % interval: less is better",
            [Value(n, [x["median"]], (x["low"], x["high"])) for n, x in added.items()],
        ),
        Panel(
            "Requests a second with p99 within 1, 5 and 10 ms",
            [
                Value(name, [x["per_s"] for x in row["at_p99_ms"].values() if x["per_s"]])
                for name, row in found["frontier"].items()
            ],
        ),
        Panel(
            "Memory of the serving process after load, MB: less is better",
            [
                Value(name, [row["loaded"]["rss_bytes"] / 1024**2])
                for name, row in found["memory"].items()
                if row["loaded"]["rss_bytes"]
            ],
        ),
    ]
    return draw_panels(_title(found), panels)
