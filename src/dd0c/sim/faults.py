"""The faults the simulator can be asked for: one table and one parser.

A request asks in its own header, `x-sim-fault: latency=300;cut_after=5`; a scenario's rules hold
the same text (scenarios.py). One text says all that happens to a request: nothing is merged, so it
can be read off. What a request cannot show, such as a fault of streams where none was asked for, is
refused: a fault that silently did nothing would make a test pass for the wrong reason.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from dd0c.base.errors import InvalidInput

VALUE_MAX: Final = 1_000_000  # a typing error must not make a stream of a billion events
TEXT_MAX: Final = 200


class Fault(msgspec.Struct, frozen=True):
    """One row of the table. `unit` says what the value is; a flag takes no value. `needs` is what a
    request must have for the fault to show: empty, or one of the words of `simulator.traits`."""

    name: str
    unit: str
    default: int | float | str | bool | None  # None: a value must be given
    what: str
    needs: str = ""


FAULTS: Final = (
    Fault("latency", "ms", None, "waits before anything is answered"),
    Fault("slow_first_token", "ms", None, "sends the head, then waits before the first event"),
    Fault("pace", "ms", None, "waits between the events of a stream"),
    Fault("profile", "name", None, "takes its time as measured providers do (see Profiles)"),
    Fault("silence", "ms", 40_000, "says nothing for so long, then closes without an answer"),
    Fault("stall_after", "events", 1, "falls silent after so many events, for `stall`", "stream"),
    Fault("stall", "s", 3600.0, "how long a stalled stream is silent; then it goes on", "stream"),
    Fault("cut_after", "events", 1, "closes (FIN) after so many events, or amid a buffered body"),
    Fault("reset_after", "events", 1, "resets (RST) after so many events, or amid a buffered body"),
    Fault("close", "flag", True, "closes (FIN) instead of answering"),
    Fault("reset", "flag", True, "resets (RST) instead of answering"),
    Fault("status", "status", None, "answers with this status; `429` alone means status=429"),
    Fault("retry_after", "s", 1.0, "what an error says in retry-after; a 429 says 1 by itself"),
    Fault("should_retry", "flag", True, "what an error says in x-should-retry"),
    Fault("html", "flag", True, "puts a proxy's page of HTML in place of the body"),
    Fault("malformed_json", "flag", True, "breaks a body off amid its JSON, length intact", "body"),
    Fault("empty_body", "flag", True, "sends the head and a body of no bytes, or no event"),
    Fault("wrong_type", "flag", True, "calls the body text/plain"),
    Fault("gzip", "flag", True, "compresses the answer, asked for or not"),
    Fault("odd_chunks", "flag", True, "legal but odd chunks: extensions, zeros, trailers", "1.1"),
    Fault("fragment", "bytes", 1, "cuts the answer into writes of this size, 1 ms apart"),
    Fault("error_after", "events", 1, "sends the provider's error event, then ends", "own stream"),
    Fault(
        "garbage_after", "events", 1, "sends one event that is no JSON, then goes on", "own stream"
    ),
    Fault("empty_frames", "flag", True, "sends `data:` without data after each event", "stream"),
    Fault("comments", "flag", True, "sends a comment line before each event", "stream"),
    Fault("double_finish", "flag", True, "sends the event that finishes twice", "own stream"),
    Fault("out_of_order", "events", 1, "swaps the two events after so many", "stream"),
    Fault("no_usage", "flag", True, "leaves out all usage", "usage"),
    Fault("null_usage", "flag", True, "says null where usage belongs", "usage"),
    Fault("echo_key", "place", "error", "shows the presented key in the error, header or text"),
    Fault("events", "events", None, "makes this many content events, a token each", "text"),
    Fault("tokens", "tokens", None, "makes an answer of this many tokens", "text"),
    Fault("calls", "calls", None, "makes so many tool calls, or with 0 none", "tools"),
    Fault("input", "tokens", None, "reports this many uncached input tokens", "input"),
    Fault("cached", "tokens", None, "reports this many input tokens read from the cache", "cache"),
    Fault("caching", "flag", True, "remembers prompts and reports repeated prefixes", "cache"),
    Fault("cache_write_5m", "tokens", None, "reports a write to the 5 minute cache", "anthropic"),
    Fault("cache_write_1h", "tokens", None, "reports a write to the 1 hour cache", "anthropic"),
    Fault("reasoning", "tokens", None, "reports reasoning tokens on top of the answer", "text"),
    Fault("replay", "file", None, "sends this recording of the folder given by --replay"),
)
BY_NAME: Final = {fault.name: fault for fault in FAULTS}
PLACES: Final = ("error", "header", "text")


class Faults(msgspec.Struct, frozen=True, cache_hash=True):
    """What one request gets; field by field the rows of FAULTS. None means: behave."""

    latency: int | None = None
    slow_first_token: int | None = None
    pace: int | None = None
    profile: str | None = None
    silence: int | None = None
    stall_after: int | None = None
    stall: float = 3600.0
    cut_after: int | None = None
    reset_after: int | None = None
    close: bool = False
    reset: bool = False
    status: int | None = None
    retry_after: float | None = None
    should_retry: bool | None = None
    html: bool = False
    malformed_json: bool = False
    empty_body: bool = False
    wrong_type: bool = False
    gzip: bool = False
    odd_chunks: bool = False
    fragment: int | None = None
    error_after: int | None = None
    garbage_after: int | None = None
    empty_frames: bool = False
    comments: bool = False
    double_finish: bool = False
    out_of_order: int | None = None
    no_usage: bool = False
    null_usage: bool = False
    echo_key: str | None = None
    events: int | None = None
    tokens: int | None = None
    calls: int | None = None
    input: int | None = None
    cached: int | None = None
    caching: bool = False
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    replay: str | None = None

    def asked(self) -> list[Fault]:
        """The rows of the table that are asked for."""
        return [row for row in FAULTS if getattr(self, row.name) != getattr(NONE, row.name)]


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
        if name == "ok" and not has_value:
            continue
        if name not in BY_NAME:
            raise InvalidInput(f"no such fault: {name!r}", hint="dd0c sim --help lists them")
        fault = BY_NAME[name]
        values[name] = _convert(fault, value) if has_value else fault.default
        if values[name] is None:
            raise InvalidInput(f"the fault {name} needs a value in {fault.unit}")
    faults = Faults(**values) if values else NONE
    if faults.status is not None and faults.replay is None:
        beside = lacking(faults, frozenset({"body", "1.1"}))
        if beside:
            raise InvalidInput(f"an error with status {faults.status} cannot show {beside[0].name}")
    return faults


def _convert(fault: Fault, value: str) -> int | float | str | bool:
    try:
        match fault.unit:
            case "flag":
                return {"": True, "1": True, "true": True, "0": False, "false": False}[value]
            case "place":
                return PLACES[PLACES.index(value)]
            case "name" | "file":
                if not 0 < len(value) <= TEXT_MAX:
                    raise ValueError
                return value
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


def lacking(faults: Faults, traits: frozenset[str]) -> list[Fault]:
    """The faults that a request with these traits cannot show. An error is never a stream."""
    if faults.status is not None and faults.replay is None:
        traits = traits & {"1.1"} | {"body"}
    return [row for row in faults.asked() if row.needs and row.needs not in traits]


def table() -> str:
    """The faults as aligned text, for `dd0c sim --help`."""
    return "\n".join(f"  {f.name:<17} {f.unit:<7} {f.what}" for f in FAULTS)
