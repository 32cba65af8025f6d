"""What an answer, or one event of it, says of itself: model, tier, where its usage stands. No I/O.

Only what is asked for is decoded; all else is skipped over by msgspec in C. A member of a type that
we did not expect is no reason to miss the others, so types are looked at here, not by the decoder.
"""

from __future__ import annotations

from typing import Any

import msgspec


class OpenAI(msgspec.Struct, gc=False):
    """An answer, a chunk or an event of OpenAI's API, or an event's `response`."""

    model: Any = None
    service_tier: Any = None
    type: Any = None
    usage: msgspec.Raw = msgspec.Raw()
    choices: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    x_groq: msgspec.Raw = msgspec.Raw()


class Anthropic(msgspec.Struct, gc=False):
    """An answer or an event of Anthropic's API, or an event's `message`."""

    model: Any = None
    type: Any = None
    usage: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()


class _Choice(msgspec.Struct, gc=False):
    finish_reason: Any = None
    delta: dict[str, Any] | None = None
    text: Any = None


_openai = msgspec.json.Decoder(OpenAI)
_anthropic = msgspec.json.Decoder(Anthropic)
_choices = msgspec.json.Decoder(list[_Choice])


def find_openai(data: bytes | msgspec.Raw) -> OpenAI | None:
    """What `data` says; None when it is no object that we can read."""
    try:
        return _openai.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def find_anthropic(data: bytes | msgspec.Raw) -> Anthropic | None:
    """What `data` says; None when it is no object that we can read."""
    try:
        return _anthropic.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def find_in_tail(tail: bytes, opening: bytes) -> OpenAI | None:
    """Usage and what follows it, from the last bytes of a text too large to hold.

    From a place where a key of the object begins, the rest of the text with what opens that object
    in front is an object again; from any deeper place one bracket too many is left. Inside a string
    a quote is always escaped, so what stands before a key there is never `{` or `,`.
    """
    at = tail.rfind(b'"usage"')
    while at > 0:
        if tail[:at].rstrip()[-1:] in (b"{", b",") and (
            found := find_openai(opening + tail[at:].rstrip())
        ):
            return found
        at = tail.rfind(b'"usage"', 0, at)
    return None


def present(raw: msgspec.Raw) -> bytes | None:
    """The bytes of a value, None when it is absent or null."""
    text = bytes(raw)
    return None if text in (b"", b"null") else text


def find_usage(found: OpenAI) -> bytes | None:
    """The usage object, where everybody or where Groq has it."""
    raw = present(found.usage)
    if raw is None and (groq := present(found.x_groq)) and (inner := find_openai(groq)):
        raw = present(inner.usage)
    return raw


def is_empty(choices: msgspec.Raw) -> bool:
    """Whether a chunk has `choices` and there is none in it: then it only carries usage."""
    text = bytes(choices)
    return text.startswith(b"[") and text[1:-1].strip() == b""


def look_at(choices: msgspec.Raw) -> tuple[bool, bool]:
    """Whether the choices of a chunk bring anything of the answer, and whether none goes on."""
    try:
        found = _choices.decode(choices) if present(choices) else []
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True, False
    deltas = [choice.delta or {} for choice in found]
    produced = any(choice.text for choice in found) or any(
        value for delta in deltas for key, value in delta.items() if key != "role"
    )
    return produced, all(choice.finish_reason for choice in found)
