"""The text that a model wrote, taken out of events and of whole answers. Pure.

Everything that is paid for as output and can be read counts: the text itself, refusals, visible
reasoning, names and arguments of tool calls, code that a server tool runs. It comes as strands: two
choices, or a text and a tool call, may alternate event by event, and a count over text that is cut
into such pieces would be too high (proofs 9). What cannot be read is no text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dd0c.products.route.models import Endpoint

Strand = tuple[int, str, int]
"""Which choice or item, what of it, and which tool call or part."""
Strands = dict[Strand, list[str]]


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    thinking: list[_Part] | str | None = None
    refusal: str | None = None
    partial_json: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    type: str | None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, gc=False):
    index: int = 0
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    text: str | None = None


class _Chat(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None


class _Messages(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Part | None = None
    content_block: _Part | None = None
    content: list[_Part] | None = None


class _Item(msgspec.Struct, gc=False):
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    code: str | None = None


class _Responses(msgspec.Struct, gc=False):
    type: str = ""
    delta: msgspec.Raw = msgspec.Raw()
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: _Item | None = None
    output: list[_Item] | None = None


Sort = Callable[[Strands, Any], None]

_string = msgspec.json.Decoder(str)
_ENCODED = (".audio.delta", "image")  # deltas that are bytes in letters, not text


def gather(endpoint: str, documents: Sequence[bytes], into: Strands) -> None:
    """Sort the text of events into strands; what is broken has none."""
    kind = _KINDS.get(endpoint)
    if kind is None or not documents:
        return
    decoder, sort = kind
    for found in _decode(decoder, documents):
        sort(into, found)


def of_whole(endpoint: str, body: bytes) -> Strands | None:
    """The text of an answer that is given whole; None when it cannot be read: it may be any."""
    kind = _KINDS.get(endpoint)
    if kind is None:
        return {}
    decoder, sort = kind
    try:
        documents = decoder.decode(b"[%b]" % body)
    except _BROKEN:
        return None
    strands: Strands = {}
    for found in documents:
        sort(strands, found)
    return strands


def _decode(decoder: msgspec.json.Decoder[list[Any]], documents: Sequence[bytes]) -> list[Any]:
    """All at once, which takes a third of the time; one by one if there is a broken one."""
    try:
        return decoder.decode(b"[%b]" % b",".join(documents))
    except _BROKEN:
        if len(documents) == 1:
            return []
        return [found for one in documents for found in _decode(decoder, (one,))]


def _put(into: Strands, strand: Strand, text: str | None) -> None:
    if text:
        into.setdefault(strand, []).append(text)


def _of_chat(into: Strands, found: _Chat) -> None:
    for choice in found.choices or ():
        if choice.text:
            _put(into, (choice.index, "text", 0), choice.text)
        message = choice.delta or choice.message
        if message is not None:
            _of_message(into, choice.index, message)


def _of_message(into: Strands, at: int, message: _Message) -> None:
    content = message.content
    # Some hosts say the same reasoning under both names.
    if reasoning := message.reasoning_content or message.reasoning:
        _put(into, (at, "reasoning", 0), reasoning)
    if isinstance(content, str):
        _put(into, (at, "text", 0), content)
    elif content is not None:
        for part in content:
            _of_part(into, at, part)
    if message.refusal:
        _put(into, (at, "refusal", 0), message.refusal)
    if message.tool_calls:
        for call in message.tool_calls:
            _of_function(into, (at, "call", call.index), call.function)
    if message.function_call:
        _of_function(into, (at, "call", 0), message.function_call)


def _of_function(into: Strands, strand: Strand, function: _Function | None) -> None:
    if function is not None:
        _put(into, strand, function.name)
        _put(into, strand, function.arguments)


def _of_part(into: Strands, at: int, part: _Part) -> None:
    if isinstance(part.thinking, list):
        for inner in part.thinking:
            _put(into, (at, "reasoning", 0), inner.text)
    else:
        _put(into, (at, "reasoning", 0), part.thinking)
    _put(into, (at, "text", 0), part.text)
    _put(into, (at, "refusal", 0), part.refusal)
    _put(into, (at, "call", 0), part.name)
    _put(into, (at, "call", 0), part.partial_json)


def _of_messages(into: Strands, found: _Messages) -> None:
    for part in (found.delta, found.content_block):
        if part is not None:
            _of_part(into, found.index, part)
    for at, part in enumerate(found.content or ()):
        _of_part(into, at, part)
        if part.name is not None:
            _put(into, (at, "call", 0), bytes(part.input).decode())


def _of_responses(into: Strands, found: _Responses) -> None:
    at = found.output_index
    if found.type.endswith(".delta"):
        text = bytes(found.delta)
        if text.startswith(b'"') and not any(mark in found.type for mark in _ENCODED):
            part = found.content_index or found.summary_index
            _put(into, (at, found.type[:-6], part), _string.decode(text))
    elif found.type == "response.output_item.added" and found.item is not None:
        _put(into, (at, "response.function_call_arguments", 0), found.item.name)
    for number, item in enumerate(found.output or ()):
        for part in (*(item.summary or ()), *(item.content or ())):
            _of_part(into, number, part)
        for text_of_call in (item.name, item.arguments, item.input, item.code):
            _put(into, (number, "call", 0), text_of_call)


_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CHAT: tuple[msgspec.json.Decoder[list[Any]], Sort] = msgspec.json.Decoder(list[_Chat]), _of_chat
_KINDS: dict[str, tuple[msgspec.json.Decoder[list[Any]], Sort]] = {
    Endpoint.CHAT: _CHAT,
    Endpoint.COMPLETIONS: _CHAT,
    Endpoint.MESSAGES: (msgspec.json.Decoder(list[_Messages]), _of_messages),
    Endpoint.RESPONSES: (msgspec.json.Decoder(list[_Responses]), _of_responses),
}
