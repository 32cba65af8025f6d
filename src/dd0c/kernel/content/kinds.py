"""The kinds of content there are, and what happens to them where an organisation says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dd0c.base.errors import NotFound


class Mode(StrEnum):
    """What is stored of a kind."""

    WHOLE = "whole"  # as it came
    CAPTURE = "capture"  # with a mark in place of everything that is or looks like a secret
    NEVER = "never"  # nothing


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name `user.what`, a sentence for readers, its mode, and the days it is kept."""

    name: str
    sentence: str
    mode: Mode
    days: int


HOOK_BODY = Kind("hook.body", "What sources of webhooks sent, as it came.", Mode.WHOLE, 30)

KINDS = (HOOK_BODY,)


def get(name: str) -> Kind:
    """The kind of that name; NotFound."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise NotFound(
        f"there is no kind of content {name!r}", hint=f"one of {', '.join(k.name for k in KINDS)}"
    )
