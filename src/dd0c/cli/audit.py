"""`dd0c audit`: what happened, and whether the log of it is what it was.

`verify` trusts nobody: it fetches the bytes of every entry and runs over them the very program that
an auditor gets with a bundle (kernel/audit/standalone.py).
"""

from __future__ import annotations

import itertools
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import InvalidInput
from dd0c.cli import client, output, progress, times
from dd0c.cli.output import Column, How
from dd0c.kernel.audit.standalone import Bundle, Check, open_bundle

SHORT_MAX = 24
F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def audit() -> None:
    """What happened here, and the proof that the log is whole.

    Every change is in it, in the transaction that made it. Needs the role owner or admin.
    """


def _log(function: F) -> F:
    option = click.option(
        "--installation",
        "log",
        flag_value="installation",
        help="The installation's own log, not the organisation's.",
    )
    return option(function)


def _filters(function: F) -> F:
    for option in (
        click.option("--subject", metavar="ID", help="Only what was done to it."),
        click.option("--event", metavar="NAME", help="Only of this name: KeyCreated."),
        click.option("--actor", metavar="ID", help="Only by this key or person, or `system`."),
        click.option("--until", metavar="WHEN", help="Before then; default now."),
        click.option("--since", metavar="WHEN", help="From then on: 24h, 7d, or 2026-11-01."),
        _log,
    ):
        function = option(function)
    return function


@audit.command("list")
@_filters
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="At most so many.",
)
@output.formats("json", "csv")
def list_events(*, limit: int, how: How, **asked: str | None) -> None:
    """List what happened, newest first.

    \b
    Examples:
      dd0c audit list --since 24h
      dd0c audit list --event KeyCreated --json | jq '.items[].actor'
      dd0c audit list --actor per_01jcq8z5m3t7v9w2x4y6z8a0b1 --limit 1000 --csv > theirs.csv
    """
    query = _moments(asked) | {"limit": str(min(limit, 500))}
    found = client.iterate("/audit/events", query)
    output.write_list(how, list(itertools.islice(found, limit)), COLUMNS)


@audit.command()
@click.argument("event_id", metavar="ID")
@_log
@output.formats("json")
def show(event_id: str, *, log: str | None, how: How) -> None:
    """Show one event (evt_…): its facts, its text, its proof.

    \b
    Examples:
      dd0c audit show evt_01jcq8z5m3t7v9w2x4y6z8a0b1
      dd0c audit show evt_01jcq8z5m3t7v9w2x4y6z8a0b1 --json | jq .proof
    """
    found = client.call("GET", f"/audit/events/{event_id}", query={"log": log})
    if how == "json":
        output.write_json(found)
        return
    facts = [
        ("event", found["event"]),
        ("at", output.moment(found["at"])),
        ("by", _called(found["actor"])),
        ("on", _called(found["subject"])),
        *found["facts"].items(),
        *(found["private"] or {}).items(),
        ("text", "erased" if found["has_private"] and found["private"] is None else None),
        ("log", found["log"]),
        ("sequence", f"{found['sequence']} of {found['proof']['size']}"),
        ("leaf", found["proof"]["leaf_hash"]),
        *((f"path {n}", each) for n, each in enumerate(found["proof"]["path"], 1)),
        ("root", found["proof"]["root"]),
    ]
    output.write_facts(facts)


@audit.command()
@_log
@output.formats("json")
def checkpoint(*, log: str | None, how: How) -> None:
    """Print the newest signed checkpoint: keep it elsewhere.

    With one that was kept, `verify --checkpoint` shows that the log was neither cut nor made anew
    since, not even by who runs this machine. With --json also the key to check its signature.

    \b
    Examples:
      dd0c audit checkpoint > /mnt/elsewhere/$(date +%F).txt
      dd0c audit checkpoint --json | jq -r .key
    """
    found = client.call("GET", "/audit/checkpoint", query={"log": log})
    if how == "json":
        output.write_json(found)
    else:
        click.echo(found["note"], nl=False)


