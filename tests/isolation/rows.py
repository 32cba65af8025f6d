"""The table: with what each endpoint and each page is asked.

Cases are made from the application's own routes. A parameter of a path or query is looked up by its
name in `PLACES` (there stands what belongs to somebody) or in `HARMLESS` (it names nothing); what
changes something needs its bodies in `BODIES`. What is missing fails by name.

{…} is a name of `tenants.NOBODY`: the owner's, or nobody's.
"""

from __future__ import annotations

from typing import Any

from tests.isolation.tenants import DAY

Body = dict[str, Any]

PLACES: dict[str, tuple[str, ...]] = {
    "key_id": ("{key}",),
    "flag": ("hooks.deliver",),
    "content_id": ("{content}",),
    "org_id": ("{org}",),
    "org_name": ("{org_name}", "{org}"),
    "org of /api/v1/flags/{flag}": ("{org_name}", "{org}"),
    "team_id": ("{team}",),
    "request_id": ("{request}",),
    "budget_id": ("{budget}",),
    "limit_id": ("{limit}",),
    "override_id": ("{override}",),
    "reconciliation_id": ("{reconciliation}",),
    "import_id": ("{reconciliation}",),
    "mark": ("{session}",),
    "session_id": ("{other_session}",),
    "person_id": ("{person}",),
    "person_id of /console/people/{person_id}/remove": ("{other_person}",),
    "team_id of /console/teams/{team_id}/rename": ("{other_team}",),
    "team_id of /console/teams/{team_id}/remove": ("{other_team}",),
    "invitation_id": ("{invitation}",),
    "cursor": ("{cursor}",),
    "key": ("{key}",),
    "team": ("{team}", "{team_name}"),
    "event_id": ("{event}",),
    "format of /api/v1/audit/export": ("csv", "pdf", "bundle"),
    "actor": ("{actor}",),
    "subject": ("{key}",),
    "tag": ("{tag}", "gpt-5-mini"),
    "model": ("{model}", "gpt-5-mini"),
    "provider": ("{provider}", "openai"),
    "q": ("{key_name}",),
    "q of /console/find": ("{key_name}", "{request_start}", "{person_name}", "{email}"),
    "team of /console/route/requests": ("{team}",),
    "team of /console/route/requests.csv": ("{team}",),
    "provider of /api/v1/route/models": ("openai",),
    "model of /api/v1/route/tokens/accuracy": ("{model}",),
    "provider of /api/v1/route/tokens/accuracy": ("{provider}",),
    "budget_id of /console/budgets/{budget_id}/remove": ("{other_budget}",),
    "limit_id of /console/budgets/limits/{limit_id}/remove": ("{other_limit}",),
    "runbook_id": ("{runbook}",),
    "runbook_id of /console/run/runbooks/{runbook_id}/remove": ("{other_runbook}",),
    "job_id": ("job_00000000000000000000000000",),
    "part_id": ("prt_00000000000000000000000000",),
    "source_id": ("{source}",),
    "endpoint_id": ("{endpoint}",),
    "delivery_id": ("{delivery}",),
    "source_id of /console/webhooks/sources/{source_id}/remove": ("{other_source}",),
    "endpoint_id of /console/webhooks/endpoints/{endpoint_id}/remove": ("{other_endpoint}",),
}
"""What a parameter of that name is asked with, one at a time; of that path where it says so."""

HARMLESS: dict[str, tuple[str, ...]] = {
    "limit": ("1",),
    "kind": ("hook.body",),
    "page": ("2",),
    "state of /api/v1/jobs": ("dead",),
    "since": ("2020-01-01T00:00:00Z",),
    "until": ("2100-01-01T00:00:00Z",),
    "by": ("model", "team", "tag", "key"),
    "format": ("csv",),
    "event": ("KeyCreated",),
    "log": ("organisation",),  # the installation's: tests/kernel/web/test_audit.py
    "size": ("1",),
    "disclose": ("true",),
    "range": ("30d",),
    "end_reason": ("lost",),
    "cost": ("unknown",),
    "simulated": ("no",),
    "state": ("working",),
    "sort": ("name",),
    "over": ("0",),
    "tolerance": ("0.1",),
    "number": ("1",),
    "version": ("1",),
    "before": ("1",),
    "after": ("1",),
    "sample": ("true",),
}

