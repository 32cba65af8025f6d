"""dd0c in three forms, so that the cost of what it does for money can be told.

`dd0c` is the product as it is installed; `dd0c-limits` has limits and hard budgets beside; and
`dd0c-bare` is its worker with nothing that is about money (`bare.py`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

import dd0c as dd0c_package
from tests.bench import calls, machine, upstream
from tests.bench.subject import Place, Subject
from tests.bench.upstream import Missing, free_port
from tests.support import worker

LIMITS, BARE = "dd0c-limits", "dd0c-bare"
START_WITHIN_S = 90.0
IN_FORCE_WITHIN_S = 10.0
KEY = "owner"  # the first key of an installation

REQUESTS, TOKENS = 10**9, 10**12
RULES: tuple[tuple[str, dict[str, object]], ...] = (
    *(
        ("limits", {**whose, "requests_per_minute": REQUESTS, "tokens_per_minute": TOKENS})
        for whose in ({"scope": "organisation"}, {"scope": "key", "subject": KEY})
    ),
    *(
        ("budgets", {**whose, "window": "month", "usd": "9000000", "hard": True})
        for whose in (
            {"scope": "organisation"},
            {"scope": "key", "subject": KEY},
            {"scope": "model", "subject": calls.MODEL},
        )
    ),
)
"""Four limits and three hard budgets, none of which is ever reached."""


@contextmanager
def dd0c(place: Place, behind: str) -> Iterator[Subject]:
    """The whole product with one gateway worker; ledger, keys, metrics and prices on."""
    does = "key check, ledger row per request, price and cost, metrics"
    with _product("dd0c", does, place, behind) as (subject, _):
        yield subject


@contextmanager
def dd0c_limits(place: Place, behind: str) -> Iterator[Subject]:
    """The same, and every request has to fit into seven rules."""
    does = (
        "the same, and each request held to limits of requests and of tokens a minute, of "
        "organisation and key, and to hard budgets of organisation, key and model"
    )
    with _product(LIMITS, does, place, behind) as (subject, api):
        for kind, rule in RULES:
            answer = httpx.post(f"{api}/{kind}", headers=subject.headers, json=rule, timeout=20)
            if answer.status_code != 201:
                raise Missing(f"a rule was not taken: {answer.text[:300]}")
        _await_rules(subject)
        yield subject


@contextmanager
def dd0c_bare(place: Place, behind: str) -> Iterator[Subject]:
    """One worker that only relays."""
    port, upstream_port = free_port(), urlsplit(behind).port or 80
    argv = [sys.executable, "-m", "tests.bench.bare", str(port), str(upstream_port)]
    log = place.scratch / f"bare-{port}.log"
    with upstream.running(argv, place.where.subject, log) as child:
        child.wait_for(port)
        headers = {"Authorization": f"Bearer {worker.KEY}"}
        does = "dd0c's worker with key check and routing; no usage, price, ledger, limits, budgets"
        pids = machine.family(child.pid)
        yield Subject(BARE, dd0c_package.__version__, "127.0.0.1", port, headers, does, pids, pids)


@contextmanager
def _product(name: str, does: str, place: Place, behind: str) -> Iterator[tuple[Subject, str]]:
    """The product, and the address of its API for route."""
    port, console = free_port(), free_port()
    home = place.scratch / f"home-{port}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("DD0C_")}
    env |= {
        "DD0C_HOME": str(home),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"{behind}/v1",
    }
    argv = [sys.executable, "-m", "dd0c.cli.main", "up", "--workers", "1"]
    argv += ["--gateway-port", str(port), "--console-port", str(console)]
    with upstream.running(argv, place.where.rest, place.scratch / f"up-{port}.log", env) as child:
        child.wait_until_it_says("dd0c is ready", START_WITHIN_S)
        everything = machine.family(child.pid)
        workers = [pid for pid in everything if "gateway_worker" in machine.command(pid)]
        if len(workers) != 1:
            raise Missing(f"{len(workers)} gateway workers run, not 1")
        machine.pin(workers[0], place.where.subject)
        headers = {"Authorization": f"Bearer {(home / 'owner.key').read_text().strip()}"}
        version = dd0c_package.__version__
        yield (
            Subject(name, version, "127.0.0.1", port, headers, does, workers, everything),
            f"http://127.0.0.1:{console}/api/v1/route",
        )


def _await_rules(subject: Subject) -> None:
    """Return when an answer says how much is left of our limits: the worker knows them."""
    url = f"http://{subject.host}:{subject.port}{calls.PATH}"
    deadline = time.monotonic() + IN_FORCE_WITHIN_S
    shown = ""
    while shown != str(REQUESTS):
        if time.monotonic() > deadline:
            raise Missing("its worker does not hold requests to the limits")
        answer = httpx.post(url, headers=subject.headers, content=calls.CHAT.body, timeout=20)
        shown = answer.headers.get("x-ratelimit-limit-requests", "")
        time.sleep(0.05)
