"""`dd0c route`: the LLM gateway, by its product's name. Its daily verbs are top-level as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from dd0c.cli import client, output
from dd0c.cli.models import models
from dd0c.cli.output import Column, How
from dd0c.cli.prices import prices
from dd0c.cli.reconcile import reconcile
from dd0c.cli.requests import requests
from dd0c.cli.rerate import rerate
from dd0c.cli.rules import budgets, disconnect_policy, limits, store_policy
from dd0c.cli.tokens import tokens
from dd0c.cli.usage import usage


@click.group()
def route() -> None:
    """The LLM gateway: its providers, requests and usage."""


@route.command()
@output.formats("json", "csv")
def providers(how: How) -> None:
    """List the providers that requests can go to: the organisation's own, then everybody's.

    A model written `name/model` picks the provider of that name.

    \b
    Examples:
      dd0c route providers
      dd0c route providers --json | jq '.items[] | select(.enabled)'
    """
    columns = (
        Column("provider", "name"),
        Column("dialect", "dialect", "whole"),
        Column("state", _state, "state"),
        Column("kind", lambda one: "simulated" if one["simulated"] else "real", "whole"),
        Column("of", "owner", "whole"),
        Column("url", "base_url", spare=True),
        Column("prices", "price_provider", spare=True),
        Column("id", "id", "whole", spare=True),
    )
    output.write_list(how, client.call("GET", "/route/providers")["items"], columns)


def _state(provider: Mapping[str, Any]) -> str:
    if not provider["enabled"]:
        return "disabled"
    return "enabled" if provider["breaker"] == "closed" else "left alone"


@route.command("erase-user")
@click.argument("end_user", metavar="TEXT")
@output.formats("json")
def erase_user(end_user: str, how: How) -> None:
    """Erase the end user TEXT out of past requests (needs the role owner or admin).

    What requests cost stays. It takes a minute or two, and cannot be undone.

    \b
    Examples:
      dd0c route erase-user customer-4711
    """
    erased = client.call("POST", "/route/end-users/erase", body={"end_user": end_user})
    if how == "json":
        output.write_json(erased)
    else:
        click.echo(f"erased in requests before {erased['erased_before']}, within two minutes")


route.add_command(reconcile)
route.add_command(requests)
route.add_command(usage)
route.add_command(tokens)
route.add_command(prices)
route.add_command(models)
route.add_command(rerate)
route.add_command(budgets)
route.add_command(limits)
route.add_command(disconnect_policy)
route.add_command(store_policy)