BUDGET: Body = {"window": "total", "usd": "1", "hard": False}
PRICE: Body = {"provider": "openai", "tiers": [{"input": "1"}]}
RERATE: Body = {"since": "2020-01-01T00:00:00Z"}
EXPORT = f"date,model,request_id,cost_usd\n{DAY:%Y-%m-%d},theirs,{{lost}},0.25"

BODIES: dict[str, tuple[Body, ...]] = {
    "POST /api/v1/orgs": ({"name": "{org_name}"},),
    "PUT /api/v1/orgs/{org_name}/plan": ({"plan": None}, {"plan": "team"}),
    "PUT /api/v1/flags/{flag}": ({"percent": 100}, {"org": "{org_name}", "on": True}),
    "POST /console/flags/{flag}": ({"percent": "100"},),
    "POST /console/flags/{flag}/org": ({"org": "{org_name}", "on": "on"},),
    "POST /console/flags/{flag}/clear": ({},),
    "POST /api/v1/keys": (
        {"name": "{key_name}"},
        {"name": "in a team", "team": "{team}"},
        {"name": "in a team", "team": "{team_name}"},
        {"name": "elsewhere", "org": "{org_name}"},
    ),
    "PATCH /api/v1/keys/{key_id}": (
        {"team": "{team_name}"},
        {"team": None, "models": ["m"], "networks": ["10.0.0.0/8"], "expires_at": None},
    ),
    "POST /api/v1/keys/{key_id}/rotate": ({"overlap_s": 60},),
    "POST /api/v1/invitations": (
        {"email": "{email}"},
        {"email": "{invited}", "roles": ["operator"]},
        {"email": "new@hooli.example", "team": "{team_name}"},
    ),
    "PATCH /api/v1/people/{person_id}": (
        {"roles": ["operator"]},
        {"team": "{team_name}"},
        {"team": None},
        {"platform": True},
        {"disabled": True},
    ),
    "POST /api/v1/people/erase": ({"person": "{person}"}, {"person": "{email}"}),
    "POST /api/v1/admin/panic": ({"mode": "passthrough", "reason": "x"},),
    "DELETE /api/v1/admin/panic": ({"reason": "x"},),
    "PUT /api/v1/admin/autonomy": ({"mode": "strict"},),
    "POST /console/autonomy/mode": ({"mode": "strict"},),
    "PATCH /api/v1/org": ({"time_zone": "Asia/Tokyo"},),
    "POST /api/v1/teams": ({"name": "{team_name}"},),
    "PATCH /api/v1/teams/{team_id}": ({"name": "renamed"},),
    "POST /api/v1/route/budgets": (
        BUDGET | {"scope": "key", "subject": "{key}"},
        BUDGET | {"scope": "key", "subject": "{key_name}"},
        BUDGET | {"scope": "team", "subject": "{team}"},
        BUDGET | {"scope": "team", "subject": "{team_name}"},
        BUDGET | {"scope": "model", "subject": "{model}"},
    ),
    "POST /api/v1/route/limits": (
        {"scope": "key", "subject": "{key}", "tokens_per_minute": 9},
        {"scope": "team", "subject": "{team_name}", "tokens_per_minute": 9},
        {"scope": "model", "subject": "{model}", "tokens_per_minute": 9},
    ),
    "PUT /api/v1/content/policy": ({"kind": "hook.body", "mode": "capture", "days": 9},),
    "PUT /api/v1/route/disconnect-policy": ({"policy": "abort"},),
    "PUT /api/v1/route/retention": ({"days": 400},),
    "PUT /api/v1/route/store-policy": ({"store_away": "closed", "spool_full": "open"},),
    "POST /api/v1/route/prices/overrides": (PRICE | {"model": "{model}"},),
    "POST /api/v1/route/prices/import": ({"prices": [PRICE | {"model": "{model}"}]},),
    "POST /api/v1/route/rerate": (
        RERATE,
        RERATE | {"model": "{model}"},
        RERATE | {"key": "{key}"},
        RERATE | {"apply": True},
    ),
    "POST /api/v1/route/reconciliations": (
        {"provider": "csv", "export": EXPORT},
        {"provider": "csv", "export": EXPORT.replace("{lost}", "never-seen")},
    ),
    "POST /api/v1/route/end-users/erase": ({"end_user": "somebody"},),
    "POST /api/v1/run/parse": ({"source": "Run `ls -l`."},),
    "POST /api/v1/run/classify": ({"commands": ["ls -l"]},),
    "POST /api/v1/run/runbooks": ({"name": "{runbook_name}", "source": "Run `ls`."},),
    "PATCH /api/v1/run/runbooks/{runbook_id}": ({"name": "renamed"},),
    "POST /api/v1/run/runbooks/{runbook_id}/versions": (
        {"source": "Run `ls -l`."},
        {"source": "Run `ls -a`.", "based_on": 1},
    ),
    "POST /console/run/runbooks/preview": ({"source": "Run `ls -l`."},),
    "POST /console/run/runbooks": ({"name": "{tag}", "source": "Run `ls`."},),
    "POST /console/run/runbooks/{runbook_id}/versions": ({"source": "Run `ls -l`."},),
    "POST /console/run/runbooks/{runbook_id}/remove": (
        {"confirm": "wrong"},
        {"confirm": "{other_runbook_name}"},
    ),
    "POST /console/keys/new": (
        {"name": "{key_name}", "roles": "viewer", "scopes": "api"},
        {"name": "x", "roles": "viewer", "scopes": "api", "team": "{team_name}"},
    ),
    "POST /console/keys/{key_id}/change": (
        {"lifetime": "30d", "team": "{team_name}"},
        {"lifetime": "keep", "models": "m"},
    ),
    "POST /console/keys/{key_id}/rotate": ({"overlap": "never"}, {"overlap": "1h"}),
    "POST /console/keys/{key_id}/revoke": ({"confirm": "wrong"}, {"confirm": "{key_name}"}),
    "POST /console/people/invite": (
        {"email": "{email}", "roles": "viewer"},
        {"email": "newer@hooli.example", "roles": "viewer", "team": "{team_name}"},
    ),
    "POST /console/people/invitations/{invitation_id}/revoke": ({},),
    "POST /console/people/{person_id}/change": ({"roles": "operator", "team": "{team_name}"},),
    "POST /console/people/{person_id}/standing": ({"platform": "true"},),
    "POST /console/people/{person_id}/sign-out": ({},),
    "POST /console/people/{person_id}/remove": (
        {"confirm": "wrong"},
        {"confirm": "{other_person_name}"},
    ),
    "POST /console/jobs/{job_id}/retry": ({},),
    "POST /console/jobs/{job_id}/cancel": ({},),
    "POST /console/settings/content": (
        {"kind": "hook.body", "mode": "capture", "days": "9"},
        {"kind": "hook.body", "mode": "never", "days": "9"},
    ),
    "POST /api/v1/hooks/sources": ({"name": "{source_name}"},),
    "POST /api/v1/hooks/sources/{source_id}/rotate": ({"overlap_s": 0},),
    "POST /api/v1/hooks/endpoints": ({"name": "{endpoint_name}", "target": "https://1.1.1.1/"},),
    "POST /api/v1/hooks/endpoints/{endpoint_id}/rotate": ({"overlap_s": 0},),
    "POST /console/webhooks/sources": ({"name": "{source_name}", "kind": "hmac"},),
    "POST /console/webhooks/sources/{source_id}/rotate": ({"overlap": "never"},),
    "POST /console/webhooks/sources/{source_id}/remove": (
        {"confirm": "wrong"},
        {"confirm": "{other_source_name}"},
    ),
    "POST /console/webhooks/endpoints": (
        {"name": "{endpoint_name}", "kind": "webhook", "target": "https://1.1.1.1/"},
    ),
    "POST /console/webhooks/endpoints/{endpoint_id}/rotate": ({"overlap": "never"},),
    "POST /console/webhooks/endpoints/{endpoint_id}/test": ({},),
    "POST /console/webhooks/endpoints/{endpoint_id}/pause": ({},),
    "POST /console/webhooks/endpoints/{endpoint_id}/resume": ({},),
    "POST /console/webhooks/endpoints/{endpoint_id}/remove": (
        {"confirm": "wrong"},
        {"confirm": "{other_endpoint_name}"},
    ),
    "POST /console/webhooks/deliveries/{delivery_id}/replay": ({},),
    "POST /console/teams": ({"name": "{team_name}"},),
    "POST /console/teams/{team_id}/rename": ({"name": "{tag}"},),
    "POST /console/teams/{team_id}/remove": ({"confirm": "wrong"}, {"confirm": "{tag}"}),
    "POST /console/people/{person_id}/erase": ({"confirm": "wrong"}, {"confirm": "{email}"}),
    "POST /console/settings/organisations/erase": ({"confirm": "{org_name}"},),
    "POST /console/settings/organisation": ({"org": "{org}"},),
    "POST /console/settings/sessions/{mark}/end": ({},),
    "POST /console/budgets/new": (
        {"scope": "key", "subject": "{key}", "usd": "1"},
        {"scope": "team", "subject": "{team_name}", "usd": "1"},
    ),
    "POST /console/budgets/{budget_id}/remove": ({"confirm": "wrong"}, {"confirm": "{tag}"}),
    "POST /console/budgets/limits/new": (
        {"scope": "key", "subject": "{key}", "concurrency": "1"},
        {"scope": "team", "subject": "{team_name}", "concurrency": "1"},
    ),
    "POST /console/budgets/limits/{limit_id}/remove": (
        {"confirm": "wrong"},
        {"confirm": "{tag}"},
    ),
}

