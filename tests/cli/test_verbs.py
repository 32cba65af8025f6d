"""Every verb that prints data, against a real control server: tables, JSON, CSV, terminals."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

import dd0c
from dd0c.cli import main as cli
from dd0c.products.route.models import AttemptOpened, Usage
from tests.cli import terminal
from tests.cli.test_main import SCRIPTS, SERVING, VERBS
from tests.cli.words import dead_job, made_hooks, words
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, request_id, ship, tenant_of
from tests.support.chained import chain
from tests.support.control import Served, serving
from tests.support.database import Cluster
from tests.support.people import member
from tests.support.plain import NO_TLS
from tests.support.product import until

COST = {"cost_pico": 12_500_000_000, "usage": Usage(input=10, output=5)}
MODELS = {"gpt-5-mini": 4, "a-model-with-a-rather-long-name-of-its-own": 1}
ELSEWHERE = SERVING | SCRIPTS
ELSEWHERE |= {"migrate", "reload", "requests tail", "parts forget", "spool ship"}
ELSEWHERE |= {"backup", "restore", "vault status", "vault rotate", "vault rewrap"}
"""Verbs that answer nothing, need a home of their own, or never end: tested for themselves."""


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server with two requests of the first organisation."""
    with serving(cluster) as served:
        register(served)
        for name in ("Walker", "Stayer", "Leaver"):
            with member(served, served.platform, name):
                pass
        with served.client(served.platform) as client:
            client.post("/api/v1/teams", json={"name": "walking"})
            for model in MODELS:
                rule = {"scope": "route", "subject": model}
                budget = {"window": "total", "usd": "1.00", "hard": False}
                client.post("/api/v1/route/budgets", json=rule | budget)
                client.post("/api/v1/route/limits", json=rule | {"concurrency": 7})
        made_hooks(served)
        dead_job(served)
        for model, times in MODELS.items():
            cost = COST | {"cost_pico": times * 3_125_000_000}
            ship(served, [rated(opened(served, model), **cost)])
        chain(served)
        yield served


def opened(served: Served, model: str, **changes: Any) -> AttemptOpened:
    org, key = tenant_of(served, served.platform)
    return records.opened(org, key_id=key.bytes, requested_model=model, **changes)


def asking(served: Served, **env: str) -> dict[str, str]:
    return {"DD0C_URL": served.url, "DD0C_KEY": served.platform, **env}


def printed(served: Served, verb: str, form: str, **env: str) -> str:
    """What the verb prints in that form, without a process of its own."""
    given = "dd0c_sk_" + "k" * 43 if verb == "profile add" else None
    done = CliRunner().invoke(
        cli.dd0c, [*words(served, verb), form], input=given, env=asking(served, **env)
    )
    assert done.exception is None, (verb, done.exception)
    assert "\x1b" not in done.output
    return str(done.stdout)


LATE = ("panic off", "panic on", "remove", "rename", "use")
DATA = sorted(VERBS.keys() - ELSEWHERE, key=lambda verb: ([late in verb for late in LATE], verb))


