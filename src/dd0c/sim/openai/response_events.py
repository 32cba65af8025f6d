"""The events of a streamed response: named, numbered, each item opened, filled and closed.

response.created, response.in_progress
for each item of the output:
  response.output_item.added
    a message: response.content_part.added, response.output_text.delta …,
               response.output_text.done, response.content_part.done
    a call:    response.function_call_arguments.delta …, response.function_call_arguments.done
  response.output_item.done
response.completed, or response.incomplete where a limit was reached
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dd0c.sim.http import Run, Stream, encode
from dd0c.sim.openai import dialect

SLOT: Final = "\0"
NUMBER_SLOT: Final = -1

Object = dict[str, Any]


class Item(msgspec.Struct, frozen=True):
    """An item of the output as it is when done, and the pieces its text arrives in."""

    shown: Object
    pieces: tuple[str, ...] = ()


class _Events:
    """Numbers events as they are made."""

    def __init__(self) -> None:
        self.parts: list[bytes | Run] = []
        self._number = 0

    def add(self, kind: str, **rest: Any) -> None:
        """One event."""
        self.parts.append(_event(kind, {"sequence_number": self._number} | rest))
        self._number += 1

    def add_run(self, kind: str, pieces: tuple[str, ...], **rest: Any) -> None:
        """One event for each piece, which is its `delta`."""
        made = _event(kind, rest | {"delta": SLOT, "sequence_number": NUMBER_SLOT})
        before, after = made.replace(b"%", b"%%").split(encode(SLOT))
        before = before.replace(b"%%", b"%")  # only what follows the text is formatted
        after = after.replace(b'"sequence_number":-1', b'"sequence_number":%d')
        self.parts.append(Run(before, pieces, after, self._number))
        self._number += len(pieces)


def _event(kind: str, value: Object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind} | value))


def stream(response: Object, items: list[Item], ended: Object) -> Stream:
    """The events of a response that begins as `response` and ends with `ended` beside."""
    events = _Events()
    events.add("response.created", response=response)
    events.add("response.in_progress", response=response)
    for index, item in enumerate(items):
        _add_item(events, index, item)
    events.add(f"response.{ended['status']}", response=response | ended)
    finish = events.parts[-1]
    error = dialect.error_of(500)
    said = {"code": "server_error", "message": error["message"], "param": None}
    failure = _event("error", said | {"sequence_number": 0})
    return Stream(tuple(events.parts), finish if isinstance(finish, bytes) else b"", failure)


def _add_item(events: _Events, index: int, item: Item) -> None:
    shown = item.shown
    place = {"item_id": shown["id"], "output_index": index}
    begun: Object = {"status": "in_progress"} if "status" in shown else {}
    match shown["type"]:
        case "message":
            part = shown["content"][0]
            place["content_index"] = 0
            empty = shown | begun | {"content": []}
            events.add("response.output_item.added", output_index=index, item=empty)
            events.add("response.content_part.added", **place, part=part | {"text": ""})
            events.add_run("response.output_text.delta", item.pieces, **place, logprobs=[])
            text = part["text"]
            events.add("response.output_text.done", **place, text=text, logprobs=[])
            events.add("response.content_part.done", **place, part=part)
        case "function_call":
            empty = shown | begun | {"arguments": ""}
            events.add("response.output_item.added", output_index=index, item=empty)
            events.add_run("response.function_call_arguments.delta", item.pieces, **place)
            arguments = shown["arguments"]
            kind = "response.function_call_arguments.done"
            events.add(kind, **place, name=shown["name"], arguments=arguments)
        case _:
            events.add("response.output_item.added", output_index=index, item=shown)
    events.add("response.output_item.done", output_index=index, item=shown)
