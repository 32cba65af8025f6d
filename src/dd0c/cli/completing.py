"""What the shell may complete with: names that a running dd0c knows.

Somebody waits with a finger on the Tab key: half a second, and silence when anything goes wrong.
"""

from __future__ import annotations

import os

import click

from dd0c.base.errors import Error

PATIENCE_S = 0.5


def key_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of keys, newest first."""
    return _ask(ctx, "/keys", {"limit": "100"}, "id", incomplete)


def team_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of teams."""
    return _ask(ctx, "/teams", {}, "name", incomplete)


def model_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Models that were asked for."""
    return _ask(ctx, "/route/usage", {"by": "model"}, "model", incomplete)


def request_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the last requests."""
    return _ask(ctx, "/route/requests", {"limit": "20"}, "request_id", incomplete)


def part_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids of parts."""
    return _ask(ctx, "/parts", {}, "id", incomplete)


def profile_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Names of profiles."""
    from dd0c.cli import profiles

    try:
        names = sorted(profiles.load(os.environ).by_name)
    except Error:
        return []
    return [name for name in names if name.startswith(incomplete)]


def _ask(
    ctx: click.Context, path: str, query: dict[str, str | None], field: str, incomplete: str
) -> list[str]:
    from dd0c.cli import client

    try:
        with ctx.scope(cleanup=False):
            found = client.call("GET", path, query=query, deadline_s=PATIENCE_S)
    except Error:
        return []
    names = (one[field] for one in found.get("items", found.get("rows", [])))
    return [name for name in names if name and name.startswith(incomplete)]
