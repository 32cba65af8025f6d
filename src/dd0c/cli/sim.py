"""`dd0c sim`: the simulated providers, and a help that teaches their faults."""

from __future__ import annotations

from pathlib import Path

import click

from dd0c.base import log, settings


class WithTables(click.Command):
    """Ends its help with the tables of faults and of profiles."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from dd0c.sim import faults, latency

        with formatter.section("Faults (name=value; a flag stands alone)"):
            formatter.write(faults.table() + "\n")
        with formatter.section("Profiles (profile=name)"):
            formatter.write(latency.table() + "\n")


@click.command(cls=WithTables)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8090,
    show_default=True,
    help="0 picks a free one.",
)
@click.option("--faults", default="", help="For all requests, such as 'slow_first_token=200'.")
@click.option("--scenario", type=click.Path(path_type=Path), help="Rules: a TOML file.")
@click.option("--replay", type=click.Path(path_type=Path), help="A folder of recorded answers.")
@click.option("--listen-fd", type=int, hidden=True, help="An inherited listening socket.")
def sim(
    host: str,
    port: int,
    *,
    faults: str,
    scenario: Path | None,
    replay: Path | None,
    listen_fd: int | None,
) -> int:
    """Run simulated OpenAI and Anthropic providers, with faults on request.

    They answer chat completions, responses, completions, embeddings and models as OpenAI does;
    messages, count_tokens and models as Anthropic does. Any key is good, unless it begins with
    `invalid`; any model is there, unless its name begins with `unknown`. The same request gets the
    same answer, and its usage is counted.

    A request asks for its own faults in the header x-sim-fault: `name=value`, several with `;`. For
    the others a scenario decides: rules that say which faults strike which requests, how often and
    when. It comes from a file, or from PUT /_sim/scenario while the simulator runs. What happened
    is told by GET /_sim/stats and GET /_sim/requests/ID.

    \b
    Examples:
      dd0c sim --port 8090 --faults 'slow_first_token=200;pace=15'
      OPENAI_BASE_URL=http://127.0.0.1:8090/v1 OPENAI_API_KEY=any python my_program.py
      curl http://127.0.0.1:8090/v1/models -H 'Authorization: Bearer any' -H 'x-sim-fault: 429=2'
      curl -X PUT http://127.0.0.1:8090/_sim/scenario -d '{"rules": [{"faults": ["503", "503"]}]}'
      dd0c sim --scenario outage.toml      (docs/howto/simulator.md has one)
      dd0c sim --replay recordings         (then x-sim-fault: replay=chat.sse)
    """
    from dd0c.sim import server

    log.configure("sim", form=settings.load().log_format)
    return server.main(
        host, port, listen_fd=listen_fd, faults=faults, scenario=scenario, replay=replay
    )
