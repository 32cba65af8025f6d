"""Whether this installation's gateway serves, as the gateway itself says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import httpx

from dd0c.base.errors import Unavailable
from dd0c.base.settings import Settings
from dd0c.kernel.web.probes import Probe

ANSWER_TIMEOUT_S = 2.0


def probes(settings: Settings) -> Sequence[Probe]:
    """The probes of route."""

    async def check() -> str:
        url = _admin_url(settings.home / "run" / "gateway.json")
        return await _ask(f"{url}/readyz")

    return [Probe("gateway", check)]


def _admin_url(facts: Path) -> str:
    """Where the gateway of this home is administered; it writes that down when it starts."""
    try:
        return str(json.loads(facts.read_text())["admin_url"])
    except FileNotFoundError:
        raise Unavailable("no gateway was started from this home") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Unavailable(f"{facts} cannot be read") from None


async def _ask(url: str) -> str:
    """The gateway's own word: 200 when its workers serve."""
    try:
        async with httpx.AsyncClient(timeout=ANSWER_TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        raise Unavailable(f"the gateway does not answer: {type(error).__name__}") from None
    said = " ".join(answer.text.split())[:200]
    if answer.status_code != 200:
        raise Unavailable(f"the gateway is not ready: {said}")
    return said or "ready"
