"""Scenarios: which faults strike which requests, in what order, how often and when.

A scenario is a list of rules. For each request the first rule that matches it strikes, and no
other. A rule with a list of faults gives them out one by one and is then used up, so "the first two
calls fail" is a list of two. It comes from a file (`dd0c sim --scenario FILE`, TOML) or as JSON
(`PUT /_sim/scenario`); both have the same members, and a mistake is told with its place.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec

from dd0c.base.errors import InvalidInput
from dd0c.sim import latency
from dd0c.sim.faults import NONE, Faults, lacking, parse
from dd0c.sim.latency import INSTANT, SEED, Dice, Pace, Profile

RULES_MAX: Final = 100
FILE_BYTES_MAX: Final = 1024 * 1024


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """These faults for matching requests. `path` and `model` take `*`; what is left out matches
    everything. A rule with a `rate` strikes that share of them, one with a `count` so many."""

    faults: str | list[str]
    path: str = "*"
    model: str = "*"
    stream: bool | None = None
    rate: float = 1.0
    count: int | None = None
    repeat: bool = False  # a list of faults begins anew at its end
    after_s: float = 0.0  # from so long after the scenario was set
    for_s: float | None = None  # and for so long


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules, and the pace of all answers: a profile's name. The seed makes a drill repeatable."""

    rules: list[Rule] = []
    name: str = ""
    seed: int = SEED
    profile: str = "instant"
    profiles: dict[str, Profile] = {}


class Facts(msgspec.Struct, frozen=True):
    """What a rule may look at. `traits` are what the request can show (see Fault.needs)."""

    path: str
    model: str
    stream: bool
    traits: frozenset[str]


def read_file(path: Path) -> Scenario:
    """The scenario in a TOML file; InvalidInput names the line or the member that is wrong."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput(f"{path} is too large for a scenario")
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot read the scenario {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is no TOML: {error}") from None
    try:
        return _checked(lambda: msgspec.convert(found, Scenario))
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.message}", hint=error.hint) from None


def read_json(body: bytes) -> Scenario:
    """The scenario in a JSON body; InvalidInput names the member that is wrong."""
    return _checked(lambda: msgspec.json.decode(body, type=Scenario))


def ended_by(scenario: Scenario, faults: str) -> Scenario:
    """The scenario with these faults for all requests that no rule of it strikes."""
    if not faults:
        return scenario
    parse(faults)
    return msgspec.structs.replace(scenario, rules=[*scenario.rules, Rule(faults)])


def _checked(decode: Callable[[], Scenario]) -> Scenario:
    try:
        scenario = decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(_placed(str(error))) from None
    latency.get_profile(scenario.profile, scenario.profiles)
    if len(scenario.rules) > RULES_MAX:
        raise InvalidInput(f"rules: {RULES_MAX} are enough, not {len(scenario.rules)}")
    for number, rule in enumerate(scenario.rules):
        try:
            _check_rule(rule, scenario.profiles)
        except InvalidInput as error:
            raise InvalidInput(f"rules[{number}].{error.message}", hint=error.hint) from None
    return scenario


def _placed(complaint: str) -> str:
    """msgspec says "problem - at `$.rules[0].rate`"; the place belongs first."""
    problem, _, place = complaint.partition(" - at `$.")
    return f"{place.rstrip('`')}: {problem}" if place else problem


def _check_rule(rule: Rule, profiles: dict[str, Profile]) -> None:
    if not 0 <= rule.rate <= 1:
        raise InvalidInput(f"rate: must be between 0 and 1, not {rule.rate}")
    if rule.count is not None and rule.count < 1:
        raise InvalidInput(f"count: must be 1 or more, not {rule.count}")
    if rule.after_s < 0 or (rule.for_s is not None and rule.for_s <= 0):
        raise InvalidInput("after_s must be 0 or more, for_s more than 0")
    if rule.repeat and isinstance(rule.faults, str):
        raise InvalidInput("repeat: is for a list of faults; a single text strikes always")
    if not rule.faults:
        raise InvalidInput('faults: say which, or "ok" for none')
    for text in _texts(rule):
        try:
            asked = parse(text)
            if asked.profile is not None:
                latency.get_profile(asked.profile, profiles)
        except InvalidInput as error:
            raise InvalidInput(f"faults: {error.message}", hint=error.hint) from None


def _texts(rule: Rule) -> list[str]:
    return [rule.faults] if isinstance(rule.faults, str) else rule.faults


class Performance:
    """A scenario under way: what was given out, since when, and the dice."""

    def __init__(self, scenario: Scenario, started_s: float) -> None:
        self.scenario = scenario
        self._started_s = started_s
        self._struck = [0] * len(scenario.rules)
        self._dice = Dice(scenario.seed)

    def choose(self, facts: Facts, now_s: float) -> Faults:
        """The faults for a request without a header of its own. A rule whose faults the request
        cannot show does not match it."""
        elapsed_s = now_s - self._started_s
        for number, rule in enumerate(self.scenario.rules):
            text = self._next_text(number, rule)
            if text is None or not _matches(rule, facts, elapsed_s):
                continue
            faults = parse(text)
            if lacking(faults, facts.traits) or not self._dice.strikes(rule.rate):
                continue
            self._struck[number] += 1
            return faults
        return NONE

    def _next_text(self, number: int, rule: Rule) -> str | None:
        struck = self._struck[number]
        if rule.count is not None and struck >= rule.count:
            return None
        if isinstance(rule.faults, str):
            return rule.faults
        if rule.repeat:
            return rule.faults[struck % len(rule.faults)]
        return rule.faults[struck] if struck < len(rule.faults) else None

    def draw_pace(self, name: str | None) -> Pace:
        """The times of one answer, under the profile it names or the scenario's."""
        profile = latency.get_profile(name or self.scenario.profile, self.scenario.profiles)
        if profile is latency.PROFILES["instant"]:
            return INSTANT
        return self._dice.draw(profile)

    def shown(self, now_s: float) -> dict[str, Any]:
        """The scenario with what became of it."""
        rules = [
            msgspec.structs.asdict(rule) | {"struck": struck}
            for rule, struck in zip(self.scenario.rules, self._struck, strict=True)
        ]
        known = msgspec.structs.asdict(self.scenario) | {"rules": rules}
        return known | {"elapsed_s": round(now_s - self._started_s, 3)}


def _matches(rule: Rule, facts: Facts, elapsed_s: float) -> bool:
    return (
        rule.after_s <= elapsed_s
        and (rule.for_s is None or elapsed_s < rule.after_s + rule.for_s)
        and rule.stream in (None, facts.stream)
        and fnmatchcase(facts.path, rule.path)
        and fnmatchcase(facts.model, rule.model)
    )
