"""The steps of a version as descendants of those before: which is which, and what of their trust is
left. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from dd0c.base import ids
from dd0c.products.run import identity, trust
from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.models import Step
from dd0c.products.run.trust import Trust


@dataclass(frozen=True, slots=True)
class Kept:
    """A step of a version, which step it is, and how far it is trusted."""

    identity: uuid.UUID
    step: Step
    trust: Trust


def follow(before: Sequence[Kept], after: Sequence[JudgedStep]) -> list[Kept]:
    """The steps of a new version. Who has no ancestor gets an identity and no trust."""
    steps = [judged.step for judged in after]
    ancestors = identity.match([kept.step for kept in before], steps)
    found = []
    for judged, basis, at in zip(after, identity.bases(steps), ancestors, strict=True):
        pack = pack_of(judged)
        if at is None:
            found.append(Kept(ids.new(), judged.step, trust.start(basis, pack)))
            continue
        was = before[at]
        edited = identity.content(was.step) != identity.content(judged.step)
        left = trust.carry(was.trust, basis, pack, edited=edited)
        found.append(Kept(was.identity, judged.step, left))
    return found


def today(kept: Kept, judged: JudgedStep) -> Kept:
    """The same under the rules of today."""
    left = trust.carry(kept.trust, kept.trust.basis, pack_of(judged), edited=False)
    return Kept(kept.identity, kept.step, left)


def pack_of(judged: JudgedStep) -> str:
    """The version of the rules that judged it; empty: it has no command."""
    return judged.verdicts[0].pack if judged.verdicts else ""
