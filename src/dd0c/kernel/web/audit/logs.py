"""Which log somebody reads, and what it was at one moment."""

from __future__ import annotations

import uuid
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request

from dd0c.base.errors import NotFound
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import checkpoint, entries, outbox, reading
from dd0c.kernel.audit.entries import Entry
from dd0c.kernel.audit.reading import Disclosed, Signed
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.vault.envelope import Sealed
from dd0c.kernel.web import resources
from dd0c.kernel.web.resources import Resources

READ = "audit:read"
READ_INSTALLATION = "platform:audit"


class Which(StrEnum):
    """The logs that a caller may choose from."""

    ORGANISATION = "organisation"
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Log:
    """A log, for somebody who may read it."""

    name: str
    org: uuid.UUID | None
    use: Resources

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees it."""
        if self.org is None:
            return tenancy.system(self.use.pool)
        return tenancy.tenant(self.use.pool, self.org)

    async def disclose(self, tx: Transaction, entry: Entry) -> Disclosed | None:
        """What is private in an entry; None: nothing is, or it was erased."""
        return await reading.disclose(tx, self.org, entry.id, self._unseal)

    async def _unseal(
        self, tx: Transaction, org: uuid.UUID | None, record: uuid.UUID, sealed: outbox.Sealed
    ) -> Secret:
        known = Sealed(sealed.data_key, sealed.ciphertext)
        return await self.use.vault.unseal(tx, org, record, known)


@dataclass(frozen=True, slots=True)
class Head:
    """A log at one moment: its newest checkpoint, and the key that signed it (`NAME+HASH+KEY`)."""

    signed: Signed
    origin: str
    key: str


def choose(request: Request, who: Principal, which: Which) -> Log:
    """The caller's own log, or the installation's; Forbidden."""
    if which is Which.INSTALLATION:
        who.require(READ_INSTALLATION)
    org = None if which is Which.INSTALLATION else who.org
    return Log(entries.log_of(org), org, resources.of(request))


async def get_head(tx: Transaction, log: Log) -> Head:
    """Where the log stands; NotFound while nothing is in it."""
    signed = await reading.find_head(tx, log.name)
    if signed is None:
        raise NotFound("nothing is in this log yet", hint="what happens is in it within a second")
    installation, public = await reading.find_key(tx)
    origin = checkpoint.origin(installation, log.name)
    return Head(signed, origin, checkpoint.verifier_key(origin, public))
