"""How an endpoint or a page tells the audit log what it did (K-50).

    await audited.record(tx, request, events.KEY_REVOKED, ids.text(ids.Kind.KEY, key.id))

In the transaction of the change: one is not without the other. The log is the one of the
transaction's organisation; outside any, and where `above` is said, it is the installation's.

What is set is told each time, even where it held before: somebody decided it each time. An end is
told once; to end it again decides nothing. Ending never needs the vault, so what tells of an end
has nothing private: a key is revoked while a KMS is away.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request

from dd0c.base.errors import Internal
from dd0c.kernel.audit import outbox
from dd0c.kernel.audit.canonical import Value
from dd0c.kernel.audit.catalogue import EventType
from dd0c.kernel.audit.outbox import Event
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import requires, resources


async def record(
    tx: Transaction,
    request: Request,
    what: EventType,
    subject: str,
    *,
    by: str | None = None,
    above: bool = False,
    private: Mapping[str, Value] | None = None,
    person: uuid.UUID | None = None,
    **facts: Value | datetime,
) -> None:
    """Tell that the caller did this to `subject`; `by`: who did, before the caller is known.

    What was typed, or names somebody, goes into `private`: facts stay for ever.
    """
    event = Event(
        name=what.name,
        actor=by or _caller(request),
        subject=subject,
        facts={name: _plain(fact) for name, fact in facts.items()}
        | {"request": request.scope["dd0c.request_id"]},
        private=private,
        person=person,
    )
    org = None if above else tenancy.current()
    await outbox.record(tx, org, event, resources.of(request).vault.seal)


def _caller(request: Request) -> str:
    who = requires.principal_of(request)
    if who is None:
        raise Internal("an event of a request that nobody is known to have made")
    return who.actor.text


def _plain(fact: Value | datetime) -> Value:
    return fact.astimezone(UTC).isoformat() if isinstance(fact, datetime) else fact
