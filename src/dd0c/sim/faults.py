"""The faults the simulator can be asked for: one table, one parser, and rules with counts.

A request asks in its own header, `x-sim-fault: latency=300;cut_after=5`. A rule, made by
`POST /_sim/faults`, holds the same text and applies to requests that carry no such header. The
first rule that matches wins and nothing is merged, so what happens can be read off one text.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any, Final

import msgspec

from dd0c.base.errors import InvalidInput

VALUE_MAX: Final = 1_000_000  # a typing error must not make a stream of a billion events


class Fault(msgspec.Struct, frozen=True):
    """One row of the table. `unit` says what the value is; a flag takes no value."""

    name: str
    unit: str
    default: int | float | str | bool | None  # None: a value must be given
    what: str


FAULTS: Final = (
    Fault("latency", "ms", None, "waits before anything is answered"),
    Fault("slow_first_token", "ms", None, "sends the head, then waits before the first event"),
    Fault("pace", "ms", None, "waits between the events of a stream"),
    Fault("stall_after", "events", 1, "falls silent after so many events, for `stall` seconds"),
    Fault("stall", "s", 3600.0, "how long a stalled stream is silent; then it goes on"),
    Fault("cut_after", "events", 1, "closes (FIN) after so many events, or amid a buffered body"),
    Fault("reset_after", "events", 1, "resets (RST) after so many events, or amid a buffered body"),
    Fault("close", "flag", True, "closes (FIN) instead of answering"),
    Fault("reset", "flag", True, "resets (RST) instead of answering"),
    Fault("status", "status", None, "answers with this status; `429` alone means status=429"),
    Fault("retry_after", "s", 1.0, "what a 429 (OpenAI: a 503 too) says in retry-after"),
    Fault("error_after", "events", 1, "sends the provider's error event, then ends the stream"),
    Fault("garbage_after", "events", 1, "sends one event that is no JSON, then goes on"),
    Fault("fragment", "bytes", 1, "cuts the answer into writes of this size, 1 ms apart"),
    Fault("no_usage", "flag", True, "leaves out all usage"),
    Fault("echo_key", "place", "error", "shows the presented key in the error, header or text"),
    Fault("events", "events", None, "makes this many content events, one token each by default"),
    Fault("tokens", "tokens", None, "makes an answer of this many tokens"),
    Fault("input", "tokens", None, "reports this many uncached input tokens"),
    Fault("cached", "tokens", None, "reports this many input tokens read from the cache"),
    Fault("cache_write_5m", "tokens", None, "reports tokens written to the 5 minute cache"),
    Fault("cache_write_1h", "tokens", None, "reports tokens written to the 1 hour cache"),
    Fault("reasoning", "tokens", None, "reports this many reasoning tokens on top of the answer"),
)
BY_NAME: Final = {fault.name: fault for fault in FAULTS}
PLACES: Final = ("error", "header", "text")


class Faults(msgspec.Struct, frozen=True, cache_hash=True):
    """What one request gets; field by field the rows of FAULTS. None means: behave."""

    latency: int | None = None
    slow_first_token: int | None = None
    pace: int | None = None
    stall_after: int | None = None
    stall: float = 3600.0
    cut_after: int | None = None
    reset_after: int | None = None
    close: bool = False
    reset: bool = False
    status: int | None = None
    retry_after: float = 1.0
    error_after: int | None = None
    garbage_after: int | None = None
    fragment: int | None = None
    no_usage: bool = False
    echo_key: str | None = None
    events: int | None = None
    tokens: int | None = None
    input: int | None = None
    cached: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None


NONE: Final = Faults()


@lru_cache(maxsize=256)
def parse(text: str) -> Faults:
    """Faults from `name[=value][;name=value]`; InvalidInput names the part that is wrong."""
    values: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, has_value, value = (piece.strip() for piece in part.partition("="))
        if len(name) == 3 and name.isdecimal():
            values["status"] = _convert(BY_NAME["status"], name)
            if has_value:
                values["retry_after"] = _convert(BY_NAME["retry_after"], value)
            continue
        if name not in BY_NAME:
            raise InvalidInput(f"no such fault: {name!r}", hint="dd0c sim --help lists them")
        fault = BY_NAME[name]
        values[name] = _convert(fault, value) if has_value else fault.default
        if values[name] is None:
            raise InvalidInput(f"the fault {name} needs a value in {fault.unit}")
    return Faults(**values) if values else NONE


def _convert(fault: Fault, value: str) -> int | float | str | bool:
    try:
        match fault.unit:
            case "flag":
                return {"": True, "1": True, "true": True, "0": False, "false": False}[value]
            case "place":
                return PLACES[PLACES.index(value)]
            case "s":
                number: int | float = float(value)
            case _:
                number = int(value)
    except (KeyError, ValueError):
        raise InvalidInput(f"{value!r} is no value for {fault.name} ({fault.unit})") from None
    low, high = (400, 599) if fault.unit == "status" else (fault.unit == "bytes", VALUE_MAX)
    if not low <= number <= high:
        raise InvalidInput(f"{fault.name} must be between {low:d} and {high}, not {value}")
    return number


def table() -> str:
    """The faults as aligned text, for `dd0c sim --help`."""
    return "\n".join(f"  {f.name:<17} {f.unit:<7} {f.what}" for f in FAULTS)


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    """A standing order: these faults for matching requests, `count` times, at `rate`."""

    fault: str
    count: int | None = None
    rate: float = 1.0
    path: str | None = None
    model: str | None = None
    applied: int = 0


class Rules:
    """The rules in force, in the order they were made."""

    MAX: Final = 100

    def __init__(self, standing: str = "") -> None:
        self._standing = parse(standing)
        self._rules: list[Rule] = []
        self._dice = random.Random(0)  # noqa: S311 -- the same drill falls out the same way twice

    def add(self, rule: Rule) -> None:
        """Adds a rule; InvalidInput when its text or numbers are wrong."""
        parse(rule.fault)
        if not 0 <= rule.rate <= 1 or (rule.count is not None and rule.count < 1):
            raise InvalidInput("rate must be between 0 and 1, count 1 or more")
        if len(self._rules) >= self.MAX:
            raise InvalidInput(f"{self.MAX} rules are enough", hint="DELETE /_sim/faults")
        self._rules.append(rule)

    def clear(self) -> None:
        """Forgets all rules; the standing faults of the command line stay."""
        self._rules.clear()

    def list_rules(self) -> list[Rule]:
        """The rules, with how often each was applied."""
        return list(self._rules)

    def choose(self, path: str, model: str) -> Faults:
        """The faults for a request without a header of its own."""
        for rule in self._rules:
            if (
                (rule.count is None or rule.applied < rule.count)
                and rule.path in (None, path)
                and rule.model in (None, model)
                and (rule.rate >= 1 or self._dice.random() < rule.rate)
            ):
                rule.applied += 1
                return parse(rule.fault)
        return self._standing