PUBLIC = {
    "GET /livez",
    "GET /readyz",
    "GET /metrics",
    "GET /api/openapi.json",
    "GET /",
    "GET /console",
    "GET /console/static/{name}",
    "GET /console/sign-in",
    "POST /console/sign-in",
}
"""Answers whoever asks the same: tests/kernel/web/test_identity.py knows what is public."""

PLATFORM = {
    "GET /api/v1/health",
    "GET /api/v1/parts",
    "DELETE /api/v1/parts/{part_id}",
    "GET /api/v1/jobs",
    "POST /api/v1/jobs/{job_id}/retry",
    "POST /api/v1/jobs/{job_id}/cancel",
    "GET /console/jobs",
    "POST /console/jobs/{job_id}/retry",
    "POST /console/jobs/{job_id}/cancel",
    "GET /api/v1/orgs",
    "POST /api/v1/orgs",
    "DELETE /api/v1/orgs/{org_id}",
    "POST /console/settings/organisations/erase",
    "POST /console/people/{person_id}/erase",
    "POST /api/v1/people/erase",
    "GET /console/parts",
    "GET /api/v1/flags",
    "PUT /api/v1/flags/{flag}",
    "DELETE /api/v1/flags/{flag}",
    "GET /console/flags",
    "POST /console/flags/{flag}",
    "POST /console/flags/{flag}/org",
    "POST /console/flags/{flag}/clear",
    "PUT /api/v1/orgs/{org_name}/plan",
}
"""Only for those who run the installation: owners of organisations are refused."""

