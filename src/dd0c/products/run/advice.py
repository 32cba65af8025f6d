"""Asking a model for the commands in prose, through route (N-2): off unless a model is set.

The key is an organisation's own: its runbooks are read, it pays, and its budgets hold. Runbooks of
other organisations are not shown to a model. Who asks gets the same steps back when the model is
slow, away, wrong or hostile: nothing waits for it longer than its deadline, and nothing fails.
"""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from dd0c.base.errors import Error
from dd0c.base.outbound import Outbound, Policy
from dd0c.base.outbound import Request as Call
from dd0c.base.settings import Settings
from dd0c.kernel.auth import principals
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.resources import Resources
from dd0c.products.run import prose
from dd0c.products.run.models import Step

WITHIN_S = 3.5
ANSWER_BYTES_MAX = 65_536
BREAKER = "run:model"
PATH = "/v1/chat/completions"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Advisor:
    """Who asks a model for an organisation."""

    use: Resources
    org: uuid.UUID

    async def place(self, source: str, steps: Sequence[Step]) -> Sequence[Step]:
        """The steps with what a model found in prose; the same where it found nothing."""
        settings = self.use.settings
        asked = prose.write(settings.run_model, source, steps, secrets.token_hex(16))
        if asked is None:
            return steps
        try:
            if await self._org_of_key() != self.org:
                return steps
            answer = await Outbound(settings).send(
                Call("POST", _gateway(settings) + PATH, _headers(settings), asked),
                within_s=WITHIN_S,
                policy=Policy.CONFIGURED,
                breaker=self.use.breakers.named(BREAKER),
                body_bytes_max=ANSWER_BYTES_MAX,
            )
        except Error as error:
            log.warning("prose is read without a model: %s", error.message)
            return steps
        if answer.status != 200 or answer.cut:
            log.warning("prose is read without a model: it answered %d", answer.status)
            return steps
        return prose.place(source, steps, prose.read(answer.body))

    async def _org_of_key(self) -> uuid.UUID:
        use = self.use
        async with tenancy.system(use.pool) as tx:
            key = use.settings.run_key.reveal()
            found = await principals.authenticate(tx, use.pepper, key, use.grants, use.clock.now())
        return found.org


def advisor(request: Request, who: Principal) -> Advisor | None:
    """Who asks a model for the caller; None: there is none to ask."""
    use = resources.of(request)
    return Advisor(use, who.org) if use.settings.run_model else None


def _gateway(settings: Settings) -> str:
    here = f"http://127.0.0.1:{settings.gateway_port}"
    return settings.run_gateway_url.rstrip("/") or here


def _headers(settings: Settings) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "authorization": f"Bearer {settings.run_key.reveal()}",
    }
