"""`python -m tests.bench`: measure, print the table, write JSON and plot."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from tests.bench import machine, report, rounds
from tests.bench.peers import PEERS
from tests.bench.rounds import Plan
from tests.bench.subject import Place
from tests.bench.upstream import Missing

RESULTS = Path(__file__).parents[2] / "bench" / "results"
DEFAULT = Plan()
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dd0c-bench"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--peers", default=",".join(PEERS), show_default=True, help="Whom to measure.")
@click.option("--rounds", "count", type=click.IntRange(1, 100), default=DEFAULT.rounds)
@click.option(
    "--seconds", type=click.IntRange(1, 60), default=DEFAULT.seconds, help="Of each round."
)
@click.option("--turns", type=click.IntRange(10, 100_000), default=DEFAULT.turns)
@click.option("--streams", type=click.IntRange(1, 10_000), default=DEFAULT.streams)
@click.option("--quick", is_flag=True, help="Half a minute to see that it works; not to be quoted.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="Where results go.")
def main(
    peers: str, count: int, seconds: int, turns: int, streams: int, quick: bool, out: Path
) -> None:
    """Measure dd0c beside nginx, LiteLLM and Portkey on this machine, and direct calls as base.

    The first run installs the peers below ~/.cache/dd0c-bench. All traffic stays on loopback. The
    exit status is 1 when the load generator was the slowest part, so that nothing can be said.
    """
    names = [name.strip() for name in peers.split(",") if name.strip()]
    if unknown := sorted(set(names) - set(PEERS)):
        raise click.UsageError(f"no peer is called {', '.join(unknown)}: {', '.join(PEERS)}")
    plan = Plan(names, count, seconds, turns, streams)
    if quick:
        plan = Plan(names, 1, 1, 50, 50)
    console = Console(stderr=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="dd0c-bench-") as scratch,
            console.status("starting") as status,
        ):
            Path(scratch).chmod(0o755)
            place = Place(Path(scratch), CACHE, machine.processors())
            found = rounds.run(plan, place, status.update)
    except Missing as reason:
        raise click.ClickException(f"nothing was measured: {reason}") from reason
    found |= {"quick": quick, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    doubts = report.doubts(found)
    found["doubts"] = doubts
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "results.md").write_text(report.markdown(found))
    (out / "results.svg").write_text(report.plot(found))
    Console().print(report.table(found))
    for name, reason_text in found["missing"].items():
        click.echo(f"missing: {name}: {reason_text}")
    for left in report.limits(found):
        click.echo(left)
    for doubt in doubts:
        click.echo(f"inconclusive: {doubt}")
    click.echo(f"written to {out}/results.json, results.md and results.svg")
    sys.exit(1 if doubts else 0)


if __name__ == "__main__":
    main()
