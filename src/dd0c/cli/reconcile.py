"""`dd0c route reconcile`: what a provider says it charges, beside the ledger."""

from __future__ import annotations

import base64
import re
import zlib
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import InvalidInput
from dd0c.cli import client, output, times
from dd0c.cli.output import Column, How

DIFFERENT = 1
DEADLINE_S = 120.0
_TOLERANCE = re.compile(r"(\d{1,3}(?:\.\d{1,8})?)(%?)")


@click.command()
@click.option(
    "--provider",
    type=click.Choice(["openai", "anthropic", "csv"]),
    help="Whose export it is; csv: the columns below.",
)
@click.option("--credential", metavar="NAME", help="Only requests of this provider's key.")
@click.option("--api-key", metavar="NAME", help="Only lines of this key, as the export has it.")
@click.option("--since", metavar="WHEN", help="Not before this day (UTC): 30d or 2026-11-01.")
@click.option("--until", metavar="WHEN", help="Before this day (UTC).")
@click.option(
    "--tolerance", default="0", metavar="SHARE", help="A difference up to this is none: 0.5%."
)
@click.option("--pending", is_flag=True, help="List attempts without a known cost instead.")
@click.argument("file", type=click.File("rb"), required=False)
@output.formats("json", "csv")
def reconcile(
    provider: str | None, file: BinaryIO | None, how: How, *, pending: bool, **given: Any
) -> None:
    """Compare a provider's usage or cost export (FILE, or - for what is piped in) with the ledger.

    Every difference by day (UTC), model and kind is listed with what explains it; what is left is
    unexplained. The import is kept; the same export is imported once. Taken are:

    \b
      openai      pages of /v1/organization/usage/completions and /costs as JSON (a list of all
                  pages), and the files of the dashboard's Export
      anthropic   usage_report/messages and cost_report as JSON, and the console's CSV files
      csv         date; of input_tokens (all that went in), cached_input_tokens, output_tokens and
                  cost_usd at least one; and if you like model, credential, request_id

    A csv whose lines name requests, by dd0c's id or the provider's, brings those a cost that had
    none, or an estimated one. --pending lists them, ready to be filled in. Today is left out.

    Exit status: 0 nothing unexplained, 1 something is, 2 the export cannot be read.

    \b
    Examples:
      dd0c route reconcile --provider openai usage.json
      dd0c route reconcile --provider anthropic --credential prod --tolerance 0.1% costs.csv
      dd0c route reconcile --pending --csv > waiting.csv
    """
    if pending:
        if file is not None or provider is not None:
            raise InvalidInput("--pending lists what waits: leave out --provider and FILE")
        since = times.before(given["since"], SystemClock().now())
        found = client.call("GET", "/route/waiting", query={"since": since})
        output.write_list(how, found["items"], WAITING)
        return
    if provider is None or file is None:
        raise InvalidInput("say whose export it is (--provider) and where it is (FILE, or -)")
    report = client.call(
        "POST", "/route/reconciliations", body=_body(provider, file, given), deadline_s=DEADLINE_S
    )
    if how == "json":
        output.write_json(report)
    else:
        output.write_list(how, report["differences"], DIFFERENCES)
        click.echo(_summary(report), err=True)
    if not report["equal"]:
        raise SystemExit(DIFFERENT)


def _body(provider: str, file: BinaryIO, given: dict[str, Any]) -> dict[str, Any]:
    packed = base64.b64encode(zlib.compress(file.read())).decode()
    body = {"provider": provider, "export": packed, "packed": True}
    body["tolerance"] = str(_share(given["tolerance"]))
    for name in ("since", "until"):
        if (text := times.before(given[name], SystemClock().now())) is not None:
            body[name] = date.fromisoformat(text[:10]).isoformat()
    names = {name: given[name] for name in ("credential", "api_key") if given[name] is not None}
    return body | names


def _share(text: str) -> Decimal:
    """A share of 1, or a percentage."""
    match = _TOLERANCE.fullmatch(text)
    share = Decimal(match[1]) / (100 if match[2] else 1) if match else Decimal(2)
    if share > 1:
        raise InvalidInput(f"--tolerance: {text!r} is no share", hint="write 0.5% or 0.005")
    return share


def _summary(report: dict[str, Any]) -> str:
    unexplained = sum(one["unexplained"] != "0" for one in report["differences"])
    explained = len(report["differences"]) - unexplained
    parts = [
        f"{report['compared']:,} numbers compared from {report['since']} to {report['until']}",
        f"{explained:,} differences explained, {unexplained:,} unexplained",
    ]
    if report["settled"]:
        parts.append(f"{report['settled']:,} attempts got their cost")
    if report["simulated_attempts"]:
        parts.append(f"{report['simulated_attempts']:,} simulated attempts left out")
    return "; ".join(parts)


DIFFERENCES = (
    Column("day", "day", "whole"),
    Column("model", "model"),
    Column("kind", "measure", "whole"),
    Column("told", "told", "number"),
    Column("ledger", "ledger", "number"),
    Column("difference", "difference", "number"),
    Column("unexplained", "unexplained", "number"),
    Column("because", "because"),
)
WAITING = (
    Column("request_id", "request_id", "whole"),
    Column("attempt", "attempt", "number"),
    Column("started", "started_at", "moment"),
    Column("ended", "end_reason", "state"),
    Column("provider", "provider", spare=True),
    Column("model", "model"),
    Column("upstream id", "upstream_request_id", spare=True),
    Column("reserved USD", "reserved_usd", "number"),
)
