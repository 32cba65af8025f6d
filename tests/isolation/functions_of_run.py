"""The table of functions of run's store that take a transaction; see `functions`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dd0c.base import ids
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.run.store import runbooks, versions
from dd0c.products.run.store.versions import Row
from tests.isolation.tenants import NOBODY, Names, id_of

NOW = datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Of:
    """What is somebody's, as functions take it."""

    names: Names
    vault: Vault
    version: uuid.UUID

    def __getitem__(self, name: str) -> uuid.UUID:
        """The id of that name."""
        return id_of(self.names, name)

    def as_nobodys(self) -> Of:
        """The same under names and ids that do not exist."""
        return replace(self, names=NOBODY, version=ids.new())

    @property
    def hidden(self) -> dict[str, uuid.UUID]:
        """Its ids that are no names."""
        return {"version": self.version}


Call = Callable[[Transaction, Of], Awaitable[Any]]


def row(of: Of) -> Row:
    """Another version of theirs."""
    return Row(ids.new(), of["runbook"], 9, 0, None, NOW, "nobody")


CALLS: dict[str, Call] = {
    "runbooks.add": lambda tx, of: runbooks.add(tx, of["org"], "x", NOW),
    "runbooks.advance": lambda tx, of: runbooks.advance(tx, of["runbook"], 1, NOW),
    "runbooks.get": lambda tx, of: runbooks.get(tx, of["runbook"]),
    "runbooks.list_runbooks": lambda tx, _: runbooks.list_runbooks(tx, 5),
    "runbooks.remove": lambda tx, of: runbooks.remove(tx, of["runbook"], NOW),
    "runbooks.rename": lambda tx, of: runbooks.rename(tx, of["runbook"], "stolen"),
    "versions.add": lambda tx, of: versions.add(
        tx, of.vault, of["org"], row(of), "stolen", steps=()
    ),
    "versions.get": lambda tx, of: versions.get(tx, of["runbook"], 1),
    "versions.list_steps": lambda tx, of: versions.list_steps(tx, of.version),
    "versions.list_versions": lambda tx, of: versions.list_versions(tx, of["runbook"], 5),
    "versions.open_text": lambda tx, of: versions.open_text(tx, of.vault, of["org"], of.version),
}
"""Functions of a product's store, as the control server calls them."""

ELSEWHERE = {"runbooks.hold": "a lock on a row that the caller sees; test_runbooks.py waits for it"}
"""Those that need no row here, and why."""
