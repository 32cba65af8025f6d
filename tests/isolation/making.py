"""Things made anew for one call each: what one call ends, the next would look for in vain."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from itertools import count

import httpx

from dd0c.base import ids
from tests.isolation.asking import NAME, Asker, Question
from tests.isolation.judging import World
from tests.isolation.tenants import HOOKS, Names, hooks, runbooks

_PERSON = """
WITH made AS (
    INSERT INTO kernel.people (id, email, name) VALUES (%(id)s, %(email)s, %(name)s) RETURNING id
), joined AS (
    INSERT INTO kernel.memberships (org, person, roles, created_by)
    SELECT %(org)s, id, '{viewer}', id FROM made
)
INSERT INTO kernel.sessions (token_hash, org, person, expires_at)
SELECT %(token)s, %(org)s, id, now() + interval '1 hour' FROM made
"""
_DEAD = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('none', 'test', 'failed')
RETURNING id
"""
_PART = """
INSERT INTO kernel.parts (id, kind, host, pid, version, started_at, stopped_at, facts)
VALUES (%(id)s, 'worker', 'host', 1, '1', now(), now(), '{}')
"""


class Maker:
    """Makes for an asker what a question names."""

    def __init__(self, world: World, asker: Asker):
        self._world = world
        self._asker = asker
        self._numbers = count()

    def names(self, question: Question) -> Names:
        """The asker's names, with new things where the question can end them."""
        names = self._asker.tenant.names | {"tag": f"new-{uuid.uuid4().hex[:12]}"}
        asked = set(NAME.findall(str((question.path, question.body))))
        with self._world.served.client(self._asker.tenant.owner) as client:
            for group, make in _MAKERS.items():
                if asked & {f"{{{name}}}" for name in group}:
                    names |= make(self, client, names)
        return names

    def _post(self, client: httpx.Client, path: str, **wanted: object) -> str:
        made = client.post(f"/api/v1/{path}", json=wanted)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def _key(self, client: httpx.Client, names: Names) -> Names:
        name = f"key-{names['tag']}"
        return {"key": self._post(client, "keys", name=name), "key_name": name}

    def _team(self, client: httpx.Client, names: Names) -> Names:
        name = f"team-{names['tag']}"
        return {
            "team": self._post(client, "teams", name=name),
            "team_name": name,
            "other_team": self._post(client, "teams", name=names["tag"]),
        }

    def _rules(self, client: httpx.Client, names: Names) -> Names:
        whole, tag = {"scope": "organisation"}, {"scope": "tag", "subject": names["tag"]}
        return {
            "budget": self._post(client, "route/budgets", window="day", usd="1", **whole),
            "limit": self._post(client, "route/limits", concurrency=9, **whole),
            "other_budget": self._post(client, "route/budgets", window="day", usd="1", **tag),
            "other_limit": self._post(client, "route/limits", concurrency=9, **tag),
        }

    def _override(self, client: httpx.Client, names: Names) -> Names:
        price = {"provider": "openai", "model": names["tag"], "tiers": [{"input": "1"}]}
        return {"override": self._post(client, "route/prices/overrides", **price)}

    def _invitation(self, client: httpx.Client, names: Names) -> Names:
        email = f"{names['tag']}@invited.example"
        return {"invitation": self._post(client, "invitations", email=email), "invited": email}

    def _people(self, client: httpx.Client, names: Names) -> Names:
        found = Names()
        for which in ("person", "other_person"):
            made, name = ids.new(), f"{which} {names['tag']}"
            email = f"{which}-{names['tag']}@hired.example"
            found |= {which: ids.text(ids.Kind.PERSON, made), f"{which}_name": name}
            token = os.urandom(32)
            values = {"id": made, "email": email, "name": name, "token": token}
            self._world.books.execute(_PERSON, values | {"org": self._asker.tenant.org})
            found.setdefault("email", email)
        return found | {"session": token.hex()[:16], "other_session": token.hex()[:16]}

    def _hooks(self, client: httpx.Client, names: Names) -> Names:
        return hooks(client, names["tag"])

    def _runbooks(self, client: httpx.Client, names: Names) -> Names:
        return runbooks(client, names["tag"])

    def _doomed(self, client: httpx.Client, names: Names) -> Names:
        name = f"org-{names['tag']}"
        with self._world.served.client(self._world.served.platform) as platform:
            return {"doomed": self._post(platform, "orgs", name=name), "doomed_name": name}

    def _job(self, client: httpx.Client, names: Names) -> Names:
        self._world.books.execute("SET search_path = jobs")
        row = self._world.books.execute(_DEAD).fetchone()
        self._world.books.execute("RESET search_path")
        assert row is not None
        return {"job": ids.text(ids.Kind.JOB, uuid.UUID(int=row[0]))}

    def _part(self, client: httpx.Client, names: Names) -> Names:
        made = ids.new()
        self._world.books.execute(_PART, {"id": made})
        return {"part": ids.text(ids.Kind.PART, made)}


_MAKERS: dict[tuple[str, ...], Callable[[Maker, httpx.Client, Names], Names]] = {
    ("key", "key_name"): Maker._key,
    ("team", "team_name", "other_team"): Maker._team,
    ("budget", "limit", "other_budget", "other_limit"): Maker._rules,
    ("override",): Maker._override,
    ("invitation", "invited"): Maker._invitation,
    ("person", "email", "other_person", "session", "other_session"): Maker._people,
    HOOKS: Maker._hooks,
    ("runbook", "runbook_name", "other_runbook", "other_runbook_name"): Maker._runbooks,
    ("doomed", "doomed_name"): Maker._doomed,
    ("job",): Maker._job,
    ("part",): Maker._part,
}
