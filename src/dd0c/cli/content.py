"""`dd0c content`: what is kept of what others sent, how long, and a content itself."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click

from dd0c.base.errors import InvalidInput, NotFound
from dd0c.cli import client, output
from dd0c.cli.output import Column, How

MODES = ("whole", "capture", "never")


@click.group()
def content() -> None:
    """List and get what is kept of what others sent; say what is kept, and how long."""


@content.command()
@click.argument("kind", required=False)
@click.option("--mode", type=click.Choice(MODES), help="As it came; without secrets; not at all.")
@click.option("--days", type=click.IntRange(1, 36_500), help="How long it is kept.")
@output.formats("json", "csv")
def policy(kind: str | None, mode: str | None, days: int | None, how: How) -> None:
    """Show what is kept; with KIND and --mode or --days, keep it otherwise from now on.

    It holds for what is stored already: with --mode never that ends at once.

    \b
    Examples:
      dd0c content policy
      dd0c content policy hook.body --mode capture --days 14
      dd0c content policy hook.body --mode never
    """
    found = [
        each
        for each in client.call("GET", "/content/policy")["items"]
        if kind in (None, each["kind"])
    ]
    if not found:
        raise NotFound(f"there is no kind of content {kind!r}", hint="dd0c content policy")
    if mode is not None or days is not None:
        if kind is None:
            raise InvalidInput("which kind? say KIND", hint="dd0c content policy")
        (now,) = found
        wanted = {"kind": kind, "mode": mode or now["mode"], "days": days or now["days"]}
        found = [client.call("PUT", "/content/policy", body=wanted)]
    columns = (
        Column("kind", "kind", "whole"),
        Column("mode", "mode"),
        Column("days", "days", "number"),
        Column("contents", "contents", "number"),
        Column("bytes", "bytes", "number"),
        Column("about", "about", spare=True),
    )
    output.write_list(how, found, columns)


@content.command("list")
@click.option("--kind", help="Only contents of this kind.")
@output.formats("json", "csv")
def list_contents(kind: str | None, how: How) -> None:
    """List what is stored, the newest first.

    \b
    Examples:
      dd0c content list
      dd0c content list --kind hook.body --json | jq -r '.items[].id'
    """
    columns = (
        Column("id", "id", "whole"),
        Column("kind", "kind"),
        Column("bytes", "bytes", "number"),
        Column("media type", "media_type", spare=True),
        Column("created", "created_at", "moment"),
        Column("ends", "expires_at", "moment", spare=True),
    )
    output.write_list(how, client.list_all("/content", {"kind": kind}), columns)


@content.command()
@click.argument("content_id", metavar="ID")
@click.option("--output", "-o", "to", type=click.Path(path_type=Path), help="File; default stdout.")
@output.formats("json")
def get(content_id: str, to: Path | None, how: How) -> None:
    """Write the bytes of the content with this ID (cnt_…), as they were stored.

    \b
    Examples:
      dd0c content get cnt_01jcq8z5m3t7v9w2x4y6z8a0b1 > body.json
      dd0c content get cnt_01jcq8z5m3t7v9w2x4y6z8a0b1 -o body.json --json
    """
    pieces = client.stream(f"/content/{quote(content_id, safe='')}", {})
    output.write_file(how, to, pieces, id=content_id)


@content.command()
@click.argument("content_id", metavar="ID")
@output.formats("json")
def delete(content_id: str, how: How) -> None:
    """End the content with this ID (cnt_…): its key is destroyed, and nothing brings it back.

    \b
    Examples:
      dd0c content delete cnt_01jcq8z5m3t7v9w2x4y6z8a0b1
    """
    gone = client.call("DELETE", f"/content/{quote(content_id, safe='')}")
    if how == "json":
        output.write_json(gone)
    else:
        click.echo(f"deleted {gone['id']} ({gone['kind']}, {gone['bytes']} bytes)")
