"""Write docs/reference from the code, and there and in README.md what was measured.

`python docs/generate.py` writes the files; `--check` exits 1 when one differs from the code.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

os.environ["COLUMNS"] = "100"  # help is wrapped by the width of the terminal

import click
import msgspec
import telling
from fastapi import FastAPI

from dd0c.app.control import MANIFESTS
from dd0c.app.events import CATALOGUE
from dd0c.base.settings import Settings
from dd0c.cli import exits
from dd0c.cli.main import dd0c
from dd0c.kernel.audit import metrics as audit_metrics
from dd0c.kernel.jobs import metrics as job_metrics
from dd0c.kernel.web import app as web
from dd0c.kernel.web import metrics as control_metrics
from dd0c.kernel.web import openapi
from dd0c.kernel.web.console import section as kernel_section
from dd0c.products.route.gateway import metrics as gateway_metrics
from dd0c.products.route.models import AttemptClosed, AttemptOpened, EndReason
from dd0c.scan import paths, tables
from dd0c.scan.models import Risk
from dd0c.sim import metrics as sim_metrics

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
README = ROOT / "README.md"
BENCH = ROOT / "bench" / "results" / "results.json"


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


def described() -> dict[str, Any]:
    """The OpenAPI document."""
    app = FastAPI()
    web.include_api(app, [manifest.api for manifest in MANIFESTS])
    return openapi.describe(app)


def whole_api() -> str:
    """The document as it is served."""
    return json.dumps(described(), indent=1, ensure_ascii=False) + "\n"


def api() -> str:
    """The operations of the API."""
    document = described()
    lines = [
        "# API",
        "",
        "The whole document, OpenAPI 3.1, is [openapi.json](openapi.json); it is served at",
        "`/api/openapi.json` on the console port.",
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
        (*job_metrics.CATALOGUE, *audit_metrics.CATALOGUE),
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


ENDS = {
    EndReason.COMPLETE: "the provider's answer is whole, and so is what the caller got",
    EndReason.CLIENT_GONE: "the caller left; the provider's connection was dropped",
    EndReason.UPSTREAM_ERROR: "the provider answered with an error, or could not be reached",
    EndReason.UPSTREAM_CUT: "the provider broke off amid its answer",
    EndReason.TIMEOUT: "the provider took longer than the settings allow",
    EndReason.LIMIT: "a limit stopped it; nothing sets one yet",
    EndReason.BREAKER: "its provider fails: nothing was sent to it",
    EndReason.PANIC: "an operator stopped it; nothing does so yet",
    EndReason.LOST: "nobody knows: the worker died, or a stop cut it",
    EndReason.PENDING: "not yet; never in the ledger",
}

LIVE = {
    "changed": "something that the page shows is different; `id` is the mark to come back with",
    "beat": "every three seconds; `data` holds `age_s`, how old the server's knowledge is",
    "ended": "the session is over, or may not see this any more: do not come back",
}

REQUEST_LINE = {
    "method": "of the request",
    "route": "as in the API's document, with the names of ids in place of the ids",
    "status": "0: the client left before an answer",
    "ms": "until the whole answer was handed to the socket",
    "org, key": "ids of who asked, null when nobody was known",
    "request_id": "as in the header `x-dd0c-request-id`",
}


def events() -> str:
    """What parts tell each other and the outside about things that happen."""
    topics = [
        *kernel_section.SECTION.topics,
        *(topic for manifest in MANIFESTS for topic in manifest.section.topics),
    ]
    lines = [
        "# Events",
        "",
        "What dd0c tells as it happens: the audit log, whoever looks at a page, callers, and logs.",
        "",
        "## Audit log",
        "",
        "Every change is told in the transaction that makes it, by `system` where nobody did it.",
        "What is set is told each time, an end once. Webhooks are made of the same events.",
        "",
        *_table(("event", "means", "told by"), _told()),
        "",
        "## Live pages",
        "",
        "`GET /console/live/TOPIC` is a stream of server-sent events for a session of the console.",
        "They say that something changed, never what: the page's own address has it, `.json`",
        "included. Come back with `Last-Event-ID`, or `?after=`.",
        "",
        *_table(("topic", "permission"), ((f"`{t.name}`", f"`{t.permission}`") for t in topics)),
        "",
        *_table(("event", "means"), ((f"`{name}`", text) for name, text in LIVE.items())),
        "",
        "## Streams of the gateway",
        "",
        "A provider's events pass as they came. dd0c adds one comment line, before the event that",
        "ends the stream: `: dd0c cost_usd=0.000123 request=req_…`.",
        "",
        "## Log lines",
        "",
        "`time level process message name=value …`, or one JSON object with the same names where",
        "`DD0C_LOG_FORMAT` is `json`. An exception adds `error` and `trace`. Console and API",
        "write a line `request` for each request, except to `/livez`, `/readyz` and `/metrics`:",
        "",
        *_table(("field", "means"), ((f"`{name}`", text) for name, text in REQUEST_LINE.items())),
        "",
        "## Records of the spool",
        "",
        "A worker writes one record before it sends an attempt and one before the caller's last",
        "bytes; the ledger's row is made of both. A later version only adds members at the end.",
        "",
        *_record("opened", AttemptOpened),
        "",
        *_record("closed", AttemptClosed),
        "",
        *_table(("end reason", "means"), ((f"`{one}`", ENDS[one]) for one in EndReason)),
    ]
    return "\n".join(lines) + "\n"


def _told() -> Iterator[tuple[str, str, str]]:
    writers = telling.writers()
    if idle := {event.name for event in CATALOGUE} - writers.keys():
        raise SystemExit(f"nobody tells {', '.join(sorted(idle))}")
    for event in sorted(CATALOGUE, key=lambda one: one.name):
        places = ", ".join(f"`{place.removeprefix('dd0c/')}`" for place in writers[event.name])
        yield f"`{event.name}`", event.sentence, places


def _record(name: str, kind: type[msgspec.Struct]) -> list[str]:
    members = ", ".join(f"`{one.name}`" for one in msgspec.structs.fields(kind))
    return [f"**{name}**: {members}"]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


CLASSES = {
    Risk.SAFE: "proved to read only: every word of it was understood",
    Risk.CAUTION: "changes something that can be undone or is bounded, or shows a secret",
    Risk.DANGEROUS: "deletes, ends, opens or overwrites; or is not understood",
    Risk.BLOCKED: "never to be run: disks, decoded or downloaded text, what hides or is too much",
}


def risk() -> str:
    """What the verdict on commands knows, and how it does on the corpus."""
    sys.path.insert(0, str(ROOT))
    from tests.scan import metrics as measured

    known = measured.metrics()
    lines = [
        "# Risk of commands",
        "",
        "What `dd0c run classify` and every step of a runbook are judged by. `safe` is proved, not",
        "assumed: [decision 29](../decisions/0029-a-verdict-is-a-proof.md).",
        "",
        "## Classes",
        "",
        *_table(
            ("class", "exit status", "means"),
            ((f"`{one.label}`", str(int(one)), CLASSES[one]) for one in Risk),
        ),
        "",
        "## On the corpus",
        "",
        f"Of {known.attacks} attacks in which bash really runs a hidden command,"
        f" {known.below_dangerous} are rated below `dangerous`.",
        f"Of {known.benign} commands of daily work {known.blocked} are `blocked`, and"
        f" {known.safe_reads:.1%} of those that only read are `safe`.",
        "",
        *_table(
            ("what benign commands do", *(f"`{one.label}`" for one in Risk)),
            (
                (effect, *(str(rated[one]) for one in Risk))
                for effect, rated in known.effects.items()
            ),
        ),
        "",
        *_table(
            ("class of evasion", "attacks", "below `dangerous`"),
            ((name, str(all_), str(low)) for name, (all_, low) in known.classes.items()),
        ),
        "",
        "## Known gaps",
        "",
        *_table(
            ("command", "rated", "why it is left"),
            ((_cell(gap.command), f"`{gap.rated}`", gap.why) for gap in measured.known_gaps()),
        ),
        "",
        "## Rules",
        "",
        *_table(
            ("rule", "means", "why", "example"),
            (
                (f"`{one.id}`", one.title, one.why, _cell(one.example))
                for one in sorted(tables.rules().values(), key=lambda one: one.id)
            ),
        ),
        "",
        "## Paths",
        "",
        *_table(
            ("class", "to write", "to read", "why"),
            (
                (held.row.name, f"`{held.row.writes}`", f"`{held.row.reads}`", held.row.why)
                for held in paths.classes()
            ),
        ),
        "",
        "## Tools",
        "",
        "With the number of sub-commands that are known. Any other is `dangerous`.",
        "",
    ]
    for family in tables.families():
        told = ", ".join(_tool(row) for row in tables.read_rows(family.read_text()))
        lines += [f"**{family.name.removesuffix('.yaml')}**: {told}", ""]
    return "\n".join(lines[:-1]) + "\n"


def _cell(text: str) -> str:
    shown = text.replace("|", "\\|").replace("\n", " ⏎ ")
    fence = "``" if "`" in shown else "`"
    return f"{fence}{' ' * (len(fence) - 1)}{shown}{' ' * (len(fence) - 1)}{fence}"


def _tool(row: tables.ToolRow) -> str:
    count = sum(len(names.split(", ")) for names in row.commands)
    return f"{' '.join(row.names)} ({count})" if count else " ".join(row.names)


def benchmarks() -> str:
    """The page of the last `make bench`."""
    if not BENCH.exists():
        return "# Benchmarks\n\nNothing was measured yet: `make bench` does.\n"
    sys.path.insert(0, str(ROOT))
    from tests.bench import report

    return report.page(json.loads(BENCH.read_text()))


def readme() -> str:
    """README.md with the table of the last `make bench`; as it is where nothing was measured."""
    text = README.read_text()
    if not BENCH.exists():
        return text
    sys.path.insert(0, str(ROOT))
    from tests.bench import report

    found = json.loads(BENCH.read_text())
    table = _table(("", *report.names(found)), (tuple(row) for row in report.rows(found)))
    before, _, rest = text.partition("<!-- bench -->")
    _, _, after = rest.partition("<!-- /bench -->")
    told = ["<!-- bench -->", "", *table, "", "<!-- /bench -->"]
    return before + "\n".join(told) + after


PAGES: dict[Path, Callable[[], str]] = {
    REFERENCE / "settings.md": settings,
    REFERENCE / "cli.md": command_line,
    REFERENCE / "api.md": api,
    REFERENCE / "openapi.json": whole_api,
    REFERENCE / "metrics.md": metrics,
    REFERENCE / "events.md": events,
    REFERENCE / "risk.md": risk,
    REFERENCE / "benchmarks.md": benchmarks,
    README: readme,
}


def main() -> int:
    """Write or check every page; the exit status is 1 when `--check` finds a difference."""
    made = {path: make() for path, make in PAGES.items()}
    stale = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the code says: run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(made[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
