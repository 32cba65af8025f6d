"""`dd0c doctor`: what is wrong, why, and what to do.

Two rounds. On the host the home is looked at: modes, disk, what runs and what takes its ports, the
database itself. Then the running dd0c is asked over its API to exercise its own dependencies. Each
finding names a cause and a remedy; nothing is changed. The checks are tables in `checks`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TypeVar

import click

from dd0c.base import redact, settings
from dd0c.base.errors import Error
from dd0c.cli import client, output, progress
from dd0c.cli.checks import api, database, host, running
from dd0c.cli.checks.finding import Bounds, Finding, problem, worst
from dd0c.cli.output import Column, How
from dd0c.cli.progress import Say

T = TypeVar("T")

ON_HOST = {**host.CHECKS, **running.CHECKS, **database.CHECKS}


@click.command()
@click.option("--deep", is_flag=True, help="Connect to the providers, too; nothing is sent there.")
@output.formats("json")
def doctor(*, deep: bool, how: How) -> int:
    """Find out what is wrong, why, and what to do. The exit status is 1 when something is.

    A warning is no problem: the status stays 0.

    \b
    Examples:
      dd0c doctor
      dd0c --profile staging doctor          without the checks of its machine
      dd0c doctor --deep
      dd0c doctor --json | jq '.findings[] | select(.state != "ok")'
    """
    with progress.working("looking …") as say:
        findings = list(examine(os.environ, deep=deep, say=say))
    state = worst(findings)
    if how == "json":
        output.write_json({"status": state, "findings": [asdict(f) for f in findings]})
    else:
        output.write_table(COLUMNS, [line for one in findings for line in _lines(one)])
    return 1 if state == "problem" else 0


COLUMNS = (
    Column("state", lambda line: line[0], "state"),
    Column("check", lambda line: line[1], "whole"),
    Column("what was found, and what to do", lambda line: line[2]),
)


def _lines(finding: Finding) -> Iterator[tuple[str, str, str]]:
    yield finding.state, finding.name, finding.cause
    if finding.remedy:
        yield "", "", f"→ {finding.remedy}"


def examine(
    environ: Mapping[str, str],
    *,
    deep: bool = False,
    say: Say = lambda _: None,
    bounds: Bounds | None = None,
) -> Iterator[Finding]:
    """All findings; the host is left out where another dd0c is asked."""
    limits = bounds or Bounds()
    gateway_url = None
    try:
        elsewhere = client.is_elsewhere(environ, client.chosen_profile())
    except Error as error:
        yield problem(error.message, error.hint, name="profiles")
        return
    if not elsewhere:
        try:
            here = host.Host.of(settings.load(environ=environ), environ, limits)
        except Error as error:
            yield problem(error.message, error.hint, name="home")
            return
        gateway_url = (here.facts or {}).get("gateway_url")
        yield from look(ON_HOST, here, say)
    say("asking the API …")
    try:
        said = api.Answers.ask(limits, gateway_url)
    except Error as error:
        yield api.unreached(error)
        return
    yield from look({**api.CHECKS, **(api.DEEP_CHECKS if deep else {})}, said, say)


def look(
    checks: Mapping[str, Callable[[T], Iterator[Finding]]], at: T, say: Say = lambda _: None
) -> Iterator[Finding]:
    """What all these checks find, each finding with a name and without a secret."""
    for name, look in checks.items():
        say(f"looking at {name} …")
        for found in look(at):
            yield replace(
                found,
                name=found.name or name,
                cause=redact.scrub(found.cause),
                remedy=redact.scrub(found.remedy),
            )
