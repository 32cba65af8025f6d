"""Which rules a request has to fit into (R-16). Pure.

A worker asks before it sends, its parent again to charge what is in the ledger: both ask here, so
both name the same rules. An organisation without rules costs one look into a dict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from dd0c.products.route.hotpath.snapshot import Rule

KNOWN_MAX = 4096  # combinations of an organisation that are remembered; callers invent names


class Traits(NamedTuple):
    """What rules can be about. Ids are 16 bytes; `route` is the model as the caller wrote it,
    `model` what the provider is asked for."""

    key_id: bytes
    team: bytes | None
    route: str
    model: str
    tags: tuple[str, ...] = ()


class Rules:
    """The rules of all organisations; one immutable table, replaced as a whole."""

    def __init__(self, rules: Iterable[Rule] = ()):
        self.by_id: dict[bytes, Rule] = {}
        self._orgs: dict[bytes, _Organisation] = {}
        for rule in rules:
            self.by_id[rule.id] = rule
            if rule.org not in self._orgs:
                self._orgs[rule.org] = _Organisation()
            self._orgs[rule.org].subjects[rule.scope, rule.subject].append(rule)

    def match(self, org: bytes, traits: Traits) -> tuple[Rule, ...]:
        """The rules that hold for a request of these traits."""
        organisation = self._orgs.get(org)
        if organisation is None:
            return ()
        found = organisation.known.get(traits)
        return organisation.find(traits) if found is None else found

    def concern(self, org: bytes) -> bool:
        """Whether an organisation has rules at all."""
        return org in self._orgs


class _Organisation:
    __slots__ = ("known", "subjects")

    def __init__(self) -> None:
        self.subjects: defaultdict[tuple[str, str], list[Rule]] = defaultdict(list)
        self.known: dict[Traits, tuple[Rule, ...]] = {}

    def find(self, traits: Traits) -> tuple[Rule, ...]:
        subjects = [
            ("organisation", ""),
            ("key", traits.key_id.hex()),
            ("route", traits.route),
            ("model", traits.model),
            *(("tag", tag) for tag in dict.fromkeys(traits.tags)),
        ]
        if traits.team is not None:
            subjects.append(("team", traits.team.hex()))
        found = tuple(rule for subject in subjects for rule in self.subjects.get(subject, ()))
        if len(self.known) >= KNOWN_MAX:
            self.known.clear()
        self.known[traits] = found
        return found