ALIKE = {
    "GET /api/v1/roles": "what each role may do is no organisation's",
    "GET /api/v1/route/models": "what models can do is no organisation's",
    "GET /api/v1/admin/autonomy": "one of two modes",
    "GET /console/roles": "what each role may do is no organisation's",
    "POST /api/v1/run/parse": "what a text says is no organisation's",
    "POST /api/v1/run/classify": "what a command does is no organisation's",
    "POST /console/run/runbooks/preview": "what a text says is no organisation's",
    "GET /console/run/runbooks/preview": "an empty form",
    "GET /console/find": "nothing was looked for",
    "GET /console/kit": "the parts of pages, with made-up content",
    "GET /console/budgets/new": "an empty form",
    "GET /console/budgets/limits/new": "an empty form",
}
"""Both organisations are told the same, unless they ask for something of theirs."""

ELSEWHERE: dict[str, str] = {
    "GET /console/invitation/{text}": "whoever holds its link: tests/kernel/auth",
    "POST /console/invitation/{text}": "whoever holds its link: tests/kernel/auth",
    "POST /hooks/{source}": "whoever signs for it: tests/kernel/hooks/test_inbox.py",
    "GET /console/oidc/start": "before it is known who asks: tests/kernel/auth",
    "GET /console/oidc/back": "before it is known who asks: tests/kernel/auth",
    "GET /console/live/{topic}": "test_streams.py",
    "POST /api/v1/admin/panic": "refuses what is asked after it: tests/kernel/web/test_autonomy.py",
    "DELETE /api/v1/admin/panic": "with the one before: tests/kernel/web/test_autonomy.py",
    "POST /console/autonomy/panic": "refuses what is asked after it: tests/console",
    "POST /console/autonomy/release": "with the one before: tests/console",
    "POST /console/settings/password": "one's own, by who knows the old one: tests/console",
    "POST /console/settings/sign-out-everywhere": "ends the caller's own sessions: tests/console",
    "POST /console/sign-out": "ends the caller's own session, whoever asks: tests/console",
}
