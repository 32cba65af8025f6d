"""Organisations with one of everything, and all their rows as one fingerprint."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg import sql

from dd0c.base import ids
from dd0c.base.clock import SystemClock
from dd0c.base.secrets import Secret
from dd0c.kernel.content import database as content_database
from dd0c.kernel.content import kinds, policies
from dd0c.kernel.content.contents import Contents
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.kernel.vault import local
from dd0c.kernel.vault.envelope import Vault
from dd0c.kernel.web.requires import COOKIE
from dd0c.products.route.models import AttemptOpened, Learned
from dd0c.products.route.store import providers, staging, token_factors
from dd0c.products.run.store import runbooks as run_runbooks
from dd0c.products.run.store import versions as run_versions
from tests.products.route import records
from tests.products.route.api.ledger import rated, request_id, ship, tenant_of
from tests.support.chained import chain_of
from tests.support.control import Served

REQUESTS = 50  # and those that were lost: more than one page of the console
OTHERS, RULES = 51, 15
EVENTS = 256  # as many as a tile of the audit log's tree has
COMMON = "gpt-5-mini"
"""A model, and a tag, that every organisation uses."""

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = MIDNIGHT - timedelta(days=2)
"""A day that is over: providers export whole days."""

Names = dict[str, str]
"""What can be asked for, by what it is: `key` is the id of a key."""

NOBODY: Names = {
    "org": ids.text(ids.Kind.ORGANISATION, ids.new()),
    "org_name": "initech",
    "key": ids.text(ids.Kind.KEY, ids.new()),
    "key_name": "nobodys-key",
    "content": ids.text(ids.Kind.CONTENT, ids.new()),
    "team": ids.text(ids.Kind.TEAM, ids.new()),
    "team_name": "nobodys-team",
    "model": "nobodys-model",
    "tag": "nobodys-tag",
    "request": ids.text(ids.Kind.REQUEST, ids.new()),
    "request_start": ids.text(ids.Kind.REQUEST, ids.new())[:20],
    "lost": "no-such-request",
    "budget": ids.text(ids.Kind.BUDGET, ids.new()),
    "limit": ids.text(ids.Kind.LIMIT, ids.new()),
    "other_budget": ids.text(ids.Kind.BUDGET, ids.new()),
    "other_limit": ids.text(ids.Kind.LIMIT, ids.new()),
    "override": ids.text(ids.Kind.OVERRIDE, ids.new()),
    "reconciliation": ids.text(ids.Kind.RECONCILIATION, ids.new()),
    "provider_id": ids.text(ids.Kind.PROVIDER, ids.new()),
    "provider": "nobodys-provider",
    "session": "00112233445566aa",
    "other_session": "00112233445566bb",
    "person": ids.text(ids.Kind.PERSON, ids.new()),
    "person_name": "nobody at all",
    "other_person": ids.text(ids.Kind.PERSON, ids.new()),
    "other_person_name": "nobody else",
    "other_team": ids.text(ids.Kind.TEAM, ids.new()),
    "email": "nobody@initech.example",
    "invitation": ids.text(ids.Kind.INVITATION, ids.new()),
    "invited": "invited@initech.example",
    "source": ids.text(ids.Kind.SOURCE, ids.new()),
    "source_name": "nobodys-source",
    "other_source": ids.text(ids.Kind.SOURCE, ids.new()),
    "other_source_name": "nobodys-other-source",
    "endpoint": ids.text(ids.Kind.ENDPOINT, ids.new()),
    "endpoint_name": "nobodys-endpoint",
    "other_endpoint": ids.text(ids.Kind.ENDPOINT, ids.new()),
    "other_endpoint_name": "nobodys-other-endpoint",
    "delivery": ids.text(ids.Kind.DELIVERY, ids.new()),
    "runbook": ids.text(ids.Kind.RUNBOOK, ids.new()),
    "runbook_name": "nobodys-runbook",
    "other_runbook": ids.text(ids.Kind.RUNBOOK, ids.new()),
    "other_runbook_name": "nobodys-other-runbook",
    "event": ids.text(ids.Kind.EVENT, ids.new()),
    "actor": ids.text(ids.Kind.KEY, ids.new()),
}


def id_of(names: Names, name: str) -> uuid.UUID:
    """The id of that name."""
    kind, _, _ = names[name].partition("_")
    return ids.parse(ids.Kind(kind), names[name])


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation. `owner` is the key of its owner, `session` a person with that role."""

    name: str
    org: uuid.UUID
    owner: str
    session: str
    names: Names


