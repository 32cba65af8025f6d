"""Whom a budget or limit is for: as people say it, and as gateways compare it.

People name keys and teams, and see their names; gateways compare ids: a new name changes nothing.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from enum import StrEnum

from dd0c.base import ids
from dd0c.base.errors import Conflict, InvalidInput, NotFound
from dd0c.kernel.auth import keys, teams
from dd0c.kernel.db.pool import Transaction

RULES_MAX = 10_000  # budgets of an organisation, and limits
TAG = re.compile(r"[\w.:=/-]{1,64}", re.ASCII)


class Scope(StrEnum):
    """What a budget or limit holds together.

    `route` is the model as the caller writes it, `model` the name that the provider is sent.
    """

    ORGANISATION = "organisation"
    TEAM = "team"
    KEY = "key"
    TAG = "tag"
    ROUTE = "route"
    MODEL = "model"


KINDS = {Scope.TEAM: ids.Kind.TEAM, Scope.KEY: ids.Kind.KEY}


async def resolve(tx: Transaction, scope: Scope, given: str | None) -> str:
    """The subject as gateways compare it; InvalidInput when the organisation has no such one."""
    if scope is Scope.ORGANISATION:
        if given:
            raise InvalidInput("body.subject: the scope `organisation` has none: leave it out")
        return ""
    if not given:
        raise InvalidInput(f"body.subject: say which {scope} it is for")
    match scope:
        case Scope.KEY:
            return (await _find_key(tx, given)).hex
        case Scope.TEAM:
            return (await _find_team(tx, given)).hex
        case Scope.TAG if TAG.fullmatch(given) is None:
            raise InvalidInput(
                "body.subject: no request can have such a tag",
                hint="up to 64 letters, digits and . : = / - _",
            )
    return given


def check_room(kind: str, count: int) -> None:
    """Conflict when an organisation has so many that every worker would feel them."""
    if count >= RULES_MAX:
        raise Conflict(f"there are {count} {kind} already", hint="remove some first")


def id_text(scope: str, subject: str) -> str | None:
    """The id of a key or team as the API writes it; None for other scopes."""
    kind = KINDS.get(Scope(scope))
    return None if kind is None else ids.text(kind, uuid.UUID(hex=subject))


async def _find_key(tx: Transaction, given: str) -> uuid.UUID:
    found = await keys.find_lines(tx, given)
    if len(found) != 1:
        problem = "several keys are called that" if found else "there is no such working key"
        raise InvalidInput(
            f"body.subject: {problem}", hint="give the id of a key; `dd0c key list` has them"
        )
    return found[0]


async def _find_team(tx: Transaction, given: str) -> uuid.UUID:
    try:
        return (await teams.get(tx, given)).id
    except NotFound as error:
        raise InvalidInput(f"body.subject: {error.message}", hint="dd0c team list") from None


async def list_names(
    tx: Transaction, subjects: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """What people call these scopes and subjects."""
    asked = list(subjects)
    by_scope = {scope: [uuid.UUID(hex=s) for of, s in asked if of == scope] for scope in KINDS}
    known = {
        Scope.TEAM: await teams.list_names(tx, by_scope[Scope.TEAM]),
        Scope.KEY: await keys.list_names(tx, by_scope[Scope.KEY]),
    }
    return {
        (scope, subject): known[Scope(scope)].get(uuid.UUID(hex=subject), subject)
        if scope in KINDS
        else subject
        for scope, subject in asked
    }
