"""`dd0c route models`: what models can do."""

from __future__ import annotations

import click

from dd0c.base.errors import NotFound
from dd0c.cli import client, output
from dd0c.cli.output import Column, How
from dd0c.cli.prices import split


@click.group()
def models() -> None:
    """What models can do: context window, most output, tools, vision, and when they end.

    A dash means that nobody says, not that a model cannot.
    """


@models.command("list")
@click.option("--provider", metavar="NAME", help="Only of this price list: openai, anthropic, …")
@output.formats("json", "csv")
def list_models(provider: str | None, how: How) -> None:
    """List the models of the providers that requests can go to.

    \b
    Examples:
      dd0c route models list --provider anthropic
      dd0c route models list --json | jq '.items[] | select(.state != "current")'
    """
    found = client.call("GET", "/route/models", query={"provider": provider})["items"]
    output.write_list(how, found, COLUMNS)


@models.command()
@click.argument("model", metavar="PROVIDER/MODEL")
@output.formats("json")
def show(model: str, how: How) -> None:
    """Show what is known of PROVIDER/MODEL, with where that is from.

    \b
    Examples:
      dd0c route models show openai/gpt-5-mini
      dd0c route models show anthropic/claude-haiku-4-5 --json | jq .max_output
    """
    provider, name = split(model)
    listed = client.call("GET", "/route/models", query={"provider": provider})["items"]
    found = next((one for one in listed if one["model"] == name), None)
    if found is None:
        raise NotFound(
            f"{provider} has no model {name}", hint=f"dd0c route models list --provider {provider}"
        )
    if how == "json":
        output.write_json(found)
    else:
        output.write_facts((column.head, column.of(found)) for column in COLUMNS)


_YES_NO = {True: "yes", False: "no", None: None}
COLUMNS = (
    Column("provider", "provider"),
    Column("model", "model"),
    Column("state", "state", "state"),
    Column("retires", "retires", "whole"),
    Column("context", "context", "number"),
    Column("max output", "max_output", "number"),
    Column("tools", lambda one: _YES_NO[one["tools"]], "whole"),
    Column("vision", lambda one: _YES_NO[one["vision"]], "whole"),
    Column("modes", "modes", spare=True),
    Column("source", "source", spare=True),
    Column("as of", "as_of", "whole", spare=True),
)
