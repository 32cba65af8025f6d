"""`dd0c key`: API keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import NotFound
from dd0c.cli import client, completing, output, times
from dd0c.cli.output import Column, How
from dd0c.cli.rules import WINDOWS

ROLES = ("platform", "owner", "admin", "operator", "approver", "viewer", "billing")
SCOPES = ("gateway", "api", "console")
LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrency", "usd")
F = TypeVar("F", bound=Callable[..., Any])


def _bounds(verb: F) -> F:
    """The options that say what a key may be used for, and from where."""
    model = click.option(
        "--model",
        "models",
        multiple=True,
        shell_complete=completing.model_names,
        help="Only these models (several times); `gpt-5*`: all that begin so.",
    )
    network = click.option(
        "--network",
        "networks",
        metavar="CIDR",
        multiple=True,
        help="Only from this address or network (several times), as 10.0.0.0/8.",
    )
    ends = click.option(
        "--expires", metavar="WHEN", help="Ends after 24h, 90d, or at 2026-11-01[T09:00]."
    )
    return model(network(ends(verb)))


def _limits(verb: F) -> F:
    """The options that hold a new key from its first request on."""
    window = click.option("--window", type=click.Choice(WINDOWS), help="Of --usd; default month.")
    usd = click.option("--usd", metavar="AMOUNT", help="May spend so many US dollars a window.")
    counts = {
        "--requests-per-minute": "In any sixty seconds.",
        "--tokens-per-minute": "Input and output together.",
        "--concurrency": "Requests at once.",
    }
    for name, told in reversed(counts.items()):
        verb = click.option(name, type=int, metavar="N", help=told)(verb)
    return usd(window(verb))


@click.group()
def key() -> None:
    """Make, list, change, rotate and revoke API keys."""


@key.command()
@click.argument("name", default="unnamed")
@click.option("--org", metavar="NAME", help="For this organisation (needs the role platform).")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What it may do here; several times for several. Default viewer.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="Where it works: gateway (/v1), api, console. Default gateway; with --role all three.",
)
@click.option(
    "--team", metavar="NAME", shell_complete=completing.team_names, help="It belongs to this team."
)
@_bounds
@_limits
@output.formats("json")
def create(name: str, expires: str | None, *, how: How, **wanted: Any) -> None:
    """Make a key called NAME. Its text is shown this once: dd0c keeps only a hash of it.

    \b
    Examples:
      dd0c key create laptop                         may call models, nothing else
      dd0c key create grafana --role viewer --scope api
      OPENAI_API_KEY=$(dd0c key create ci --expires 90d)
      dd0c key create checkout --network 10.0.0.0/8 --model 'gpt-5*' --usd 50 --window day
      dd0c key create --org acme --role viewer --scope gateway --json
    """
    ends = times.after(expires, SystemClock().now())
    limits = {name: wanted.pop(name) for name in (*LIMITS, "window")}
    if any(limits[name] is not None for name in LIMITS):
        wanted["limits"] = {k: v for k, v in limits.items() if v is not None}
    body = {"name": name, "expires_at": ends, **wanted}
    made = client.call("POST", "/keys", body={k: v for k, v in body.items() if v not in (None, ())})
    if how == "json":
        output.write_json(made)
        return
    click.echo(made["key"])
    click.echo(
        f"key {made['name']} of {made['org']} ({made['id']}); it is not shown again", err=True
    )


@key.command("list")
@output.formats("json", "csv")
def list_keys(how: How) -> None:
    """List the organisation's keys, without their texts.

    \b
    Examples:
      dd0c key list
      dd0c key list --json | jq '.items[] | select(.revoked_at == null)'
    """
    columns = (
        Column("id", "id", "whole"),
        Column("name", "name"),
        Column("state", _state, "state"),
        Column("team", "team"),
        Column("roles", "roles", spare=True),
        Column("scopes", "scopes", spare=True),
        Column("key", lambda one: one["prefix"] + "…", "whole", spare=True),
        Column("created", "created_at", "moment", spare=True),
        Column("expires", "expires_at", "moment", spare=True),
        Column("last used", "last_used_at", "moment", spare=True),
    )
    output.write_list(how, client.list_all("/keys"), columns)


_named = click.argument("given", metavar="KEY", shell_complete=completing.key_ids)


@key.command()
@_named
@output.formats("json")
def show(given: str, how: How) -> None:
    """Show the KEY with this id (key_…) or name, without its text.

    \b
    Examples:
      dd0c key show checkout
      dd0c key show key_01jcq8z5m3t7v9w2x4y6z8a0b1 --json | jq .models
    """
    one = client.call("GET", f"/keys/{_find(given)}")
    if how == "json":
        output.write_json(one)
        return
    facts = (
        ("id", one["id"]),
        ("name", one["name"]),
        ("state", _state(one)),
        ("key", one["prefix"] + "…"),
        ("organisation", one["org"]),
        ("team", one["team"]),
        ("roles", one["roles"]),
        ("scopes", one["scopes"]),
        ("models", one["models"] or "all"),
        ("networks", one["networks"] or "anywhere"),
        ("created", output.moment(one["created_at"])),
        ("created by", one["created_by"]),
        ("last used", output.moment(one["last_used_at"]) or "not yet"),
        ("expires", output.moment(one["expires_at"]) or "never"),
        ("revoked", output.moment(one["revoked_at"])),
        ("line", None if one["line"] == one["id"] else one["line"]),
        ("followed by", one["followed_by"]),
    )
    output.write_facts(facts)


@key.command()
@_named
@click.argument("team", required=False, shell_complete=completing.team_names)
@output.formats("json")
def move(given: str, team: str | None, how: How) -> None:
    """Move the KEY with this id (key_…) or name into TEAM; without TEAM, out of the one it is in.

    What it does from now on counts for that team, what it did before stays where it was.

    \b
    Examples:
      dd0c key move checkout search
    """
    moved = client.call("PATCH", f"/keys/{_find(given)}", body={"team": team})
    if how == "json":
        output.write_json(moved)
    else:
        click.echo(f"{moved['name']} belongs to {moved['team'] or 'no team'}")


@key.command()
@_named
@_bounds
@click.option("--anywhere", is_flag=True, help="From any address again.")
@click.option("--all-models", is_flag=True, help="All models again.")
@click.option("--never-expires", is_flag=True, help="No end any more.")
@output.formats("json")
def change(
    given: str,
    models: tuple[str, ...],
    networks: tuple[str, ...],
    expires: str | None,
    *,
    how: How,
    **lifted: bool,
) -> None:
    """Change what the KEY with this id (key_…) or name may be used for, from where, and until when.

    Every gateway goes by it within a second.

    \b
    Examples:
      dd0c key change checkout --network 10.0.0.0/8 --network 2001:db8::/32
      dd0c key change checkout --all-models --expires 90d
    """
    ends = times.after(expires, SystemClock().now())
    wanted = {"models": models or None, "networks": networks or None, "expires_at": ends}
    flags = {"models": "all_models", "networks": "anywhere", "expires_at": "never_expires"}
    for name, flag in flags.items():
        if wanted[name] is not None and lifted[flag]:
            raise click.UsageError(f"--{flag.replace('_', '-')} says the opposite of another one")
    body = {n: v for n, v in wanted.items() if v is not None or lifted[flags[n]]}
    if not body:
        raise click.UsageError("say what is to be changed; see --help")
    changed = client.call("PATCH", f"/keys/{_find(given)}", body=body)
    if how == "json":
        output.write_json(changed)
        return
    ends = changed["expires_at"]
    click.echo(
        f"{changed['name']}: models {', '.join(changed['models'] or ['all'])}; from "
        f"{', '.join(changed['networks'] or ['anywhere'])}; ends {ends or 'never'}"
    )


@key.command()
@_named
@click.option(
    "--overlap",
    metavar="LENGTH",
    default="24h",
    help="For how long both work: 30m, 24h, 7d; 0m ends the old one at once. Default 24h.",
)
@output.formats("json")
def rotate(given: str, overlap: str, how: How) -> None:
    """Let a new key take the place of the KEY with this id (key_…) or name; both work for a while.

    It may do the same, and counts under the same budgets and limits. Its text is shown this once.

    \b
    Examples:
      dd0c key rotate checkout --overlap 24h
      dd0c key rotate leaked --overlap 0m
    """
    body = {"overlap_s": times.seconds(overlap)}
    made = client.call("POST", f"/keys/{_find(given)}/rotate", body=body)
    if how == "json":
        output.write_json(made)
        return
    click.echo(made["key"])
    click.echo(
        f"key {made['name']} ({made['id']}) follows {made['follows']}, which ends at "
        f"{made['old_expires_at']}; it is not shown again",
        err=True,
    )


@key.command()
@_named
@output.formats("json")
def revoke(given: str, how: How) -> None:
    """Revoke the KEY with this id (key_…) or name. Every gateway refuses it within a second.

    \b
    Examples:
      dd0c key revoke key_01jcq8z5m3t7v9w2x4y6z8a0b1
      dd0c key revoke checkout --json
    """
    revoked = client.call("DELETE", f"/keys/{_find(given)}")
    if how == "json":
        output.write_json(revoked)
    else:
        click.echo(f"revoked {revoked['id']} at {revoked['revoked_at']}")


def _find(given: str) -> str:
    """The id of the key that is meant: of several of a name only the one that still goes on."""
    if given.startswith("key_"):
        return given
    found = [
        one["id"]
        for one in client.iterate("/keys")
        if one["name"] == given and _state(one) == "valid" and one["followed_by"] is None
    ]
    if len(found) == 1:
        return str(found[0])
    problem = f"{len(found)} keys are called {given!r}" if found else f"no key is called {given!r}"
    raise NotFound(f"{problem} and work", hint="give its id; `dd0c key list` has them")


def _state(one: dict[str, Any]) -> str:
    if one["revoked_at"]:
        return "revoked"
    ends = output.moment(one["expires_at"])
    return "expired" if ends and ends <= SystemClock().now() else "valid"