def fill(served: Served, name: str, owner: str, *, unit: int, away: str) -> Tenant:
    """One of everything for the organisation. Its figures are multiples of `unit`, so that no sum
    of two organisations looks like one of them; `away` is what it wants when limits are away."""
    org, _ = tenant_of(served, owner)
    names = {"org_name": name, "key_name": f"{name}s-key", "team_name": f"{name}s-team"}
    names |= {"model": f"{name}s-model", "tag": f"{name}s-tag", "provider": f"{name}s-provider"}
    provider = ids.new()
    names["provider_id"] = ids.text(ids.Kind.PROVIDER, provider)
    asyncio.run(_insert(served, org, names, provider))
    names |= _made(served, owner, names)
    with psycopg.connect(served.database.conninfo(roles.OWNER).reveal()) as owner_of_tables:
        given = {what: id_of(names, what) for what in ("source", "endpoint", "delivery")}
        for statement in _HOOKED:
            owner_of_tables.execute(statement, given | {"others": OTHERS})
    session, people = _people(served, owner, names)
    names |= people
    names["content"] = asyncio.run(_keep(served, org))
    asyncio.run(_write(served, org))
    asyncio.run(_use_keys(served, org))
    key, team = ids.parse(ids.Kind.KEY, names["key"]), ids.parse(ids.Kind.TEAM, names["team"])
    at_us = _us(datetime.now(UTC)) - 90_000_000
    own: dict[str, Any] = {"requested_model": names["model"], "sent_model": names["model"]}
    own |= {"tags": (names["tag"], COMMON), "team": team.bytes, "provider": names["provider"]}
    own |= {"price_provider": names["provider"], "credential_id": provider.bytes}
    common: dict[str, Any] = {"key_id": key.bytes, "tags": (COMMON,)}
    opened = [
        records.opened(org, at_us=at_us + n, **common | (own if n % 2 else {}))
        for n in range(REQUESTS)
    ]
    noon, over_midnight = _us(DAY) + 43_200_000_000, _us(DAY) + 86_399_000_000
    lost = [records.opened(org, at_us=at, **common | own) for at in (noon, at_us)]
    late = records.opened(org, at_us=over_midnight, **common | own)
    cost = {"cost_pico": 1_000_003 * unit}
    unpriced = {"cost_pico": None, "price_id": None, "cost_reason": "no_price"}
    ended = [*(rated(one, **cost) for one in opened), rated(late, total_us=5_000_000, **unpriced)]
    ship(served, [*ended, *map(_lost, lost)])
    names |= {"request": request_id(opened[-1]), "lost": request_id(lost[0])}
    names["request_start"] = names["request"][:20]
    with served.client(owner) as client:
        drain = {"policy": "drain_up_to_usd", "usd": str(unit)}
        client.put("/api/v1/route/disconnect-policy", json=drain).raise_for_status()
        store = {"store_away": away, "spool_full": "open"}
        client.put("/api/v1/route/store-policy", json=store).raise_for_status()
        client.put("/api/v1/route/retention", json={"days": 3650 + unit}).raise_for_status()
        reason = {"reason": f"{name} panicked"}
        client.post("/api/v1/admin/panic", json=reason | {"mode": "halt"}).raise_for_status()
        client.request("DELETE", "/api/v1/admin/panic", json=reason).raise_for_status()
        client.put("/api/v1/admin/autonomy", json={"mode": "audit"}).raise_for_status()
        forgotten = {"end_user": f"{name}s-user"}
        client.post("/api/v1/route/end-users/erase", json=forgotten).raise_for_status()
        export = client.post("/api/v1/route/reconciliations", json=charged("never-seen"))
        names["reconciliation"] = export.json()["id"]
    chain_of(served, org, EVENTS)
    with served.client(owner) as client:
        told = client.get("/api/v1/audit/events", params={"subject": names["key"]}).json()
        names |= {"event": told["items"][0]["id"], "actor": told["items"][0]["actor"]["id"]}
    names |= {name: _sign_in(served, owner) for name in ("session", "other_session")}
    return Tenant(name, org, owner, session, names)


def _sign_in(served: Served, key: str) -> str:
    """The mark that pages call a new session by."""
    with served.client() as client:
        client.post("/console/sign-in", data={"key": key}, headers={"origin": served.url})
        page = client.get("/console/settings", headers={"accept": "application/json"}).json()
        return str(page["this_session"])


