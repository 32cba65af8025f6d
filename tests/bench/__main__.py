"""`python -m tests.bench`: measure, print the table, write JSON and plot."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tests.bench import doubts, machine, report, rounds
from tests.bench.peers import PEERS
from tests.bench.session import SCENARIOS, Plan
from tests.bench.subject import Missing, Place

RESULTS = Path(__file__).parents[2] / "bench" / "results"
DEFAULT = Plan()
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dd0c-bench"

_PARTS = "\n".join(f"  {name:11} {what}" for name, what in SCENARIOS.items())
_EPILOG = f"""\b
Scenarios:
{_PARTS}

\b
Peers: {", ".join(PEERS)}

\b
Parts of a run, each a few minutes or less:
  make bench ARGS=--quick
  make bench ARGS="--scenario throughput,latency --peers direct,nginx,dd0c"
  make bench ARGS="--scenario features"
  make bench ARGS="--scenario soak --soak 200000 --peers nginx,dd0c --out /tmp/soak"
"""


def _chosen(_: click.Context, parameter: click.Parameter, given: str) -> list[str]:
    """The names of a list, all known; in our order, direct calls first."""
    known: Sequence[str] = tuple(PEERS) if parameter.name == "peers" else tuple(SCENARIOS)
    names = {name.strip() for name in given.split(",") if name.strip()}
    if unknown := sorted(names - set(known)):
        raise click.BadParameter(f"there is no {', '.join(unknown)}: {', '.join(known)}")
    return [name for name in known if name in names]


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.option(
    "--scenario",
    "scenarios",
    default=",".join(SCENARIOS),
    callback=_chosen,
    metavar="A,B",
    help="What to measure, see below; everything by default.",
)
@click.option(
    "--peers",
    default=",".join(PEERS),
    callback=_chosen,
    metavar="A,B",
    help="Whom to measure, see below; everybody by default.",
)
@click.option("--rounds", "count", type=click.IntRange(1, 100), help=f"[{DEFAULT.rounds}]")
@click.option("--seconds", type=click.IntRange(1, 60), help=f"Of each round. [{DEFAULT.seconds}]")
@click.option(
    "--turns", type=click.IntRange(10, 100_000), help=f"At 1 connection. [{DEFAULT.turns}]"
)
@click.option("--streams", type=click.IntRange(1, 10_000), help=f"At once. [{DEFAULT.streams}]")
@click.option("--soak", type=click.IntRange(100, 100_000_000), help=f"Requests. [{DEFAULT.soak:,}]")
@click.option("--quick", is_flag=True, help="A few minutes to see that it works; not to be quoted.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="Where results go.")
def main(
    scenarios: list[str],
    peers: list[str],
    count: int | None,
    seconds: int | None,
    turns: int | None,
    streams: int | None,
    soak: int | None,
    quick: bool,
    out: Path,
) -> None:
    """Measure dd0c beside other gateways and proxies on this machine, with direct calls as base.

    The first run installs the peers below ~/.cache/dd0c-bench. All traffic stays on loopback. The
    exit status is 1 when the load generator was the slowest part, so that nothing can be said.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended too
    plan = Plan(peers, scenarios)
    if quick:
        plan = plan.quick()
    plan = replace(
        plan,
        rounds=count or plan.rounds,
        seconds=seconds or plan.seconds,
        turns=turns or plan.turns,
        streams=streams or plan.streams,
        soak=soak or plan.soak,
    )
    found = _measure(plan)
    found |= {"quick": quick, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    found["doubts"] = doubts.of(found)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "results.md").write_text(report.markdown(found))
    (out / "results.svg").write_text(report.plot(found))
    console = Console()
    for table in report.tables(found):
        console.print(table)
    for name, reason in found["missing"].items():
        click.echo(f"missing: {name}: {reason}")
    for left in report.limits(found):
        click.echo(left)
    for doubt in found["doubts"]:
        click.echo(f"inconclusive: {doubt}")
    click.echo(f"written to {out}/results.json, results.md and results.svg")
    sys.exit(1 if found["doubts"] else 0)


def _measure(plan: Plan) -> dict[str, Any]:
    console = Console(stderr=True)

    def say(words: str) -> None:
        if console.is_terminal:
            status.update(words)
        else:
            console.print(f"{datetime.now(UTC):%H:%M:%S} {words}", highlight=False)

    try:
        with (
            tempfile.TemporaryDirectory(prefix="dd0c-bench-") as scratch,
            console.status("starting") as status,
        ):
            Path(scratch).chmod(0o755)
            place = Place(Path(scratch), CACHE, machine.processors())
            return rounds.run(plan, place, say)
    except Missing as reason:
        raise click.ClickException(f"nothing was measured: {reason}") from reason


if __name__ == "__main__":
    main()
