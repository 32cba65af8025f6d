"""Whether this installation's gateway serves and its ledger rows arrive, as the gateway says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from dd0c.base.errors import Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.web.probes import Probe

ANSWER_TIMEOUT_S = 2.0


def probes(settings: Settings) -> Sequence[Probe]:
    """The probes of route."""
    facts = settings.home / "run" / "gateway.json"

    async def gateway() -> str:
        report = await _ask(_admin_url(facts))
        ready = sum(worker["ready"] for worker in report["workers"])
        found = f"{ready} of {len(report['workers'])} workers ready"
        if not report["ready"]:
            raise Unavailable(found)
        return found

    async def spool() -> str:
        report = await _ask(_admin_url(facts))
        found = f"{report['spool']['backlog_bytes']} bytes wait for the ledger"
        if report["spool"]["full"]:
            raise Unavailable(f"{found}, which is all it may hold: requests are refused")
        if report["database"] == "away":
            raise Unavailable(f"the gateway does not reach the database; {found}")
        return found

    return [Probe("gateway", gateway), Probe("spool", spool)]


def _admin_url(facts: Path) -> str:
    """Where the gateway of this home is administered; it writes that down when it starts."""
    try:
        return str(json.loads(facts.read_text())["admin_url"])
    except FileNotFoundError:
        raise Unavailable("no gateway runs from this home") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Unavailable(f"{facts} cannot be read") from None


async def _ask(url: str) -> dict[str, Any]:
    """What the gateway says of itself; it says it with 503 as well when it is not ready."""
    try:
        async with httpx.AsyncClient(timeout=ANSWER_TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(f"{url}/readyz")
        report: dict[str, Any] = answer.json()
    except httpx.HTTPError as error:
        raise Unavailable(f"the gateway does not answer: {type(error).__name__}") from None
    except ValueError:
        raise Unavailable(f"what answers at {url} is no gateway of dd0c") from None
    return report
