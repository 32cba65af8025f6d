"""Finding entries again: for pages, exports, webhooks, and whoever wants to prove something (K-50).

Every function reads in the caller's transaction: that of a tenant sees its own log, one without a
tenant the installation's. The caller has checked who asks.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString, Protocol

from psycopg.rows import class_row, tuple_row
from psycopg.sql import SQL

from dd0c.base import ids
from dd0c.base.errors import NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import catalogue
from dd0c.kernel.audit.checkpoint import FINGERPRINT
from dd0c.kernel.audit.entries import INSTALLATION, Entry
from dd0c.kernel.db.pool import Transaction

PAGE = 1000

_COLUMNS: LiteralString = "sequence, id, at, name, actor, subject, bytes"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; what is None is not asked. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    name: str | None = None
    subject: str | None = None


ALL = Filter()


@dataclass(frozen=True, slots=True)
class Signed:
    """The newest checkpoint of a log: what it says, the note, and when it was signed."""

    size: int
    root: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What is private in an entry, with the salt (hex) of its commitment."""

    private: Mapping[str, Any]
    salt: str


class Unseal(Protocol):
    """Opens what was sealed for a record of an organisation: the vault's way to do it.

    `sealed` is what `outbox.Sealed` says; the vault asks for a type of its own.
    """

    async def __call__(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, sealed: Any, /
    ) -> Secret: ...


async def list_newest(
    tx: Transaction, log: str, limit: int, wanted: Filter = ALL, *, before: int | None = None
) -> list[Entry]:
    """Entries, newest first; `before`: only those of a smaller sequence."""
    return await _list(tx, log, {**asdict(wanted), "before": before}, limit, SQL("DESC"))


async def list_after(
    tx: Transaction, log: str, sequence: int, limit: int, wanted: Filter = ALL
) -> list[Entry]:
    """Entries behind a sequence (0: from the first), oldest first."""
    return await _list(tx, log, {**asdict(wanted), "after": sequence}, limit, SQL("ASC"))


async def stream(
    begin: Callable[[], AbstractAsyncContextManager[Transaction]],
    log: str,
    wanted: Filter = ALL,
    *,
    size: int,
) -> AsyncIterator[Entry]:
    """All entries of the log as it was at that size, oldest first; a transaction each thousand.

    Entries never change, so a reader may take hours and sees one state nevertheless.
    """
    after = 0
    while after < size:
        async with begin() as tx:
            page = await list_after(tx, log, after, PAGE, wanted)
        for entry in page:
            if entry.sequence > size:
                return
            yield entry
        if len(page) < PAGE:
            return
        after = page[-1].sequence


async def get(tx: Transaction, log: str, event_id: uuid.UUID) -> Entry:
    """The entry of an event; NotFound while it is not chained, too."""
    async with tx.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(
            SQL("SELECT {} FROM kernel.audit_entries WHERE log = %s AND id = %s").format(
                SQL(_COLUMNS)
            ),
            (log, event_id),
        )
        entry = await cursor.fetchone()
    if entry is None:
        raise NotFound(f"the log has no event {ids.text(ids.Kind.EVENT, event_id)}")
    return entry


async def find_head(tx: Transaction, log: str) -> Signed | None:
    """The newest checkpoint; None: the log has no entry yet."""
    async with tx.cursor(row_factory=class_row(Signed)) as cursor:
        await cursor.execute(
            "SELECT size, root, note, signed_at FROM kernel.audit_heads WHERE log = %s", (log,)
        )
        return await cursor.fetchone()


async def find_key(tx: Transaction) -> tuple[str, bytes]:
    """The installation's id and the public key that signs its logs; NotFound before one is made."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT id, fingerprints ->> %s FROM kernel.installation", (FINGERPRINT,)
        )
        installation, public = await cursor.fetchone() or ("", None)
    if public is None:
        raise NotFound("this installation has no audit key yet", hint="run `dd0c migrate`")
    return installation, bytes.fromhex(public)


async def list_noted(tx: Transaction, log: str) -> list[tuple[int, bytes]]:
    """Size and root of a log as the installation's log has them, oldest first.

    For a transaction without a tenant.
    """
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT bytes FROM kernel.audit_entries"
            " WHERE log = %s AND subject = %s AND name = %s ORDER BY sequence",
            (INSTALLATION, log, catalogue.HEAD_NOTED.name),
        )
        facts = [json.loads(row[0])["facts"] for row in await cursor.fetchall()]
    return [(int(one["size"]), bytes.fromhex(one["root"])) for one in facts]


async def disclose(
    tx: Transaction, org: uuid.UUID | None, event_id: uuid.UUID, unseal: Unseal
) -> Disclosed | None:
    """What is private in an event; None: nothing is, or it was erased."""
    async with tx.cursor(row_factory=class_row(_Content)) as cursor:
        await cursor.execute(
            "SELECT data_key, secret AS ciphertext FROM kernel.audit_contents"
            " WHERE id = %s AND org IS NOT DISTINCT FROM %s",
            (event_id, org),
        )
        sealed = await cursor.fetchone()
    if sealed is None:
        return None
    text = await unseal(tx, org, event_id, sealed)
    return Disclosed(**json.loads(text.reveal()))


@dataclass(frozen=True, slots=True)
class _Content:
    data_key: uuid.UUID
    ciphertext: bytes


async def _list(
    tx: Transaction, log: str, wanted: Mapping[str, object], limit: int, order: SQL
) -> list[Entry]:
    asked = {name: value for name, value in wanted.items() if value is not None}
    query = SQL(
        "SELECT {} FROM kernel.audit_entries WHERE {} ORDER BY sequence {} LIMIT %(limit)s"
    ).format(
        SQL(_COLUMNS), SQL(" AND ").join([_LOG, *(_CONDITIONS[name] for name in asked)]), order
    )
    async with tx.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(query, {**asked, "log": log, "limit": limit})
        return await cursor.fetchall()


_LOG = SQL("log = %(log)s")
_CONDITIONS = {
    "since": SQL("at >= %(since)s"),
    "until": SQL("at < %(until)s"),
    "actor": SQL("actor = %(actor)s"),
    "name": SQL("name = %(name)s"),
    "subject": SQL("subject = %(subject)s"),
    "before": SQL("sequence < %(before)s"),
    "after": SQL("sequence > %(after)s"),
}
