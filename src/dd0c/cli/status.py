"""`dd0c status`: on one screen, whether it is well and what it did in the last day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from dd0c.base.clock import SystemClock
from dd0c.base.errors import Forbidden
from dd0c.cli import client, output
from dd0c.cli.output import UNKNOWN

LAST_DAY = timedelta(hours=24)
BUDGET_PERCENT, BUDGETS_SHOWN = "80", "20"


@click.command()
@output.formats("json")
def status(how: output.How) -> int:
    """Whether dd0c is well, and the last 24 hours in numbers.

    The exit status is 1 when something fails; what is degraded works, what is unknown cannot be
    told. Keys with the role platform see how each part is; `dd0c doctor` says what to do.

    \b
    Examples:
      dd0c status
      dd0c status --json | jq .last_day.cost_usd
      dd0c status > /dev/null || notify-send "dd0c needs a look"
    """
    found = _ask()
    if how == "json":
        output.write_json(found)
    else:
        output.write_facts(_facts(found))
    return 1 if found["health"] == "failing" else 0


def _ask() -> dict[str, Any]:
    target = client.find_target(profile=client.chosen_profile())
    me, panic = client.call("GET", "/me"), client.call("GET", "/admin/panic")
    since = (SystemClock().now() - LAST_DAY).isoformat()
    usage = client.call("GET", "/route/usage", query={"by": "model", "since": since})
    over = {"over": BUDGET_PERCENT, "limit": BUDGETS_SHOWN}
    budgets = client.call("GET", "/route/budgets", query=over)["items"]
    try:
        report = client.call("GET", "/health")
    except Forbidden:
        report = None
    items = report["items"] if report else []
    return {
        "url": target.url,
        "version": client.server_version(),
        "org": me["org"],
        "panic": panic["mode"],
        "health": None if report is None else report["status"],
        "not_ok": [
            {name: one[name] for name in ("name", "status", "detail")}
            for one in items
            if one["status"] != "ok"
        ],
        "budgets": budgets,
        "last_day": usage["total"],
        "top_models": [row["model"] for row in usage["rows"][:3]],
    }


def _facts(found: dict[str, Any]) -> list[tuple[str, Any]]:
    day = found["last_day"]
    simulated = day["simulated_cost_usd"]
    health = {None: "answers (its parts are for keys with the role platform)", "ok": "all is well"}
    budgets = [
        (f"  {one['percent']} %", f"{_budget(one)}: {one['spent_usd']} of {one['usd']} USD spent")
        for one in found["budgets"]
    ]
    not_ok = [(f"  {one['name']}", f"{one['status']}: {one['detail']}") for one in found["not_ok"]]
    return [
        ("dd0c", f"{found['version']} at {found['url']}"),
        ("organisation", found["org"]),
        ("panic", found["panic"] and f"{found['panic']} is on: `dd0c panic status` says more"),
        ("health", health.get(found["health"], f"{found['health']}: `dd0c doctor` says more")),
        *not_ok,
        *([("budgets", "nearly spent, or more than that"), *budgets] if budgets else ()),
        ("", ""),
        ("last 24 hours", ""),
        ("  requests", day["requests"]),
        ("  tokens in", _or_unknown(day["input"])),
        ("  tokens out", _or_unknown(day["output"])),
        ("  cost USD", _or_unknown(day["cost_usd"])),
        ("  simulated", simulated and f"{simulated} of it: nobody charges that"),
        ("  unpriced", day["unpriced_requests"] or None),
        ("  models", found["top_models"] or None),
    ]


def _budget(one: dict[str, Any]) -> str:
    kind = "hard" if one["hard"] else "soft"
    return " ".join(filter(None, (one["scope"], one["subject"], f"({kind}, {one['window']})")))


def _or_unknown(value: Any) -> Any:
    return UNKNOWN if value is None else value
