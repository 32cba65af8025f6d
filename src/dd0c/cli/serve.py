"""The verbs that run on the host: all of dd0c, one part of it, the migrations.

Flags become settings; what a flag does not say comes from the environment and dd0c.toml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from dd0c.base import log, settings
from dd0c.cli import output, progress

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = {
    "home": click.option(
        "--home",
        type=click.Path(path_type=Path),
        help="Folder with all state (DD0C_HOME; default ~/.dd0c).",
    ),
    "gateway_port": click.option(
        "--gateway-port", type=int, help="Port of the LLM gateway (DD0C_GATEWAY_PORT; 8080)."
    ),
    "console_port": click.option(
        "--console-port", type=int, help="Port of console and API (DD0C_CONSOLE_PORT; 8081)."
    ),
    "workers": click.option(
        "--workers", type=int, help="Gateway workers (DD0C_WORKERS; one per processor, at most 8)."
    ),
}


def _flags(*names: str) -> Callable[[F], F]:
    def add(function: F) -> F:
        for name in reversed(names):
            function = _OPTIONS[name](function)
        return function

    return add


@click.command()
@_flags("home", "gateway_port", "console_port", "workers")
def up(**flags: Any) -> int:
    """Start everything on this machine: PostgreSQL, Valkey, gateway, console, worker.

    Without a provider key in the environment, simulated providers answer, so that everything can be
    tried offline. With OPENAI_API_KEY or ANTHROPIC_API_KEY those providers are registered.

    Ctrl-C finishes open requests (at most 30 s), then stops; a second Ctrl-C cuts them. SIGHUP, or
    `dd0c reload`, takes over new settings and code without a refused connection.

    \b
    Examples:
      dd0c up
      dd0c up --home /srv/dd0c --gateway-port 9000 --console-port 9001
      OPENAI_API_KEY=sk-… dd0c up
    """
    from dd0c.app import up as app

    return app.main(settings.load(flags), flags, click.echo)


@click.command()
@_flags("home", "gateway_port", "workers")
@click.option("--check", is_flag=True, help="Say whether it could start so, and end.")
def gateway(*, check: bool, **flags: Any) -> int:
    """Run the LLM gateway alone, against a database that `dd0c migrate` has prepared.

    SIGHUP, or `dd0c reload`, takes over new settings and code without a refused connection.

    \b
    Example:
      DD0C_DATABASE_URL=postgresql://… dd0c gateway --workers 4
    """
    from dd0c.app import gateway as app

    found = settings.load(flags)
    if check:
        click.echo(app.check(found))
        return 0
    log.configure("gateway", form=found.log_format)
    return app.main(found)


@click.command()
@_flags("home", "console_port")
@click.option("--listen-fd", type=int, hidden=True, help="An inherited listening socket.")
def control(*, listen_fd: int | None, **flags: Any) -> int:
    """Run the console and the API alone.

    \b
    Example:
      DD0C_DATABASE_URL=postgresql://… dd0c control --console-port 8081
    """
    from dd0c.app import control as app

    found = settings.load(flags)
    log.configure("control", form=found.log_format)
    return app.main(found, listen_fd=listen_fd)


@click.command()
@_flags("home")
def worker(**flags: Any) -> int:
    """Run the job worker alone.

    \b
    Example:
      DD0C_DATABASE_URL=postgresql://… dd0c worker
    """
    from dd0c.app import worker as app

    found = settings.load(flags)
    log.configure("worker", form=found.log_format)
    return app.main(found)


@click.command()
@_flags("home")
@output.formats("json")
def migrate(*, how: output.How, **flags: Any) -> None:
    """Bring the database's roles and schema up to date; `dd0c up` does this by itself.

    \b
    Example:
      export DD0C_DATABASE_URL=postgresql://…
      DD0C_DATABASE_ADMIN_URL=postgresql://… dd0c migrate
    """
    from dd0c.app import prepare

    log.configure("migrate", level="warning")
    with progress.working("bringing the database up to date …") as say:
        found = prepare.main(settings.load(flags), say=lambda step: say(f"{step} …"))
    if how == "json":
        output.write_json(asdict(found))
        return
    for step in found.steps:
        click.echo(f"{step}: done")
    for name in found.migrations:
        click.echo(f"applied {name}")
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo("the database is up to date")
