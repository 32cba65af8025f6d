"""Write docs/reference from the code: settings, command line, API, metrics.

`python docs/generate.py` writes the files; `--check` exits 1 when one differs from the code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

os.environ["COLUMNS"] = "100"  # help is wrapped by the width of the terminal

import click
from fastapi import FastAPI

from dd0c.app.control import MANIFESTS
from dd0c.base.settings import Settings
from dd0c.cli import exits
from dd0c.cli.main import dd0c
from dd0c.kernel.jobs import metrics as job_metrics
from dd0c.kernel.web import app as web
from dd0c.kernel.web import metrics as control_metrics
from dd0c.kernel.web import openapi
from dd0c.products.route.gateway import metrics as gateway_metrics
from dd0c.sim import metrics as sim_metrics

REFERENCE = Path(__file__).parent / "reference"


def settings() -> str:
    """The table of settings."""
    lines = [
        "# Settings",
        "",
        "From a flag, the environment, `dd0c.toml` in the home, or the default; the first wins.",
        "",
        "| `dd0c.toml` | environment | default | what |",
        "|---|---|---|---|",
    ]
    for f in fields(Settings):
        shown = str(f.default) if type(f.default).__name__ != "Secret" else ""
        default = f"`{shown}`" if shown else "—"
        lines.append(f"| `{f.name}` | `{f.metadata['env']}` | {default} | {f.metadata['doc']} |")
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """Every verb's own help."""
    lines = [
        "# Command line",
        "",
        "A failure is a line `error: …` on stderr, mostly with a line `hint: …`, and a status:",
        "",
        "| exit status | meaning |",
        "|---|---|",
        *(f"| {status} | {meaning} |" for status, meaning in exits.table()),
        "",
    ]
    for name, help_text in _verbs("dd0c", dd0c, None):
        lines += [f"## {name}", "", "```text", help_text.rstrip(), "```", ""]
    return "\n".join(lines[:-1]) + "\n"


def _verbs(
    name: str, command: click.Command, parent: click.Context | None
) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command, info_name=name.split()[-1], parent=parent, **command.context_settings
    )
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None
            yield from _verbs(f"{name} {verb}", found, context)


def api() -> str:
    """The operations of the API; the whole document is served at /api/openapi.json."""
    app = FastAPI()
    web.include_api(app, [manifest.api for manifest in MANIFESTS])
    document = openapi.describe(app)
    lines = [
        "# API",
        "",
        "The whole document, OpenAPI 3.1, is served at `/api/openapi.json` on the console port.",
        "",
        "| method | path | permission | what |",
        "|---|---|---|---|",
    ]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            needed = _needed(operation)
            lines.append(f"| {method.upper()} | `{path}` | {needed} | {operation['summary']} |")
    return "\n".join(lines) + "\n"


def _needed(operation: dict[str, Any]) -> str:
    if not operation["security"]:
        return "public"
    permission = operation.get("x-dd0c-permission")
    return f"`{permission}`" if permission else "any key"


CATALOGUES = {
    "Gateway": (
        "Parent and workers together, at `/metrics` of the admin port (`DD0C_GATEWAY_ADMIN_PORT`):"
        " loopback only, as providers and models are named.",
        gateway_metrics.CATALOGUE,
    ),
    "Control server": (
        "At `/metrics` of the console's port, for everybody who reaches it: no tenant, key, model"
        " or provider is named.",
        control_metrics.CATALOGUE,
    ),
    "Job worker": (
        "At `/metrics` of its admin port (`DD0C_WORKER_ADMIN_PORT`): loopback only.",
        job_metrics.CATALOGUE,
    ),
    "Simulator": ("At `/metrics` of its port.", sim_metrics.CATALOGUE),
}


def metrics() -> str:
    """Every metric of every part."""
    lines = [
        "# Metrics",
        "",
        "Prometheus text. Where an admin port is 0 a free one is taken; `GET /api/v1/parts` tells"
        " which. No label holds a key, a tenant or what a caller wrote.",
    ]
    for part, (where, catalogue) in CATALOGUES.items():
        lines += [
            "",
            f"## {part}",
            "",
            where,
            "",
            "| name | kind | labels | what |",
            "|---|---|---|---|",
        ]
        for one in catalogue:
            labels = ", ".join(f"`{label}`" for label in one.labels) or "—"
            lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.help} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "cli.md": command_line,
    "api.md": api,
    "metrics.md": metrics,
}


def main() -> int:
    """Write or check every page; the exit status is 1 when `--check` finds a difference."""
    made = {REFERENCE / name: make() for name, make in PAGES.items()}
    stale = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"docs/reference/{path.name} is not what the code says: run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(made[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
