"""What is said of the results, and what is not: doubts, rows, sections, the command's words."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.bench import doubts, report, rounds, session
from tests.bench.__main__ import main
from tests.bench.subject import Flags
from tests.bench.wrk import Throughput

MACHINE = {"processor": "x", "processors": 2, "kernel": "6", "python": "3.11"}
PUBLISHED = Path(__file__).parents[2] / "bench" / "results" / "results.json"


def result(**parts: Any) -> dict[str, Any]:
    """A result of these parts, of a run without doubts."""
    made: dict[str, Any] = {
        "at": "2026-01-02T03:04:05+00:00",
        "machine": MACHINE,
        "plan": {"rounds": 1, "seconds": 1, "streams": 9},
        "quick": False,
        "processors_apart": True,
        "subjects": {},
        "missing": {},
        "doubts": [],
    }
    return made | parts


def subject(**flags: bool) -> dict[str, Any]:
    """How a subject stands in a result."""
    return {"version": "1.2", "features": "all", "flags": asdict(Flags(**flags))}


def test_an_idle_subject_puts_its_figure_in_doubt() -> None:
    """Proofs 6: a run whose load generator was the bottleneck says so."""
    busy, idle = (Throughput(1000.0, 0, 900, share, 0.5) for share in (0.97, 0.4))
    rows = {"direct": session.summary([idle]), "nginx": session.summary([busy])}
    found = result(throughput={"chat": rows}, streams={})
    assert doubts.of(found) == []
    rows["nginx"] = session.summary([idle, idle, busy])
    (doubt,) = doubts.of(found)
    assert "nginx used 40%" in doubt
    assert "direct calls are hardly faster" in doubt
    rows["nginx"] = session.summary([busy])
    found["streams"] = {"direct": {"p99_ns": 20_000_000}}
    assert doubts.of(found) == ["streams: events called for directly took 20.0 ms themselves"]


def test_a_busy_or_late_generator_puts_the_run_in_doubt() -> None:
    """Proofs 22: a saturated generator makes a result inconclusive, and so does one that sends
    late, whose processor is the subject's, or that shares the machine with others."""
    assert doubts.of(result(soak={"dd0c": {"generator_cpu": 0.95}})) == [
        "soak, dd0c: the load generator used 95% of a processor"
    ]
    assert doubts.of(result(half={"dd0c": {"lag_p99_us": 1500.0}})) == [
        "half load, dd0c: requests left 1.5 ms late"
    ]
    assert doubts.of(result(mixed={"dd0c": {"lag_p99_ms": 2.5}})) == [
        "mixed, dd0c: requests left 2.5 ms late"
    ]
    row = {"at_p99_ms": {"1": {"inconclusive": True}, "5": {"inconclusive": False}}}
    assert doubts.of(result(frontier={"dd0c": row})) == [
        "frontier, dd0c: direct calls or the generator end it at 1 ms"
    ]
    assert doubts.of(result(scaling={"dd0c": {"1": {"apart": True}, "2": {"apart": False}}})) == [
        "scaling, dd0c: 2 workers leave no processor to the load generator"
    ]
    assert doubts.of(result(elsewhere_busy=1.2)) == [
        "other programs kept 1.2 processors busy before the run"
    ]
    assert len(doubts.of(result(processors_apart=False))) == 1


def test_what_limits_leave_is_told_beside_their_bound() -> None:
    """R-44: by hand: 50, 60 and 72 of 80 answers a second are 0.75 in the middle; 100 of 80 µs of
    processor time are 0.8, of 125 0.64, which is too little."""
    held, bare = (
        session.summary(
            [Throughput(per_s, 0, 900, cpu_us * per_s / 1e6, 0.5) for per_s, cpu_us in t]
        )
        for t in (((50, 100), (60, 125), (72, 125)), ((80, 80), (80, 80), (80, 80)))
    )
    left = rounds.share_left({"dd0c-limits": held, "dd0c-bare": bare})
    assert left == {
        "per_s": {"median": 0.75, "low": 0.625, "high": 0.9},
        "per_cpu": {"median": 0.64, "low": 0.64, "high": 0.8},
    }
    (told,) = report.limits({"limits": {"chat": left, "stream": None}})
    assert "leave 0.64 (0.64 to 0.80) of" in told
    assert "0.75 (0.62 to 0.90) of the answers a second; the bound of 0.7 does not hold" in told
    assert rounds.share_left({"dd0c-limits": held}) is None


def test_every_flag_of_a_subject_is_told_on_or_off() -> None:
    """Proofs 6: the result names every feature flag; tracing, which is not there, is off."""
    told = report.markdown(result(subjects={"dd0c": subject(keys=True, ledger=True)}))
    assert (
        "- dd0c: all (on: keys, ledger; off: routing, usage, metrics, limits, budgets, trace ids, "
        "trace export)." in told
    )


