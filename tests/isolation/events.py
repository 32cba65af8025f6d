"""The table of events: what tells the audit log nothing, and why; and with what the rest is asked.

A call that changes something is asked as tests/isolation/rows.py has it, about things made just
before, so that it works. One that tells nothing has a reason here, or it fails.
"""

from __future__ import annotations

from typing import Any

READS = {
    "GET /api/v1/route/requests.csv",
    "GET /console/route/requests.csv",
    "GET /api/v1/audit/export",
}
"""What is told although it changes nothing: who takes files away."""

PLATFORM = {"POST /console/people/{person_id}/standing"}
"""What only who runs the installation may, although its page is shown to others too."""

SILENT: dict[str, str] = {
    "POST /api/v1/run/parse": "reads what it is shown, and keeps nothing",
    "POST /api/v1/run/classify": "judges what it is shown, and keeps nothing",
    "POST /console/run/runbooks/preview": "reads what it is shown, and keeps nothing",
}
"""Calls that change something and tell nothing, and why."""

PRICE = {"provider": "openai", "model": "{tag}", "tiers": [{"input": "1"}]}
INSTEAD: dict[str, tuple[str, dict[str, Any] | None]] = {
    "POST /api/v1/orgs": ("/api/v1/orgs", {"name": "new-{tag}"}),
    "DELETE /api/v1/orgs/{org_id}": ("/api/v1/orgs/{doomed}?confirm={doomed_name}", None),
    "POST /console/settings/organisations/erase": (
        "/console/settings/organisations/erase",
        {"confirm": "{doomed_name}"},
    ),
    "POST /api/v1/hooks/sources": ("/api/v1/hooks/sources", {"name": "new-{tag}"}),
    "POST /console/webhooks/sources": (
        "/console/webhooks/sources",
        {"name": "new-{tag}", "kind": "hmac"},
    ),
    "POST /api/v1/hooks/endpoints": (
        "/api/v1/hooks/endpoints",
        {"name": "new-{tag}", "target": "https://1.1.1.1/"},
    ),
    "POST /console/webhooks/endpoints": (
        "/console/webhooks/endpoints",
        {"name": "new-{tag}", "kind": "webhook", "target": "https://1.1.1.1/"},
    ),
    "POST /api/v1/hooks/endpoints/{endpoint_id}/resume": (
        "/api/v1/hooks/endpoints/{other_endpoint}/resume",
        None,
    ),
    "POST /console/webhooks/endpoints/{endpoint_id}/resume": (
        "/console/webhooks/endpoints/{other_endpoint}/resume",
        {},
    ),
    "POST /api/v1/teams": ("/api/v1/teams", {"name": "new-{tag}"}),
    "POST /console/teams": ("/console/teams", {"name": "new-{tag}"}),
    "POST /api/v1/run/runbooks": (
        "/api/v1/run/runbooks",
        {"name": "new-{tag}", "source": "Run `ls`."},
    ),
    "POST /console/run/runbooks": (
        "/console/run/runbooks",
        {"name": "newer-{tag}", "source": "Run `ls`."},
    ),
    "POST /api/v1/route/prices/overrides": ("/api/v1/route/prices/overrides", PRICE),
    "POST /api/v1/route/prices/import": ("/api/v1/route/prices/import", {"prices": [PRICE]}),
    "POST /api/v1/jobs/{job_id}/retry": ("/api/v1/jobs/{job}/retry", None),
    "POST /api/v1/jobs/{job_id}/cancel": ("/api/v1/jobs/{job}/cancel", None),
    "POST /console/jobs/{job_id}/retry": ("/console/jobs/{job}/retry", {}),
    "POST /console/jobs/{job_id}/cancel": ("/console/jobs/{job}/cancel", {}),
    "DELETE /api/v1/parts/{part_id}": ("/api/v1/parts/{part}", None),
}
"""Path and body of calls that work only otherwise than the table of the stranger has them."""

ELSEWHERE: dict[str, str] = {
    "GET /console/oidc/back": "tests/kernel/web/test_oidc.py",
    "POST /api/v1/admin/panic": "tests/kernel/web/test_autonomy.py",
    "DELETE /api/v1/admin/panic": "tests/kernel/web/test_autonomy.py",
    "POST /console/autonomy/panic": "tests/kernel/web/test_autonomy.py",
    "POST /console/autonomy/release": "tests/kernel/web/test_autonomy.py",
    "POST /console/sign-in": "test_who_comes_and_goes",
    "POST /hooks/{source}": "tests/kernel/hooks/test_inbox.py",
    "POST /console/sign-out": "test_who_comes_and_goes",
    "POST /console/invitation/{text}": "test_who_comes_and_goes",
    "POST /console/settings/password": "test_who_comes_and_goes",
    "POST /console/settings/sign-out-everywhere": "test_who_comes_and_goes",
}
"""Calls that no row asks: they need a browser."""

TELLING = {
    "content.delete_expired": "ContentExpired",
    "kernel.empty_erased": "OrganisationEmptied",
    "kernel.watch_flags": "FlagTripped",
    "route.delete_expired": "ExpiredRequestsDeleted",
    "route.erase_end_users": "EndUsersBlanked",
}
"""Background jobs, and what they tell when there is something to do."""

JOBS: dict[str, str] = {
    "content.sweep": "bytes that belong to nothing, and to nobody",
    "kernel.delete_old_hooks": "thirty days were said when it was kept",
    "kernel.delete_expired": "what is over ended by itself, and no longer did anything",
    "route.keep_partitions": "room for rows is nothing that happened",
    "route.merge_rollups": "the same sums, in fewer rows",
}
"""Background jobs that tell nothing, and why."""

HOST: dict[str, str] = {
    "reload": "the same installation, by newer processes",
    "migrate": "kernel.migrations says what was applied, in the same transaction",
    "spool ship": "requests stand in the ledger",
}
"""Verbs of who runs the machine that tell nothing, and why."""
