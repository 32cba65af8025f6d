"""Whom a flag is on for: what administrators say of it, and the decision. No I/O.

The document is what the database says of flags, as it is published: a flag that nobody has said
anything of is not in it, and its `initial` holds. Each flag is decoded by itself, so that nonsense
about one leaves the others alone.

    {"revision": 7, "flags": {"console.live": {"serial": 7, "percent": 20,
                                               "orgs": {"018f…": true}, "tripped": false}}}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec

from dd0c.kernel.guard.flagfile import Declared


class Setting(msgspec.Struct, frozen=True):
    """What was said of a flag. `percent` None: nothing, so that `initial` holds.

    `serial` is another whenever somebody sets it; `tripped`: it turned itself off since.
    """

    serial: int
    percent: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    orgs: Mapping[str, bool] = {}
    tripped: bool = False


class Document(msgspec.Struct, frozen=True):
    """What is published. `revision` rises with every change."""

    revision: int
    flags: Mapping[str, Setting]


class _Undecoded(msgspec.Struct, frozen=True):
    revision: int
    flags: dict[str, msgspec.Raw]


NOTHING_SAID = Setting(serial=0)


def encode(document: Document) -> bytes:
    """The document as it is published."""
    return msgspec.json.encode(document)


def decode(body: bytes) -> dict[str, Setting | None]:
    """What it says of each flag, None where that is nonsense; msgspec.DecodeError when all is."""
    found = msgspec.json.decode(body, type=_Undecoded)
    return {name: _setting(raw) for name, raw in found.flags.items()}


def _setting(raw: msgspec.Raw) -> Setting | None:
    try:
        return msgspec.json.decode(raw, type=Setting)
    except (msgspec.DecodeError, RecursionError):
        return None


def is_on(name: str, declared: Declared, setting: Setting, org: str) -> bool:
    """Whether the flag is on for the organisation (its id in hex; empty: for the installation,
    which is in no share but the whole)."""
    if setting.tripped:
        return declared.safe
    if org in setting.orgs:
        return setting.orgs[org]
    percent = declared.initial if setting.percent is None else setting.percent
    return percent == 100 or (bool(org) and share(name, org) < percent)


def share(name: str, org: str) -> int:
    """Where the organisation stands among a hundred, for this flag: always at the same place, so
    whoever has a flag keeps it when its percentage is raised; another place for each flag."""
    digest = hashlib.blake2b(f"{name}\0{org}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % 100
