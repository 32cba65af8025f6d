"""`dd0c route budgets|limits|disconnect-policy|store-policy`: what requests have to fit into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dd0c.cli import client, output
from dd0c.cli.output import Column, How

SCOPES = ("organisation", "team", "key", "tag", "route", "model")
WINDOWS = ("minute", "hour", "day", "week", "month", "total")
CHOICES = click.Choice(("open", "closed"))
F = TypeVar("F", bound=Callable[..., Any])


def _whom(verb: F) -> F:
    """The options that say whom a rule is for."""
    subject = click.option(
        "--subject",
        metavar="TEXT",
        help="Which one: a key's name, beginning or id; a team's name or id; else the text itself.",
    )
    scope = click.option(
        "--scope",
        type=click.Choice(SCOPES),
        default="organisation",
        show_default=True,
        help="What is counted together. `route` is the model as callers write it, `model` the one "
        "that the provider is sent.",
    )
    return scope(subject(verb))


@click.group()
def budgets() -> None:
    """How much may be spent, by whom, in which time; and how each budget stands."""


@budgets.command("set")
@_whom
@click.option(
    "--window",
    type=click.Choice(WINDOWS),
    default="month",
    show_default=True,
    help="In which time, by the organisation's clock (`dd0c org set --time-zone`).",
)
@click.option("--usd", required=True, metavar="AMOUNT", help="Dollars, such as 12.50.")
@click.option("--soft", is_flag=True, help="Only report: refuse nothing.")
@output.formats("json")
def set_budget(soft: bool, how: How, **wanted: Any) -> None:
    """Set a budget, in place of the one of the same scope, subject and window.

    \b
    Examples:
      dd0c route budgets set --usd 500
      dd0c route budgets set --scope key --subject laptop --window day --usd 2.50
      dd0c route budgets set --scope team --subject search --usd 100 --soft
    """
    made = client.call("POST", "/route/budgets", body=_given(wanted) | {"hard": not soft})
    if how == "json":
        output.write_json(made)
    else:
        kind = "hard" if made["hard"] else "soft"
        click.echo(f"{made['id']}: {kind}, {made['usd']} USD, {_name(made)}, {made['window']}")


@budgets.command("list")
@output.formats("json", "csv")
def list_budgets(how: How) -> None:
    """List the budgets and how they stand in the window that runs.

    What is unknown (–) is not 0: `dd0c route budgets list --json` says why, in `unknown`.

    \b
    Examples:
      dd0c route budgets list
      dd0c route budgets list --json | jq '.items[] | select(.percent > 80)'
    """
    columns = (
        Column("scope", "scope", "whole"),
        Column("subject", "subject"),
        Column("window", "window", "whole"),
        Column("kind", lambda one: "hard" if one["hard"] else "soft", "whole"),
        Column("usd", "usd", "number"),
        Column("spent", "spent_usd", "number"),
        Column("percent", "percent", "number"),
        Column("id", "id", "whole", spare=True),
        Column("reserved", "reserved_usd", "number", spare=True),
        Column("remaining", "remaining_usd", "number", spare=True),
        Column("forecast", "forecast_usd", "number", spare=True),
        Column("resets", "resets_at", "moment", spare=True),
    )
    output.write_list(how, client.list_all("/route/budgets"), columns)


@budgets.command("remove")
@click.argument("budget_id", metavar="ID")
@output.formats("json")
def remove_budget(budget_id: str, how: How) -> None:
    """Remove the budget with this ID (bgt_…).

    \b
    Examples:
      dd0c route budgets remove bgt_01jcq8z5m3t7v9w2x4y6z8a0b1
    """
    _remove(how, f"/route/budgets/{budget_id}")


@click.group()
def limits() -> None:
    """How many requests and tokens a minute, and how many requests at once."""


@limits.command("set")
@_whom
@click.option("--requests-per-minute", type=int, metavar="N", help="In any sixty seconds.")
@click.option("--tokens-per-minute", type=int, metavar="N", help="Input and output together.")
@click.option("--concurrency", type=int, metavar="N", help="Requests that are being answered.")
@output.formats("json")
def set_limit(how: How, **wanted: Any) -> None:
    """Set a limit, in place of the one of the same scope and subject.

    \b
    Examples:
      dd0c route limits set --requests-per-minute 600 --concurrency 50
      dd0c route limits set --scope key --subject laptop --tokens-per-minute 100000
    """
    made = client.call("POST", "/route/limits", body=_given(wanted))
    if how == "json":
        output.write_json(made)
    else:
        click.echo(f"{made['id']}: {_name(made)}")


@limits.command("list")
@output.formats("json", "csv")
def list_limits(how: How) -> None:
    """List the limits.

    \b
    Examples:
      dd0c route limits list
    """
    columns = (
        Column("scope", "scope", "whole"),
        Column("subject", "subject"),
        Column("requests a minute", "requests_per_minute", "number"),
        Column("tokens a minute", "tokens_per_minute", "number"),
        Column("at once", "concurrency", "number"),
        Column("id", "id", "whole", spare=True),
    )
    output.write_list(how, client.list_all("/route/limits"), columns)


@limits.command("remove")
@click.argument("limit_id", metavar="ID")
@output.formats("json")
def remove_limit(limit_id: str, how: How) -> None:
    """Remove the limit with this ID (lim_…).

    \b
    Examples:
      dd0c route limits remove lim_01jcq8z5m3t7v9w2x4y6z8a0b1
    """
    _remove(how, f"/route/limits/{limit_id}")


@click.group("disconnect-policy", invoke_without_command=True)
@click.pass_context
def disconnect_policy(context: click.Context) -> None:
    """What happens when a caller leaves in the middle of an answer."""
    if context.invoked_subcommand is None:
        context.invoke(show_disconnect)


@disconnect_policy.command("show")
@output.formats("json")
def show_disconnect(how: How) -> None:
    """Show what holds.

    \b
    Examples:
      dd0c route disconnect-policy show
    """
    _tell(how, client.call("GET", "/route/disconnect-policy"))


@disconnect_policy.command("set")
@click.argument("policy", type=click.Choice(("abort", "drain", "drain_up_to_usd")))
@click.option("--usd", metavar="AMOUNT", help="Only of drain_up_to_usd: until it has cost that.")
@output.formats("json")
def set_disconnect(policy: str, usd: str | None, how: How) -> None:
    """Cut the provider off (abort), or read the answer to its end and charge all of it (drain).

    \b
    Examples:
      dd0c route disconnect-policy set abort
      dd0c route disconnect-policy set drain_up_to_usd --usd 0.05
    """
    body = {"policy": policy, "usd": usd}
    _tell(how, client.call("PUT", "/route/disconnect-policy", body=body))


@click.group("store-policy", invoke_without_command=True)
@click.pass_context
def store_policy(context: click.Context) -> None:
    """What happens to requests while limits cannot be checked, or records not written."""
    if context.invoked_subcommand is None:
        context.invoke(show_store)


@store_policy.command("show")
@output.formats("json")
def show_store(how: How) -> None:
    """Show what holds.

    \b
    Examples:
      dd0c route store-policy show
    """
    _tell(how, client.call("GET", "/route/store-policy"))


@store_policy.command("set")
@click.option("--store-away", type=CHOICES, help="While Valkey does not answer.")
@click.option("--spool-full", type=CHOICES, help="While a gateway's disk takes no more records.")
@output.formats("json")
def set_store(how: How, **wanted: Any) -> None:
    """Serve (open) or refuse (closed) such requests; what is not said stays.

    \b
    Examples:
      dd0c route store-policy set --store-away closed
    """
    before = client.call("GET", "/route/store-policy")
    _tell(how, client.call("PUT", "/route/store-policy", body=before | _given(wanted)))


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _name(rule: dict[str, Any]) -> str:
    return f"{rule['scope']} {rule['subject']}".strip()


def _tell(how: How, found: dict[str, Any]) -> None:
    if how == "json":
        output.write_json(found)
    else:
        output.write_facts((name.replace("_", " "), value) for name, value in found.items())


def _remove(how: How, path: str) -> None:
    gone = client.call("DELETE", path)
    if how == "json":
        output.write_json(gone)
    else:
        click.echo(f"removed {gone['id']}")
