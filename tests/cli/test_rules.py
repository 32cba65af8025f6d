"""Teams, budgets and limits on the command line, against a real control server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli import terminal
from tests.products.route import records
from tests.products.route.api.ledger import rated, ship, tenant_of
from tests.support.control import Served, serving
from tests.support.database import Cluster


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server where acme has spent 0.90 dollars."""
    with serving(cluster) as served:
        org, _ = tenant_of(served, served.acme)
        ship(served, [rated(records.opened(org), cost_pico=900_000_000_000)])
        yield served


def run(served: Served, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, as acme's owner."""
    return terminal.call(*words, env={"DD0C_URL": served.url, "DD0C_KEY": served.acme})


def answer(served: Served, *words: str) -> Any:
    """The JSON of a command that must succeed."""
    done = run(served, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_budget_that_is_nearly_spent_is_on_the_first_screen(served: Served) -> None:
    """`dd0c status` names what is over 80 % and what is over all of it, and nothing else (R-16)."""
    setting = ("route", "budgets", "set", "--soft", "--window", "total", "--usd")
    for usd, *scope in (("1.00",), ("0.50", "model"), ("100", "route")):
        whom = ("--scope", *scope, "--subject", "gpt-5-mini") if scope else ()
        made = run(served, *setting, usd, *whom)
        assert made.returncode == 0, made.stderr
    shown = run(served, "status").stdout.splitlines()
    begin = next(number for number, line in enumerate(shown) if line.startswith("budgets"))
    assert [" ".join(line.split()) for line in shown[begin + 1 : begin + 4]] == [
        "180.0 % model gpt-5-mini (soft, total): 0.9 of 0.5 USD spent",
        "90.0 % organisation (soft, total): 0.9 of 1 USD spent",
        "",
    ]
    listed = answer(served, "route", "budgets", "list")["items"]
    assert [(one["usd"], one["scope"], one["hard"]) for one in listed] == [
        ("1", "organisation", False),
        ("0.5", "model", False),
        ("100", "route", False),
    ]
    removed = answer(served, "route", "budgets", "remove", listed[0]["id"])
    assert removed["id"] == listed[0]["id"]
    assert "90.0 %" not in run(served, "status").stdout


def test_a_team_its_key_and_its_limit(served: Served) -> None:
    """Made, renamed, limited and removed by name; what is refused says what to do (K-10)."""
    answer(served, "team", "create", "search")
    key = answer(served, "key", "create", "indexer", "--team", "search")
    assert key["team"] == "search"
    limit = answer(
        served,
        "route",
        "limits",
        "set",
        "--scope",
        "team",
        "--subject",
        "search",
        "--concurrency",
        "2",
    )
    answer(served, "team", "rename", "SEARCH", "discovery")
    assert answer(served, "route", "limits", "list")["items"] == [limit | {"subject": "discovery"}]
    refused = run(served, "team", "remove", "discovery")
    assert (refused.returncode, "move them to another team" in refused.stderr) == (5, True)
    out = run(served, "key", "move", key["id"])
    assert out.stdout == "indexer belongs to no team\n"
    assert run(served, "team", "remove", "discovery").returncode == 0
    unknown = run(served, "team", "remove", "discovery")
    assert (unknown.returncode, "hint: dd0c team list" in unknown.stderr) == (4, True)
    assert answer(served, "route", "limits", "remove", limit["id"])["id"] == limit["id"]


def test_policies_are_shown_and_set(served: Served) -> None:
    """Without a word they show what holds; what is not said stays (R-13, R-16)."""
    assert run(served, "route", "disconnect-policy").stdout.split() == ["policy", "abort"]
    answer(served, "route", "disconnect-policy", "set", "drain_up_to_usd", "--usd", "0.05")
    assert run(served, "route", "disconnect-policy").stdout.split()[-1] == "0.05"
    answer(served, "route", "store-policy", "set", "--store-away", "closed")
    shown = answer(served, "route", "store-policy", "show")
    assert shown == {"store_away": "closed", "spool_full": "closed"}


def test_an_organisation_says_how_long_requests_are_kept(served: Served) -> None:
    """For ever, until it says otherwise; the time zone is another matter (R-10)."""
    assert answer(served, "org", "show")["retention_days"] is None
    assert answer(served, "org", "set", "--retention-days", "90")["retention_days"] == 90
    zone = answer(served, "org", "set", "--time-zone", "UTC")
    assert (zone["time_zone"], zone["retention_days"]) == ("UTC", 90)
    assert "90 days" in run(served, "org", "show").stdout
    assert answer(served, "org", "set", "--retention-days", "none")["retention_days"] is None
    assert "for ever" in run(served, "org", "show").stdout


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("route", "budgets", "set", "--usd", "NaN"), 2, "body.usd"),
        (("route", "budgets", "set", "--usd", "-1"), 2, "body.usd"),
        (("route", "budgets", "set", "--usd", "9" * 30), 2, "body.usd"),
        (("route", "budgets", "set", "--usd", "1", "--scope", "key"), 2, "body.subject"),
        (("route", "limits", "set"), 2, "at least one of"),
        (("route", "limits", "set", "--concurrency", "0"), 2, "body.concurrency"),
        (("route", "budgets", "remove", "bgt_x"), 2, "bgt_"),
        (("org", "set", "--time-zone", "Mars/Base"), 2, "body.time_zone"),
        (("org", "set"), 2, "--retention-days"),
        (("org", "set", "--retention-days", "-1"), 2, "--retention-days"),
        (("org", "set", "--retention-days", "0"), 2, "body.days"),
        (("org", "set", "--retention-days", "9" * 20), 2, "body.days"),
    ],
)
def test_nonsense_is_refused(
    served: Served, words: tuple[str, ...], status: int, says: str
) -> None:
    """The field is named, and the exit status says that the input was wrong."""
    done = run(served, *words)
    assert (done.returncode, says in done.stderr, done.stdout) == (status, True, ""), done.stderr
    assert "openapi" not in done.stderr, "that is for who speaks HTTP"


def test_what_the_server_refuses_is_explained_in_the_words_of_the_command(served: Served) -> None:
    """Who types a command is sent to its help, not to the description of the API."""
    done = run(served, "route", "limits", "set", "--concurrency", "0")
    assert done.stderr.splitlines()[-1] == "hint: dd0c route limits set --help"