def charged(request: str) -> dict[str, object]:
    """What a provider says it charged for a request."""
    text = f"date,model,request_id,cost_usd\n{DAY:%Y-%m-%d},theirs,{request},0.25"
    return {"provider": "csv", "export": text}


def _made(served: Served, owner: str, given: Names) -> Names:
    """The ids of what the API makes under the given names."""
    names, name = dict(given), given["org_name"]
    subject = {"scope": "model", "subject": names["model"]}
    price = {"provider": "openai", "model": names["model"], "tiers": [{"input": "1"}]}
    with served.client(owner) as client:

        def make(what: str, **wanted: object) -> str:
            answer = client.post(f"/api/v1/{what}", json=wanted)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

        names["org"] = client.get("/api/v1/me").json()["org_id"]
        names["team"] = make("teams", name=names["team_name"])
        names["other_team"] = make("teams", name=f"{name}s-other-team")
        names["key"] = make("keys", name=names["key_name"], team=names["team_name"])
        names["budget"] = make("route/budgets", window="total", usd="1", hard=False, **subject)
        make("route/budgets", scope="key", subject=names["key"], window="day", usd="1", hard=True)
        names["limit"] = make("route/limits", concurrency=1, **subject)
        make("route/limits", scope="team", subject=names["team_name"], concurrency=2)
        subject = {"scope": "tag", "subject": names["tag"]}
        names["other_budget"] = make("route/budgets", window="total", usd="1", **subject)
        names["other_limit"] = make("route/limits", concurrency=1, **subject)
        for number in range(RULES):
            subject = {"scope": "tag", "subject": f"{name}s-{number}"}
            make("route/budgets", window="day", usd="1", hard=False, **subject)
        names |= hooks(client, name)
        names |= runbooks(client, name)
        make("route/prices/overrides", **price | {"provider": names["provider"]})
        names["override"] = make("route/prices/overrides", **price)
    return names


def _people(served: Served, owner: str, given: Names) -> tuple[str, Names]:
    """The session of an owner who took up an invitation, and the names of others: one who is in a
    team, one who is in none, and one who was only invited."""
    name, found = given["org_name"], Names()
    invited = {"ada": ["owner"], "grace": ["viewer"], "invited": ["viewer"]}
    with served.client(owner) as client, served.client() as browser:
        for who, held in invited.items():
            email = f"{who}@{name}.example"
            wanted = {"email": email, "roles": held, "team": given["team_name"]}
            made = client.post("/api/v1/invitations", json=wanted).json()
            if who == "invited":
                found |= {"invited": email, "invitation": made["id"]}
                continue
            form = {"name": f"{who} of {name}", "password": f"the {who} of a battery staple"}
            taken = browser.post(made["link"], data=form, headers={"origin": served.url})
            assert taken.status_code == 303, taken.text
            if who == "ada":
                session = browser.cookies[COOKIE]
                browser.cookies.clear()
        page = client.get("/api/v1/people?limit=100").json()["items"]
    known = {each["email"]: each for each in page}
    for what, email in (("person", f"grace@{name}.example"), ("other_person", f"0@{name}.example")):
        found |= {what: known[email]["id"], f"{what}_name": known[email]["name"]}
    return session, found | {"email": f"grace@{name}.example"}


async def _keep(served: Served, org: uuid.UUID) -> str:
    """The last of some contents, with the policy of another kind."""
    pool = await open_pool(served.database.conninfo(roles.APP), roles.APP, 1)
    vault, now = Vault(local.load(served.database.cluster.home)), datetime.now(UTC)
    contents = Contents(pool, vault, [content_database.Database(pool)], SystemClock())
    try:
        for _ in range(3):
            blob = await contents.put(org, kinds.HOOK_BODY, b"a body of somebody's")
            assert blob is not None
            async with tenancy.tenant(pool, org) as tx:
                content = await contents.keep(tx, blob)
                await policies.save(tx, org, kinds.HOOK_BODY, kinds.Mode.WHOLE, days=31, now=now)
    finally:
        await pool.close()
    return ids.text(ids.Kind.CONTENT, content)


async def _write(served: Served, org: uuid.UUID) -> None:
    """More than one page of runbooks."""
    pool = await open_pool(served.database.conninfo(roles.APP), roles.APP, 1)
    vault, now = Vault(local.load(served.database.cluster.home)), datetime.now(UTC)
    try:
        async with tenancy.tenant(pool, org) as tx:
            for number in range(OTHERS):
                runbook = await run_runbooks.add(tx, org, f"{number} of {org}", now)
                row = run_versions.Row(ids.new(), runbook, 1, 0, None, now, "nobody")
                text = '{"source": "", "format": "text", "steps": []}'
                await run_versions.add(tx, vault, org, row, text, steps=())
    finally:
        await pool.close()