@audit.command()
@click.argument("bundle", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--checkpoint",
    "kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that was kept elsewhere.",
)
@click.option("--key", help="The key that signs, known from elsewhere: NAME+HASH+KEY.")
@_log
@output.formats("json")
def verify(
    bundle: Path | None, *, kept: Path | None, key: str | None, log: str | None, how: How
) -> int:
    """Check that the log is what it was: of the server, or of the BUNDLE of an export.

    Every hash, the tree and the signature are worked out here from the bytes of the entries. Exit
    status 0: nothing is wrong; 1: something is; 2: it could not be checked.

    \b
    Examples:
      dd0c audit verify
      dd0c audit verify --checkpoint /mnt/elsewhere/2026-11-01.txt
      dd0c audit verify audit.zip
    """
    try:
        note = None if kept is None else kept.read_bytes()
        found = Check(_fetch(log) if bundle is None else open_bundle(bundle), note)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidInput(f"it could not be checked: {error}") from None
    if key and key.strip() != found.key.strip():
        found.fail("it is signed by another key than the one you know")
    if how == "json":
        output.write_json(
            {
                "wrong": found.found,
                "findings": found.wrong,
                "origin": found.now and found.now.origin,
                "size": found.now and found.now.size,
                "root": found.now and found.now.root.hex(),
                "entries": found.entries,
                "whole": found.whole,
            }
        )
    else:
        click.echo("\n".join(found.words()))
    return 1 if found.found else 0


@audit.command()
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["csv", "pdf", "bundle", "verifier"]),
    help="`bundle` is a zip that `verifier`, a program for Python alone, checks.",
)
@click.option("--output", "-o", "to", type=click.Path(path_type=Path), help="File; default stdout.")
@click.option("--disclose", is_flag=True, help="With names, and with texts that can be forgotten.")
@click.option("--size", metavar="N", help="As the log was at that size; not for bundles.")
@_filters
@output.formats("json")
def export(
    form: str, *, to: Path | None, disclose: bool, size: str | None, how: How, **asked: str | None
) -> None:
    """Take events away: for a spreadsheet, for paper, or for an auditor.

    A PDF has at most 10,000 events, and says the SHA-256 of the CSV of the same selection.

    \b
    Examples:
      dd0c audit export --format csv --since 30d > month.csv
      dd0c audit export --format pdf --event KeyCreated -o keys.pdf
      dd0c audit export --format bundle -o audit.zip
      dd0c audit export --format verifier -o verify.py
      dd0c audit export --format bundle -o audit.zip --json | jq -r .sha256
    """
    if to is None and form in ("pdf", "bundle") and sys.stdout.isatty():
        raise InvalidInput(f"a {form} is no text: say where to with -o FILE")
    query = _moments(asked) | {"format": form, "size": size}
    pieces = client.stream("/audit/export", query | {"disclose": "true" if disclose else None})
    output.write_file(how, to, pieces, format=form)


def _moments(asked: dict[str, str | None]) -> dict[str, str | None]:
    now = SystemClock().now()
    return asked | {name: times.before(asked[name], now) for name in ("since", "until")}


def _fetch(log: str | None) -> Bundle:
    """What the server says, as if it were a bundle: nothing of it is believed."""
    signed = client.call("GET", "/audit/checkpoint", query={"log": log})
    texts = {"checkpoint.txt": signed["note"], "key.txt": signed["key"]}

    def lines(name: str) -> Iterator[bytes]:
        if name in texts:
            return iter(texts[name].encode().removesuffix(b"\n").split(b"\n"))
        return _entries(log, signed["size"]) if name == "entries.jsonl" else iter(())

    return Bundle({*texts, "entries.jsonl"}, lines)


def _entries(log: str | None, size: int) -> Iterator[bytes]:
    rest = b""
    query = {"log": log, "size": str(size)}
    with progress.counting("checking entries", size) as step:
        for piece in client.stream("/audit/entries", query, quiet=True):
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
            step(len(lines))
    if rest:
        yield rest


def _called(named: dict[str, Any]) -> str:
    return f"{named['name']}  ({named['id']})" if named["name"] else str(named["id"])


def _short(named: dict[str, Any]) -> str | None:
    """The name, or an id that is one; those of 30 characters have columns of their own."""
    return named["name"] or (named["id"] if len(named["id"]) <= SHORT_MAX else None)


COLUMNS = (
    Column("event", "id", "whole"),
    Column("at", "at", "moment"),
    Column("what", "event", "whole"),
    Column("by", lambda one: _short(one["actor"])),
    Column("on", lambda one: _short(one["subject"])),
    Column("sequence", "sequence", "number", spare=True),
    Column("actor", "actor.id", "whole", spare=True),
    Column("subject", "subject.id", "whole", spare=True),
)