def test_every_verb_that_prints_data_prints_json(
    served: Served, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each verb, found by walking the command line, answers --json with one JSON object."""
    folder = str(tmp_path_factory.mktemp("config"))
    assert len(DATA) > 15
    for verb in DATA:
        text = printed(served, verb, "--json", XDG_CONFIG_HOME=folder)
        assert isinstance(json.loads(text), dict), verb


LISTS = [verb for verb in DATA if any("--csv" in one.opts for one in VERBS[verb].params)]


@pytest.mark.parametrize("verb", LISTS)
def test_lists_are_csv_as_well(served: Served, verb: str) -> None:
    """Each list gives CSV with a head of plain names, and a line for each item."""
    head, *rows = csv.reader(io.StringIO(printed(served, verb, "--csv", XDG_CONFIG_HOME="/none")))
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in head)
    assert rows or verb in ("profile list", "route reconcile")  # here there is none
    assert all(len(row) == len(head) for row in rows)


def test_lists_are_among_the_verbs() -> None:
    """The walk found the lists."""
    assert {"key list", "org list", "usage", "requests list", "route providers"} <= set(LISTS)


ON_TERMINALS = [
    "route budgets list",
    "route limits list",
    "team list",
    "key list",
    "requests list",
    "audit list",
    "org list",
    "route providers",
    "usage",
    "whoami",
]


@pytest.mark.parametrize("verb", ON_TERMINALS)
def test_tables_fit_a_terminal(served: Served, verb: str) -> None:
    """80 columns are enough: nothing is wider, and no id is cut or folded."""
    shown = terminal.show(*words(served, verb), columns=80, env=asking(served))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "")
    assert max(len(line) for line in plain.splitlines()) <= 80
    assert all(
        len(found) == 26 for found in re.findall(r"(?:key|req|org|bgt|lim|team)_(\w+)", plain)
    )
    assert shown != plain or verb == "whoami"  # heads and states have a colour


def test_what_a_terminal_cuts_off_shows_that_it_is_cut(served: Served) -> None:
    """A cost of 0.00004 must not stand there as 0.0 because the terminal is narrow."""
    shown = terminal.show("requests", "list", columns=40, env=asking(served, NO_COLOR="1"))
    assert {line.rstrip()[-1] for line in shown.splitlines()} == {"…"}


def test_a_wide_terminal_shows_more_and_local_time(served: Served) -> None:
    """Columns that were left out come back with room; times are local and the head says where."""
    narrow = terminal.show("requests", "list", env=asking(served))
    wide = terminal.show("requests", "list", columns=200, env=asking(served, TZ="Asia/Tokyo"))
    assert "first byte ms" not in narrow
    assert "first byte ms" in wide
    assert "started UTC" in narrow
    assert "started JST" in wide


def test_a_key_with_an_empty_name_is_refused_for_that(served: Served) -> None:
    """`key create "$UNSET"` is told that the name is too short, not that there is none."""
    done = terminal.run("key", "create", "", env=asking(served))
    assert done.returncode == 2
    assert "at least 1 character" in done.stderr


def test_no_color_is_respected(served: Served) -> None:
    """NO_COLOR: not one escape sequence on a terminal; FORCE_COLOR: some in a pipe."""
    assert "\x1b" not in terminal.show("key", "list", env=asking(served, NO_COLOR="1"))
    forced = terminal.run("key", "list", env=asking(served, FORCE_COLOR="1"))
    assert "\x1b[1m" in forced.stdout


def test_whoami_tells_the_sources(served: Served) -> None:
    """Which dd0c, which key, who said so; the key itself is nowhere."""
    done = terminal.run("whoami", "--json", env=asking(served))
    me = json.loads(done.stdout)
    assert (me["url"], me["url_from"], me["key_from"]) == (served.url, "DD0C_URL", "DD0C_KEY")
    assert (me["org"], "platform" in me["roles"]) == ("default", True)
    assert served.platform not in done.stdout + terminal.run("whoami", env=asking(served)).stdout


def test_status_is_one_screen(served: Served) -> None:
    """What is away is named, the day is summed, and the status says that something is wrong."""
    done = terminal.run("status", env=asking(served))
    assert done.returncode == 1
    assert f"{dd0c.__version__} at {served.url}" in done.stdout
    assert re.search(r"^health +failing: `dd0c doctor` says more$", done.stdout, re.MULTILINE)
    assert re.search(r"^ +cache +failing: ", done.stdout, re.MULTILINE)
    assert len(done.stdout.splitlines()) < 24
    weak = terminal.run("status", "--json", env=asking(served, DD0C_KEY=served.acme))
    assert (weak.returncode, json.loads(weak.stdout)["health"]) == (0, None)


def test_requests_are_listed_and_shown(served: Served) -> None:
    """Filters reach the API, a limit is a limit, and one request is its whole story."""
    one = terminal.run("requests", "list", "--model", "gpt-5-mini", "--json", env=asking(served))
    [found] = json.loads(one.stdout)["items"]
    assert found["attempts"][0]["requested_model"] == "gpt-5-mini"
    few = terminal.run("requests", "list", "--limit", "1", "--json", env=asking(served))
    assert len(json.loads(few.stdout)["items"]) == 1
    none = terminal.run("requests", "list", "--end", "lost", env=asking(served))
    assert len(none.stdout.splitlines()) == 1
    story = terminal.run("requests", "show", found["request_id"], env=asking(served)).stdout
    for fact in ("cost USD      0.0125", "tokens output", "ended", "(the caller's answer)"):
        assert fact in story


def test_the_story_of_a_cut_answer_tells_what_was_made_and_how_sure_that_is(
    served: Served,
) -> None:
    """Tokens and costs that reached the caller stand beside what the provider made, an estimate has
    its error, and a refusal its reason (R-13, R-14, R-16)."""
    org, key = tenant_of(served, served.acme)
    cut = records.opened(org, key_id=key.bytes)
    estimate = {
        "usage_source": "estimated",
        "usage_error": 0.114,
        "usage": Usage(input=9, output=8),
    }
    tokens = {"delivered_output_tokens": 8, "upstream_output_tokens": 10}
    costs = {"cost_pico": 18_250_000, "cost_delivered_pico": 18_250_000}
    row = rated(cut, **estimate, **tokens, **costs, cost_upstream_pico=22_250_000)
    why = "The budget of $1 a day is spent."
    denied = records.opened(org, key_id=key.bytes, attempt=0, route_reason=why)
    ship(served, [row, rated(denied, end_reason="limit", cost_pico=0)])

    def story(of: AttemptOpened) -> list[list[str]]:
        words = ("requests", "show", request_id(of))
        shown = terminal.call(*words, env=asking(served, DD0C_KEY=served.acme))
        return [re.split(r"  +", line.strip()) for line in shown.stdout.splitlines()]

    facts = story(cut)
    assert ["counted by", "estimated, within 11.4 %"] in facts
    assert ["delivered tokens", "8"] in facts
    assert ["made tokens", "10"] in facts
    assert ["delivered USD", "0.00001825"] in facts
    assert ["made USD", "0.00002225"] in facts
    assert ["refused", why] in story(denied)


def test_who_made_an_answer_up_is_said(served: Served) -> None:
    """What a simulated provider answered was charged by nobody: each attempt tells, in the API and
    in words (R-10)."""
    org, key = tenant_of(served, served.acme)
    made_up = records.opened(
        org, key_id=key.bytes, provider="sim", credential_id=records.SIMULATOR.bytes
    )
    real = records.opened(org, key_id=key.bytes, attempt=2, request_id=made_up.request_id)
    ship(served, [rated(made_up, final=False), rated(real)])
    words = ("requests", "show", request_id(made_up))
    env = asking(served, DD0C_KEY=served.acme)
    attempts = json.loads(terminal.call(*words, "--json", env=env).stdout)["attempts"]
    assert [one["simulated"] for one in attempts] == [True, False]
    shown = terminal.call(*words, env=env).stdout
    told = re.findall(r"^ +provider +(.*)$", shown, re.MULTILINE)
    assert told == ["sim (simulated: nobody charges it)", "openai"]


def test_a_plot_shows_who_costs_most(served: Served) -> None:
    """Bars are as long as costs are high; the total has none, and CSV takes no plot."""
    shown = terminal.run("usage", "--plot", env=asking(served)).stdout
    assert [line.count("█") for line in shown.splitlines()] == [0, 20, 5, 0]
    refused = terminal.run("usage", "--plot", "--csv", env=asking(served))
    assert (refused.returncode, "--plot is for tables" in refused.stderr) == (2, True)


def test_tail_follows_until_told_to_stop(served: Served) -> None:
    """Each request that ends is a line of JSON at once; what was there before is not shown."""
    env = terminal.environment(asking(served))
    before = opened(served, "before", at_us=time.time_ns() // 1000)
    ship(served, [rated(before, **COST)])
    asked_before = lists_asked(served)
    with subprocess.Popen(
        terminal.argv("requests", "tail", "--json"), env=env, stdout=subprocess.PIPE, text=True
    ) as tail:
        try:
            assert tail.stdout is not None
            until(lambda: lists_asked(served) > asked_before, "it learned what was there before")
            now = opened(served, "tailed", at_us=time.time_ns() // 1000)
            ship(served, [rated(now, **COST)])
            assert json.loads(tail.stdout.readline())["request_id"] == request_id(now)
            tail.send_signal(signal.SIGINT)
            assert tail.stdout.read() == ""
            assert tail.wait(10) == 0
        finally:
            tail.kill()


def lists_asked(served: Served) -> float:
    """How often the server was asked for a list of requests."""
    text = httpx.get(f"{served.url}/metrics", verify=NO_TLS).text
    series = r'^dd0c_http_requests_total.*"/api/v1/route/requests",.* (\S+)$'
    line = re.search(series, text, re.MULTILINE)
    return float(line[1]) if line else 0.0