def hooks(client: httpx.Client, whose: str) -> Names:
    """Two sources, one of them with a message, two endpoints, one of them with a delivery."""
    made = {f"{which}_name": f"{whose}s-{which}" for which in ("source", "other_source")}
    made |= {f"{which}_name": f"{whose}s-{which}" for which in ("endpoint", "other_endpoint")}
    for which in ("source", "other_source"):
        wanted = {"name": made[f"{which}_name"], "kind": "bearer"}
        answer = client.post("/api/v1/hooks/sources", json=wanted).json()
        made[which] = answer["id"]
        bearer = {"authorization": f"Bearer {answer['secret']}"}
        client.post(f"/hooks/{answer['id']}", content=whose, headers=bearer).raise_for_status()
    for which in ("endpoint", "other_endpoint"):
        wanted = {"name": made[f"{which}_name"], "target": f"https://1.1.1.1/{whose}"}
        made[which] = client.post("/api/v1/hooks/endpoints", json=wanted).json()["id"]
    path = f"/api/v1/hooks/endpoints/{made['endpoint']}"
    client.post(f"{path}/test").raise_for_status()
    other = f"/api/v1/hooks/endpoints/{made['other_endpoint']}"
    client.post(f"{other}/pause").raise_for_status()
    made["delivery"] = client.get(f"{path}/deliveries").json()["items"][0]["id"]
    return made


def runbooks(client: httpx.Client, whose: str) -> Names:
    """Two runbooks, one of them with two versions."""
    made = Names()
    for which in ("runbook", "other_runbook"):
        made[f"{which}_name"] = f"{whose}s-{which}"
        wanted = {"name": f"{whose}s-{which}", "source": f"Run `cat {whose}`."}
        made[which] = client.post("/api/v1/run/runbooks", json=wanted).json()["id"]
    path = f"/api/v1/run/runbooks/{made['runbook']}/versions"
    more = {"source": f"Run `cat {whose}`, then `ls {whose}`."}
    client.post(path, json=more).raise_for_status()
    return made


HOOKS = ("delivery", *(n for n in NOBODY if "source" in n or "endpoint" in n))


async def _use_keys(served: Served, org: uuid.UUID) -> None:
    """Every key was used: what is noted once a minute surprises no comparison."""
    pool = await open_pool(served.database.conninfo(roles.APP), roles.APP, 1)
    try:
        async with tenancy.tenant(pool, org) as tx:
            await tx.execute(
                "SELECT kernel.mark_used(array_agg(id), array_agg(now())) FROM kernel.api_keys"
            )
    finally:
        await pool.close()


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


_CROWD = (
    "INSERT INTO kernel.teams (id, org, name) SELECT uuidv7(), %(org)s, %(name)s || '-team-' || n"
    " FROM generate_series(1, %(others)s) n",
    "INSERT INTO kernel.api_keys (id, org, name, prefix, hash, roles, scopes)"
    " SELECT uuidv7(), %(org)s, %(name)s || '-key-' || n, 'dd0c_sk_', sha256(uuid_send(uuidv7())),"
    " '{viewer}', '{api}' FROM generate_series(1, %(others)s) n",
    "WITH made AS (INSERT INTO kernel.people (id, email, name) SELECT uuidv7(),"
    " n || '@' || %(name)s || '.example', n || ' of ' || %(name)s"
    " FROM generate_series(0, %(others)s) n RETURNING id)"
    " INSERT INTO kernel.memberships (org, person, roles, created_by)"
    " SELECT %(org)s, id, '{viewer}', id FROM made",
    "INSERT INTO kernel.hook_sources SELECT uuidv7(), %(org)s, %(name)s || '-source-' || n, 'hmac',"
    " now() FROM generate_series(1, %(others)s) n",
    "INSERT INTO kernel.hook_endpoints (id, org, name, kind, target, log, events, cursor,"
    " created_at) SELECT uuidv7(), %(org)s, %(name)s || '-endpoint-' || n, 'email', 'a@b.example',"
    " 'none', '{}', 0, now() FROM generate_series(1, %(others)s) n",
)
"""More than one page of each."""

