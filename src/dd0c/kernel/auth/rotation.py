"""Rotating a key: another of the same line takes its place, and both work for a while (K-20).

What the key may do passes on unchanged, and its line goes on counting under its budgets and limits:
whoever rotates on a schedule resets nothing. The new one lives as long as the old one was meant to.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from dd0c.base.errors import Conflict
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import keyring, keys
from dd0c.kernel.auth.keyring import State
from dd0c.kernel.auth.keys import Key, NewKey
from dd0c.kernel.auth.pepper import Pepper
from dd0c.kernel.auth.permissions import Role, Scope
from dd0c.kernel.db.pool import Transaction

OVERLAP_DAYS_MAX = 90


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new key, and the one that it follows."""

    key: Key
    text: Secret
    old: Key


async def rotate(
    tx: Transaction, pepper: Pepper, key: Key, wanted: NewKey, old_ends_at: datetime
) -> Rotated:
    """Let a new key follow one that is locked, which ends then."""
    made, text = await keys.create(tx, pepper, key.org, wanted)
    old = await keys.change(tx, key.id, expires_at=old_ends_at)
    return Rotated(made, text, old)


def decide(
    key: Key, now: datetime, overlap: timedelta, maker: uuid.UUID
) -> tuple[NewKey, datetime]:
    """The key that follows, and when the old one ends; Conflict when it can have no follower."""
    if (state := keyring.state(key, now)) is not State.WORKING:
        raise Conflict(f"this key is {state}: nothing would overlap", hint="make a new key")
    if key.followed_by is not None:
        raise Conflict("this key was rotated already", hint="rotate the one that follows it")
    ends = key.expires_at
    follower = NewKey(
        name=key.name,
        roles=frozenset(map(Role, key.roles)),
        scopes=frozenset(map(Scope, key.scopes)),
        models=None if key.models is None else tuple(key.models),
        networks=None if key.networks is None else tuple(key.networks),
        expires_at=None if ends is None else now + (ends - key.created_at),
        created_by=maker,
        team=key.team_id,
        first=key.line,
    )
    old_ends_at = now + overlap
    return follower, old_ends_at if ends is None else min(ends, old_ends_at)
