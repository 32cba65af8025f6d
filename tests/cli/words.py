"""The words that each verb is said with. What they name is made for that one time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from dd0c.base import ids
from tests.support.control import Served
from tests.support.people import address

PRICES = Path(__file__).parent / "prices.toml"
RUNBOOK = Path(__file__).parents[1] / "corpus" / "runbooks" / "made__wiki-paste.md"
OVERRIDE = {"provider": "openai", "model": "to-remove", "from": "2026-11-01T00:00:00Z"}
ARGUMENTS = {
    "key create": ["made by a test"],
    "key change": ["KEY", "--anywhere"],
    "key move": ["KEY", "walking"],
    "key rotate": ["KEY", "--overlap", "1h"],
    "key show": ["KEY"],
    "key revoke": ["KEY"],
    "org create": ["walked"],
    "org erase": ["walked", "--yes"],
    "org set": ["--time-zone", "Asia/Tokyo"],
    "person show": ["PERSON"],
    "person set": ["PERSON", "--role", "operator", "--no-team"],
    "person erase": [address("Leaver"), "--yes"],
    "person sign-out": ["PERSON"],
    "person remove": ["PERSON"],
    "invite create": ["walked@example.com"],
    "invite revoke": ["INVITATION"],
    "team create": ["walked"],
    "team rename": ["walked", "renamed"],
    "team remove": ["renamed"],
    "requests show": ["REQUEST"],
    "audit show": ["EVENT"],
    "audit export": ["--format", "bundle", "-o", os.devnull],
    "content get": ["CONTENT", "-o", os.devnull],
    "content delete": ["CONTENT"],
    "hook source add": ["walked"],
    "hook source rotate": ["SOURCE", "--overlap", "1h"],
    "hook source remove": ["SOURCE"],
    "hook endpoint add": ["walked", "https://1.1.1.1/"],
    "hook endpoint test": ["ENDPOINT"],
    "hook endpoint pause": ["ENDPOINT"],
    "hook endpoint resume": ["ENDPOINT"],
    "hook endpoint rotate": ["ENDPOINT", "--overlap", "1h"],
    "hook endpoint remove": ["ENDPOINT"],
    "hook delivery list": ["ENDPOINT"],
    "hook delivery replay": ["DELIVERY"],
    "job retry": ["JOB"],
    "job cancel": ["JOB"],
    "flag set": ["console.live", "--percent", "50"],
    "flag clear": ["console.live"],
    "plan set": ["acme", "team"],
    "panic on": ["--reason", "walked"],
    "panic off": ["--reason", "walked"],
    "route budgets set": ["--usd", "12.50", "--soft"],
    "route budgets remove": ["BUDGET"],
    "route limits set": ["--concurrency", "5"],
    "route limits remove": ["LIMIT"],
    "route disconnect-policy set": ["drain_up_to_usd", "--usd", "0.05"],
    "route store-policy set": ["--store-away", "closed"],
    "profile add": ["p", "--url", "http://127.0.0.1:1"],
    "route prices show": ["openai/gpt-5-mini"],
    "route prices set": ["openai/walked", "input=0.20", "output=1.60"],
    "route prices import": [str(PRICES)],
    "route prices remove": ["OVERRIDE"],
    "route models show": ["openai/gpt-5-mini"],
    "route erase-user": ["somebody"],
    "route rerate": ["--since", "2026-11-01", "--dry-run"],
    "route tokens count": ["--model", "gpt-5-mini"],
    "route reconcile": ["--pending"],
    "run classify": ["kubectl get pods"],
    "run parse": [str(RUNBOOK)],
    "run check": [str(RUNBOOK)],
    "run diff": [os.devnull, str(RUNBOOK)],
    "profile use": ["p"],
    "profile remove": ["p"],
}


def words(served: Served, verb: str) -> list[str]:
    """The verb with what it needs."""
    given = ARGUMENTS.get(verb, [])
    return [*verb.split(), *(MADE[word](served) if word in MADE else word for word in given)]


def made_hooks(served: Served) -> tuple[str, str]:
    """A source that sent something, and an endpoint that was told something."""
    source = _post(served, "hooks/sources", name=uuid4().hex, kind="bearer")
    with served.client(source["secret"]) as sender:
        sender.post(f"/hooks/{source['id']}", content=b"{}").raise_for_status()
    endpoint = _post(served, "hooks/endpoints", name=uuid4().hex, target="https://1.1.1.1/")
    _post(served, f"hooks/endpoints/{endpoint['id']}/test")
    return str(source["id"]), str(endpoint["id"])


def dead_job(served: Served) -> str:
    """A run that gave up."""
    with served.database.cluster.admin(served.database.name) as admin, admin.transaction():
        admin.execute("SET LOCAL search_path = jobs")
        row: Any = admin.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
            " VALUES ('none', 'walked', 'todo') RETURNING id"
        ).fetchone()
        admin.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", row)
    return ids.text(ids.Kind.JOB, UUID(int=row[0]))


def _post(served: Served, path: str, **wanted: object) -> Any:
    with served.client(served.platform) as client:
        answer = client.post(f"/api/v1/{path}", json=wanted or None)
    assert answer.is_success, answer.text
    return answer.json()


def _first(served: Served, path: str, name: str = "id") -> str:
    with served.client(served.platform) as client:
        return str(client.get(f"/api/v1/{path}").json()["items"][0][name])


def _override(served: Served) -> str:
    prices = [OVERRIDE | {"tiers": [{"input": "1"}]}]
    return str(_post(served, "route/prices/import", prices=prices)["items"][0]["id"])


def _content(served: Served) -> str:
    made_hooks(served)
    return _first(served, "content")


def _delivery(served: Served) -> str:
    return _first(served, f"hooks/endpoints/{made_hooks(served)[1]}/deliveries")


MADE: dict[str, Callable[[Served], str]] = {
    "KEY": lambda served: str(_post(served, "keys", name="shown")["id"]),
    "REQUEST": lambda served: _first(served, "route/requests", "request_id"),
    "OVERRIDE": _override,
    "BUDGET": lambda served: _first(served, "route/budgets"),
    "LIMIT": lambda served: _first(served, "route/limits"),
    "INVITATION": lambda served: _first(served, "invitations"),
    "EVENT": lambda served: _first(served, "audit/events"),
    "PERSON": lambda served: address("Walker"),
    "SOURCE": lambda served: made_hooks(served)[0],
    "ENDPOINT": lambda served: made_hooks(served)[1],
    "DELIVERY": _delivery,
    "CONTENT": _content,
    "JOB": dead_job,
}
"""What stands for the id of something."""