_HOOKED = (
    "INSERT INTO kernel.hook_events SELECT uuidv7(), org, id, 1, NULL, '', 0, NULL, now()"
    " FROM kernel.hook_sources, generate_series(1, %(others)s) n WHERE id = %(source)s",
    "INSERT INTO kernel.hook_deliveries (id, org, endpoint, message, event, payload, created_at,"
    " due_at) SELECT uuidv7(), org, id, 'evt_' || n, 'HookTested', '{}', now(), now()"
    " FROM kernel.hook_endpoints, generate_series(1, %(others)s) n WHERE id = %(endpoint)s",
    "INSERT INTO kernel.hook_attempts SELECT uuidv7(), org, id, now(), 5, 200, 'taken'"
    " FROM kernel.hook_deliveries WHERE id = %(delivery)s",
)
"""More than one page of what was heard and told, and an attempt."""


def _lost(opened: AttemptOpened) -> staging.Rated:
    return staging.Rated(opened, None, None, None, "lost")


async def _insert(served: Served, org: uuid.UUID, names: Names, provider: uuid.UUID) -> None:
    """What no call of the API makes: a provider with its secret, and what was learned."""
    vault = Vault(local.load(served.database.cluster.home))
    owner = await open_pool(served.database.conninfo(roles.OWNER), roles.OWNER, 1)
    try:
        async with tenancy.system(owner) as tx:
            secret = await vault.seal(tx, org, provider, Secret("sk-of-nobody"))
            await tx.execute(
                "INSERT INTO kernel.key_uses SELECT id, org, now() FROM kernel.api_keys"
                " WHERE org = %s",
                (org,),
            )
            name, url = names["provider"], "http://127.0.0.1:1/v1"
            sealed = (provider, org, name, "openai", url, name, False)
            await providers.save(tx, providers.Sealed(*sealed, secret.ciphertext, secret.data_key))
            for statement in _CROWD:
                await tx.execute(
                    statement, {"org": org, "name": names["org_name"], "others": OTHERS}
                )
            await tx.execute(
                "INSERT INTO kernel.flag_overrides VALUES (%s, 'console.live', true)", (org,)
            )
            await tx.execute(
                "INSERT INTO kernel.quota_uses"
                " VALUES (%s, 'executions', date_trunc('month', now()), length(%s))",
                (org, names["org_name"]),
            )
            learned = Learned(samples=97, counted=1_000, actual=1_100)
            await token_factors.add(tx, {(name, names["model"]): learned})
    finally:
        await owner.close()


class Books:
    """All rows of an organisation, whoever may see them: as the owner of the tables reads them."""

    def __init__(self, connection: psycopg.Connection[Any]):
        self.connection = connection
        self.tables = tuple(
            (f"{schema}.{table}", sql.Identifier(schema, table), sql.Identifier(column))
            for schema, table, column in self.connection.execute(_TENANT_TABLES).fetchall()
        )
        self.tables = tuple(each for each in self.tables if each[0] not in NOTED)
        one = sql.SQL(
            "SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {} t WHERE {} = %(org)s"
        )
        every = [one.format(table, column) for _, table, column in self.tables]
        self._all = sql.SQL(" UNION ALL ").join([*every, sql.SQL(_PEOPLE)])

    def execute(
        self, query: LiteralString, values: Mapping[str, object] | None = None
    ) -> psycopg.Cursor[Any]:
        """A statement as the owner of the tables."""
        return self.connection.execute(query, values)

    def read(self, org: uuid.UUID) -> dict[str, str | None]:
        """A fingerprint of the organisation's rows in each table; None: there are none."""
        found = self.connection.execute(self._all, {"org": org}).fetchall()
        names = (*(name for name, _, _ in self.tables), "kernel.people")
        return {name: row[0] for name, row in zip(names, found, strict=True)}


_PEOPLE = """
SELECT md5(string_agg(p::text, chr(10) ORDER BY p::text)) FROM kernel.people p
WHERE id IN (SELECT person FROM kernel.memberships WHERE org = %(org)s)
"""  # of no tenant, but tied to it

NOTED = {"kernel.key_uses"}
"""Written by the clock, once a minute, whoever asks for what."""

_TENANT_TABLES = """
SELECT n.nspname, c.relname, a.attname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'jobs'
    AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND NOT a.attisdropped
    AND a.attname = CASE c.oid::regclass::text WHEN 'kernel.organisations' THEN 'id' ELSE 'org' END
ORDER BY 1, 2
"""
