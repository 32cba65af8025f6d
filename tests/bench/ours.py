"""dd0c in its forms, so that the cost of what it does for money can be told.

`dd0c` is the product as it is installed; `dd0c-limits` has limits and hard budgets beside; and
`dd0c-bare` is its worker with nothing that is about money. STEPS lead from there to all of it, one
feature at a time (`featured.py`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

import dd0c as dd0c_package
from tests.bench import calls, featured, machine, upstream
from tests.bench.subject import Flags, Missing, Place, Subject
from tests.bench.upstream import free_port
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


AUTH = Flags(keys=True, routing=True, trace_ids=True)
INSTALLED = AUTH.but(usage=True, metrics=True, ledger=True)
ALL = INSTALLED.but(limits=True, budgets=True)

STEPS: tuple[tuple[str, Flags], ...] = (
    ("auth only", AUTH),
    ("+ usage and price", AUTH.but(usage=True)),
    ("+ metrics", AUTH.but(usage=True, metrics=True)),
    ("+ ledger", INSTALLED),
    ("+ limits", INSTALLED.but(limits=True)),
    ("+ budgets", ALL),
)
"""From key check and routing to everything, one feature at a time. Spans are not exported by any of
them: this version has no exporter, so that tracing cannot be switched on."""


@contextmanager
def dd0c(place: Place, behind: str) -> Iterator[Subject]:
    """The whole product with one gateway worker; ledger, keys, metrics and prices on."""
    does = "key check, ledger row per request, price and cost, metrics"
    with product("dd0c", does, place, behind) as (subject, _):
        yield subject


@contextmanager
def dd0c_limits(place: Place, behind: str) -> Iterator[Subject]:
    """The same, and every request has to fit into seven rules."""
    does = (
        "the same, and each request held to limits of requests and of tokens a minute, of "
        "organisation and key, and to hard budgets of organisation, key and model"
    )
    with product(LIMITS, does, place, behind, flags=ALL) as (subject, api):
        for kind, rule in RULES:
            answer = httpx.post(f"{api}/{kind}", headers=subject.headers, json=rule, timeout=20)
            if answer.status_code != 201:
                raise Missing(f"a rule was not taken: {answer.text[:300]}")
        _await_rules(subject)
        yield subject


@contextmanager
def dd0c_bare(place: Place, behind: str) -> Iterator[Subject]:
    """One worker that only relays."""
    with step(BARE, AUTH, place, behind) as subject:
        yield subject


@contextmanager
def step(name: str, flags: Flags, place: Place, behind: str) -> Iterator[Subject]:
    """One worker with some of its features, and a parent that grants whatever it asks for."""
    port, upstream_port = free_port(), urlsplit(behind).port or 80
    wanted = ",".join(one for one in featured.FEATURES if getattr(flags, one))
    processors = ",".join(map(str, sorted(place.where.subject)))
    argv = [sys.executable, "-m", "tests.bench.featured", str(port), str(upstream_port)]
    argv += [f"--with={wanted}", f"--on={processors}"]
    log = place.scratch / f"step-{port}.log"
    with upstream.running(argv, place.where.rest, log) as child:
        child.wait_until_it_says(featured.READY, START_WITHIN_S)
        everything = machine.family(child.pid)
        workers = [pid for pid in everything if featured.WORKER in machine.command(pid)]
        headers = {"Authorization": f"Bearer {worker.KEY}"}
        does = f"dd0c's worker alone; {flags.told()}"
        version, at = dd0c_package.__version__, "127.0.0.1"
        yield Subject(name, version, at, port, headers, does, workers, everything, flags)


@contextmanager
def product(
    name: str,
    does: str,
    place: Place,
    behind: str,
    *,
    flags: Flags = INSTALLED,
    workers: int = 1,
    home: Path | None = None,
) -> Iterator[tuple[Subject, str]]:
    """The product with so many workers, and the address of its API for route. `home`: its state
    from before; a new one is made without."""
    port, console = free_port(), free_port()
    home = home or place.scratch / f"home-{port}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("DD0C_")}
    env |= {
        "DD0C_HOME": str(home),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"{behind}/v1",
    }
    argv = [sys.executable, "-m", "dd0c.cli.main", "up", "--workers", str(workers)]
    argv += ["--gateway-port", str(port), "--console-port", str(console)]
    with upstream.running(argv, place.where.rest, place.scratch / f"up-{port}.log", env) as child:
        child.wait_until_it_says("dd0c is ready", START_WITHIN_S)
        everything = machine.family(child.pid)
        serving = [pid for pid in everything if "gateway_worker" in machine.command(pid)]
        if len(serving) != workers:
            raise Missing(f"{len(serving)} gateway workers run, not {workers}")
        _pin(serving, sorted(place.where.subject))
        headers = {"Authorization": f"Bearer {(home / 'owner.key').read_text().strip()}"}
        version, at = dd0c_package.__version__, "127.0.0.1"
        yield (
            Subject(name, version, at, port, headers, does, serving, everything, flags),
            f"http://127.0.0.1:{console}/api/v1/route",
        )


def _pin(workers: Sequence[int], processors: Sequence[int]) -> None:
    for number, pid in enumerate(workers):
        machine.pin(pid, frozenset((processors[number % len(processors)],)))


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