def test_a_part_of_a_run_has_rows_of_that_part_only() -> None:
    """R-44: what was not measured is left out, not shown as nothing; what could not be started
    is missing."""
    streams = {
        "direct": {"events": 9, "lost": 0, "p99_ns": 1_000_000, "added_p99_ns": 0},
        "dd0c": {"events": 8, "lost": 1, "p99_ns": 3_500_000, "added_p99_ns": 2_500_000},
    }
    found = result(
        subjects={"direct": subject(), "dd0c": subject()},
        missing={"litellm": "no network"},
        streams=streams,
    )
    assert report.rows(found) == [
        ["version", "1.2", "1.2", "missing"],
        ["9 streams: p99 of an event, ms", "1.0", "3.5", "missing"],
        ["9 streams: added to p99 of an event, ms", "0.0", "2.5", "missing"],
        ["9 streams: events lost", "0", "1", "missing"],
    ]


def test_sections_tell_what_is_no_row() -> None:
    """R-44: growth with its interval, starts, mixed traffic beside direct calls, rows a second and
    what a verdict takes stand in tables of their own."""
    grows = {"median": 0.25, "low": -0.5, "high": 1.0}
    soaked = {"requests": 5000, "failed": 0, "rss_bytes": [1048576, 2097152]}
    mixed = {
        "per_s": 90.0,
        "failed": 0,
        "p99_ms": {"chat 1 kB": 2.0, "stream of 64 events": 3.0, "chat 400 kB": 1e6},
        "direct_p99_ms": {"chat 1 kB": 1.0, "stream of 64 events": 1.5, "chat 400 kB": 1.25},
    }
    told = report.markdown(
        result(
            soak={"dd0c": soaked | {"grows_mb_per_million": grows}},
            cold={"dd0c": {"starts_s": [1.5, 2.5], "median_s": 2.0, "idle_rss_bytes": 0}},
            mixed={"dd0c": mixed},
            shipping={"rows": 400, "rounds_per_s": [19000, 21000], "per_s": 20000.0},
            judging={
                "commands": 500,
                "each_p50_ms": 2.04,
                "each_p99_ms": 7.0,
                "all_ms": 1234.0,
                "first_ms": 90.0,
                "steps": 50,
                "first_step_ms": 8.0,
                "parse_ms": 40.0,
                "judge_ms": 60.0,
                "before_mb": 30.0,
                "after_mb": 70.0,
            },
        )
    )
    assert "| dd0c | 5,000 | 0 | 1.0 | 2.0 | 0.25 (-0.50 to 1.00) |" in told
    assert "| dd0c | 2.00 | 1.50, 2.50 | – |" in told
    assert "| dd0c | 90 | 2.0 (1.0) | 3.0 (1.5) | never (1.2) | 0 |" in told
    assert "| 400 rows | 20,000 | 19,000, 21,000 |" in told
    assert "| 500 commands at once | 1,234 ms | 3,000 ms |" in told
    assert "| 50 steps, read and judged | 100 ms | 200 ms |" in told


def test_features_are_told_step_by_step() -> None:
    """R-44: by hand: 0.5 of a processor for 10,000 answers a second are 50 µs for each."""
    steps = [Throughput(10_000.0, 0, 900, 0.5, 0.5), Throughput(10_000.0, 0, 900, 0.9, 0.5)]
    one, two = (session.summary([step]) for step in steps)
    two["costs_us"] = {"median": 40.0, "low": 39.0, "high": 41.5}
    kind = {"auth only": one, "+ ledger": two}
    memory = {name: {"rss_bytes": 32 * 1024**2} for name in kind}
    found = {"chat 1 kB": kind, "stream of 64 events": kind, "memory": memory}
    told = report.markdown(result(features=found))
    assert "| auth only | ≥ 10,000 | 50.0 | – | ≥ 10,000 | 50.0 | – | 32 |" in told
    assert "| + ledger | 10,000 | 90.0 | 40.0 (39.0 to 41.5) |" in told


def test_the_published_results_can_be_told_and_drawn() -> None:
    """R-44: the page and the picture are made from the file that the repository holds."""
    found = json.loads(PUBLISHED.read_text())
    assert report.page(found).startswith("# Benchmarks\n")
    assert report.plot(found).startswith("<svg")


def test_help_tells_every_part_and_a_wrong_name_is_refused() -> None:
    """R-44: parts can be run by name, and the help names them all."""
    runner = CliRunner()
    told = runner.invoke(main, ["--help"]).output
    for name in (*session.SCENARIOS, "litellm", "portkey", "envoy", "rolter"):
        assert name in told
    wrong = runner.invoke(main, ["--scenario", "speed"])
    assert wrong.exit_code == 2
    assert "there is no speed" in wrong.output
