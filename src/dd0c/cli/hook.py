"""`dd0c hook`: who sends webhooks here, who is told of what happens, what each was told."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from dd0c.base.errors import NotFound
from dd0c.cli import client, output, times
from dd0c.cli.output import Column, How

KINDS = ("standard", "slack", "github", "hmac", "bearer", "url")
REACHES = ("webhook", "slack", "email")

_overlap = click.option(
    "--overlap",
    metavar="LENGTH",
    default="24h",
    help="For how long both count: 30m, 24h, 7d; 0m ends the old one at once. Default 24h.",
)
_secret_file = click.option(
    "--secret-file",
    type=click.File(),
    help="File with the secret that the sender made; - for standard input. Without: one is made.",
)


@click.group()
def hook() -> None:
    """Webhooks: sources send to dd0c, endpoints are told of what happens in it."""


@hook.group()
def source() -> None:
    """Who may send here: add, list, rotate and remove sources."""


@source.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default="standard", help="How it signs.")
@_secret_file
@output.formats("json")
def add_source(name: str, kind: str, secret_file: Any, how: How) -> None:
    """Make an address for the sender NAME. Its secret is shown this once.

    \b
    Examples:
      dd0c hook source add grafana --kind bearer
      dd0c hook source add slack --kind slack --secret-file signing-secret
    """
    body = {"name": name, "kind": kind, "secret": _read(secret_file)}
    _tell_secret(how, client.call("POST", "/hooks/sources", body=body), "url")


@source.command("list")
@output.formats("json", "csv")
def list_sources(how: How) -> None:
    """List the organisation's sources, and how sure it is that what arrives came from each.

    \b
    Examples:
      dd0c hook source list
    """
    columns = (
        Column("source", "name"),
        Column("kind", "kind"),
        Column("level", "level", "number"),
        Column("messages", "received", "number"),
        Column("last", "last_at", "moment"),
        Column("id", "id", "whole"),
        Column("address", "url", "whole", spare=True),
    )
    output.write_list(how, client.list_all("/hooks/sources"), columns)


@source.command("rotate")
@click.argument("given", metavar="SOURCE")
@_overlap
@_secret_file
@output.formats("json")
def rotate_source(given: str, overlap: str, secret_file: Any, how: How) -> None:
    """Give SOURCE (a name or id) another secret; both count for a while.

    \b
    Examples:
      dd0c hook source rotate grafana --overlap 1h
    """
    body = {"overlap_s": times.seconds(overlap), "secret": _read(secret_file)}
    path = f"{_path('/hooks/sources', given, 'source')}/rotate"
    _tell_secret(how, client.call("POST", path, body=body), "url")


@source.command("remove")
@click.argument("given", metavar="SOURCE")
@output.formats("json")
def remove_source(given: str, how: How) -> None:
    """Remove SOURCE (a name or id), and what it sent.

    \b
    Examples:
      dd0c hook source remove grafana
    """
    _tell(how, "removed", client.call("DELETE", _path("/hooks/sources", given, "source")))


@hook.group()
def endpoint() -> None:
    """Who is told: add, list, try, pause, resume, rotate and remove endpoints."""


@endpoint.command("add")
@click.argument("name")
@click.argument("target")
@click.option("--kind", type=click.Choice(REACHES), default="webhook", help="How it is reached.")
@click.option("--event", "events", multiple=True, help="Only of this one; several times for more.")
@click.option(
    "--installation", is_flag=True, help="Of the installation's log: needs platform:audit."
)
@output.formats("json")
def add_endpoint(
    name: str, target: str, *, kind: str, events: tuple[str, ...], installation: bool, how: How
) -> None:
    """Tell TARGET (a URL or an address of e-mail) what happens from now on.

    \b
    Examples:
      dd0c hook endpoint add on-call https://example.com/hooks
      dd0c hook endpoint add brake ops@example.com --kind email --event PanicBegun
    """
    body: dict[str, Any] = {"name": name, "kind": kind, "target": target, "events": list(events)}
    made = client.call("POST", "/hooks/endpoints", body=body | {"installation": installation})
    _tell_secret(how, made, "target")


@endpoint.command("list")
@output.formats("json", "csv")
def list_endpoints(how: How) -> None:
    """List the organisation's endpoints, and what waits for each.

    \b
    Examples:
      dd0c hook endpoint list
    """
    columns = (
        Column("endpoint", "name"),
        Column("kind", "kind"),
        Column("told of", "events"),
        Column("waiting", "waiting", "number"),
        Column("given up", "dead", "number"),
        Column("paused", "paused_at", "moment"),
        Column("id", "id", "whole"),
        Column("target", "target", spare=True),
    )
    output.write_list(how, client.list_all("/hooks/endpoints"), columns)


@endpoint.command("test")
@click.argument("given", metavar="ENDPOINT")
@output.formats("json")
def try_endpoint(given: str, how: How) -> None:
    """Send ENDPOINT (a name or id) a trial message; `dd0c hook delivery list` has the answer.

    \b
    Examples:
      dd0c hook endpoint test on-call
    """
    _tell(how, "sends a trial message to", client.call("POST", f"{_endpoint(given)}/test"))


@endpoint.command("pause")
@click.argument("given", metavar="ENDPOINT")
@output.formats("json")
def pause_endpoint(given: str, how: How) -> None:
    """Send nothing to ENDPOINT (a name or id); what happens meanwhile waits.

    \b
    Examples:
      dd0c hook endpoint pause on-call
    """
    _tell(how, "paused", client.call("POST", f"{_endpoint(given)}/pause"))


@endpoint.command("resume")
@click.argument("given", metavar="ENDPOINT")
@output.formats("json")
def resume_endpoint(given: str, how: How) -> None:
    """Send ENDPOINT (a name or id) what waited, and go on.

    \b
    Examples:
      dd0c hook endpoint resume on-call
    """
    _tell(how, "resumed", client.call("POST", f"{_endpoint(given)}/resume"))


@endpoint.command("rotate")
@click.argument("given", metavar="ENDPOINT")
@_overlap
@output.formats("json")
def rotate_endpoint(given: str, overlap: str, how: How) -> None:
    """Sign what ENDPOINT (a name or id) is sent with another secret; for a while with both.

    \b
    Examples:
      dd0c hook endpoint rotate on-call --overlap 24h
    """
    body = {"overlap_s": times.seconds(overlap)}
    _tell_secret(how, client.call("POST", f"{_endpoint(given)}/rotate", body=body), "target")


@endpoint.command("remove")
@click.argument("given", metavar="ENDPOINT")
@output.formats("json")
def remove_endpoint(given: str, how: How) -> None:
    """Remove ENDPOINT (a name or id), and what waits for it.

    \b
    Examples:
      dd0c hook endpoint remove on-call
    """
    _tell(how, "removed", client.call("DELETE", _endpoint(given)))


@hook.group()
def delivery() -> None:
    """What an endpoint was told: list deliveries, send one again."""


@delivery.command("list")
@click.argument("given", metavar="ENDPOINT")
@output.formats("json", "csv")
def list_deliveries(given: str, how: How) -> None:
    """List what ENDPOINT (a name or id) was told in 30 days, newest first.

    \b
    Examples:
      dd0c hook delivery list on-call
    """
    columns = (
        Column("event", "event"),
        Column("state", "state", "state"),
        Column("tries", "tries", "number"),
        Column("answer", "status", "number"),
        Column("said", "said"),
        Column("id", "id", "whole"),
        Column("made", "created_at", "moment", spare=True),
    )
    output.write_list(how, client.list_all(f"{_endpoint(given)}/deliveries"), columns)


@delivery.command("replay")
@click.argument("given", metavar="DELIVERY")
@output.formats("json")
def replay_delivery(given: str, how: How) -> None:
    """Send DELIVERY (its id) once more, under the same id of its message.

    \b
    Examples:
      dd0c hook delivery replay dlv_01jcq8z5m3t7v9w2x4y6z8a0b1
    """
    found = client.call("POST", f"/hooks/deliveries/{quote(given, safe='')}/replay")
    if how == "json":
        output.write_json(found)
    else:
        click.echo(f"{found['event']} ({found['message']}) is sent again")


def _endpoint(given: str) -> str:
    return _path("/hooks/endpoints", given, "endpoint")


def _path(of: str, given: str, noun: str) -> str:
    """The path of the one that is meant, by its name in any case, or its id."""
    for one in client.iterate(of):
        if given == one["id"] or given.casefold() == one["name"].casefold():
            return f"{of}/{quote(one['id'])}"
    raise NotFound(f"there is no {noun} {given!r}", hint=f"dd0c hook {noun} list")


def _read(file: Any) -> str | None:
    return None if file is None else str(file.read().strip())


def _tell(how: How, done: str, found: dict[str, Any]) -> None:
    if how == "json":
        output.write_json(found)
    else:
        click.echo(f"{done} {found['name']} ({found['id']})")


def _tell_secret(how: How, made: dict[str, Any], address: str) -> None:
    if how == "json":
        output.write_json(made)
        return
    click.echo(made["secret"] or made[address])
    secret = "; its secret is not shown again" if made["secret"] else "; it has no secret to show"
    click.echo(f"{made['name']} ({made['id']}) at {made[address]}{secret}", err=True)
