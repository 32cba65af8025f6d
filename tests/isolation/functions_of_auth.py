"""The table of functions of the kernel's identities that take a transaction; see `functions`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dd0c.base import ids
from dd0c.kernel.auth import (
    invitations,
    keyring,
    keys,
    members,
    organisations,
    rotation,
    sessions,
    teams,
)
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.members import Member
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.db.pool import Transaction
from tests.isolation.tenants import NOBODY, Names, id_of

NOW = datetime.now(UTC)
ROLES = frozenset({Role.VIEWER})
NEW = NewKey("x", ROLES, frozenset({Scope.API}))
SOON = NOW + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Of:
    """What is somebody's, as functions take it. `session` is the token of one."""

    names: Names
    pepper: Pepper
    session: str
    key: Key
    member: Member

    def __getitem__(self, name: str) -> uuid.UUID:
        """The id of that name."""
        return id_of(self.names, name)

    @property
    def maker(self) -> uuid.UUID:
        """Who made the key."""
        assert self.key.created_by is not None
        return self.key.created_by

    def as_nobodys(self) -> Of:
        """The same under names and ids that do not exist."""
        key = replace(self.key, id=ids.new(), created_by=ids.new())
        session = "dd0c_ses_" + "x" * 43
        return Of(NOBODY, self.pepper, session, key, replace(self.member, id=ids.new()))

    @property
    def hidden(self) -> dict[str, uuid.UUID]:
        """Its ids that are no names."""
        return {"key row": self.key.id, "maker": self.maker, "member": self.member.id}


Call = Callable[[Transaction, Of], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "invitations.create": lambda tx, of: invitations.create(
        tx, of.pepper, of["org"], invitations.Wanted("x@y.example", ROLES, None, of["key"]), NOW
    ),
    "invitations.list_invitations": lambda tx, of: invitations.list_invitations(tx, 9),
    "invitations.revoke": lambda tx, of: invitations.revoke(tx, of["invitation"], NOW),
    "invitations.use": lambda tx, of: invitations.use(tx, of["invitation"], NOW),
    "keyring.select": lambda tx, of: keyring.select(
        tx, keyring.Wanted(of.names["key_name"]), NOW, limit=9
    ),
    "keyring.count_made_by": lambda tx, of: keyring.count_made_by(tx, of.maker, NOW),
    "keys.create": lambda tx, of: keys.create(tx, of.pepper, of["org"], NEW),
    "keys.store": lambda tx, of: keys.store(tx, of["org"], NEW, "x", bytes(32)),
    "keys.list_keys": lambda tx, of: keys.list_keys(tx, 99),
    "keys.find_lines": lambda tx, of: keys.find_lines(tx, of.names["key_name"]),
    "keys.find_line": lambda tx, of: keys.find_line(tx, of["key"]),
    "keys.list_names": lambda tx, of: keys.list_names(tx, [of["key"]]),
    "keys.get": lambda tx, of: keys.get(tx, of["key"], locked=True),
    "keys.change": lambda tx, of: keys.change(tx, of["key"], models=["m"]),
    "keys.revoke": lambda tx, of: keys.revoke(tx, of["key"], NOW),
    "rotation.rotate": lambda tx, of: rotation.rotate(tx, of.pepper, of.key, NEW, SOON),
    "members.join": lambda tx, of: members.join(tx, of["org"], of["person"], ROLES, of["key"]),
    "members.list_members": lambda tx, of: members.list_members(tx, 9),
    "members.search": lambda tx, of: members.search(tx, of.names["email"], 9),
    "members.list_team": lambda tx, of: members.list_team(tx, of["team"]),
    "members.get": lambda tx, of: members.get(tx, of["person"]),
    "members.get_present": lambda tx, of: members.get_present(tx, of["person"]),
    "members.list_names": lambda tx, of: members.list_names(tx, [of["person"]]),
    "members.change": lambda tx, of: members.change(tx, of.member, ROLES, None),
    "members.remove": lambda tx, of: members.remove(tx, of.member, NOW),
    "organisations.create": lambda tx, of: organisations.create(tx, of.pepper, of["org"], "x"),
    "organisations.get_own": lambda tx, of: organisations.get_own(tx),
    "sessions.start_of_person": lambda tx, of: sessions.start_of_person(
        tx, of.pepper, of["org"], of["person"], NOW
    ),
    "sessions.end": lambda tx, of: sessions.end(tx, of.pepper, of.session),
    "sessions.list_open": lambda tx, of: sessions.list_open(tx, NOW, of.maker),
    "sessions.end_marked": lambda tx, of: sessions.end_marked(tx, of.names["session"]),
    "sessions.end_all": lambda tx, of: sessions.end_all(tx, of["person"]),
    "teams.create": lambda tx, of: teams.create(tx, of["org"], "x"),
    "teams.list_teams": lambda tx, of: teams.list_teams(tx, 9),
    "teams.get": lambda tx, of: teams.get(tx, of.names["team_name"]),
    "teams.rename": lambda tx, of: teams.rename(tx, of["team"], "x"),
    "teams.remove": lambda tx, of: teams.remove(tx, of["team"], NOW),
    "teams.list_names": lambda tx, of: teams.list_names(tx, [of["team"]]),
}

_OF_THE_INSTALLATION = "of the installation, not of a tenant: who may is decided by its caller"
_WHO_ASKS = "finds out who asks, before there is a tenant"

ELSEWHERE = {
    "keyring.count": "test_streams.py and test_questions.py: no argument names anything",
    "keyring.mark": "test_streams.py follows it",
    "members.mark": "test_streams.py follows it",
    "members.keep_an_owner": "part of members.change and members.remove",
    "keyring.is_last_owner": "of the caller's own organisation: no argument names another",
    "members.take_place": "of the caller's own organisation: counts, and says nothing",
    "organisations.set_time_zone": "of the caller's own organisation: no argument names another",
    "keys.is_known": "of the installation: at its start, for the first key",
    "organisations.list_organisations": _OF_THE_INSTALLATION,
    "organisations.find": _OF_THE_INSTALLATION,
    "organisations.get_any": _OF_THE_INSTALLATION,
    "erasure.erase_organisation": _OF_THE_INSTALLATION,
    "erasure.find_person": _OF_THE_INSTALLATION,
    "erasure.erase_person": _OF_THE_INSTALLATION,
    "organisations.get": _OF_THE_INSTALLATION,
    "organisations.get_id": _OF_THE_INSTALLATION,
    "organisations.list_names": _OF_THE_INSTALLATION,
    "people.find_by_email": _WHO_ASKS,
    "people.find_by_id": _WHO_ASKS,
    "people.find_by_identity": _WHO_ASKS,
    "people.list_places": _WHO_ASKS,
    "people.add": _OF_THE_INSTALLATION,
    "people.set_password": _OF_THE_INSTALLATION,
    "people.set_identity": _OF_THE_INSTALLATION,
    "people.set_standing": _OF_THE_INSTALLATION,
    "people.end_sessions": _OF_THE_INSTALLATION,
    "lockout.take": _WHO_ASKS,
    "lockout.forgive": _WHO_ASKS,
    "principals.authenticate": _WHO_ASKS,
    "sessions.authenticate": _WHO_ASKS,
    "sessions.start": "for a principal, who carries the organisation",
}
