"""POST /v1/messages and /v1/messages/count_tokens: what is asked, and the answer as one body or as
a stream of blocks."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final

import msgspec

from dd0c.base import images
from dd0c.sim import catalogue, replies, tokens, tools
from dd0c.sim.anthropic import dialect
from dd0c.sim.faults import Faults
from dd0c.sim.http import EVENT_STREAM, Answer, Refusal, Run, Stream, encode
from dd0c.sim.replies import Reply, Wish
from dd0c.sim.tools import Choice, Tool

SLOT: Final = "\0"

Object = dict[str, Any]


class Source(msgspec.Struct):
    """Where an image or a document comes from."""

    type: str = "base64"
    data: str = ""


class Block(msgspec.Struct):
    """A block of content: text, an image, a call of a tool, its result, or the like."""

    type: str
    text: str | None = None
    source: Source | None = None
    name: str = ""
    input: Any = None
    content: Any = None
    cache_control: Object | None = None


class Message(msgspec.Struct):
    """One message."""

    role: str
    content: str | list[Block]


class Format(msgspec.Struct):
    """What kind of text is wanted."""

    type: str = "json_schema"
    schema: Object | None = None


class OutputConfig(msgspec.Struct):
    """How the answer is to be."""

    format: Format | None = None


class ToolChoice(msgspec.Struct):
    """Which tools may be used."""

    type: str = "auto"
    name: str | None = None
    disable_parallel_tool_use: bool = False


class Counted(msgspec.Struct, kw_only=True):
    """What both endpoints take: all that makes up the prompt."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    system: str | list[Block] | None = None
    tools: list[Object] | None = None
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig | None = None


class Messages(Counted, kw_only=True):
    """The part of a messages request that changes the answer."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    stop_sequences: list[str] | None = None
    stream: bool | None = None


_counted = msgspec.json.Decoder(Counted)
_messages = msgspec.json.Decoder(Messages)


def parse(body: bytes) -> Messages:
    """The request in a body; Refusal as Anthropic words it."""
    ask: Messages = dialect.check(_messages, body)
    return ask


def parse_count(body: bytes) -> Counted:
    """The same of a request that only counts."""
    ask: Counted = dialect.check(_counted, body)
    return ask


def _text(content: str | list[Block] | None) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.text for block in content or () if block.text is not None)


def _block_tokens(block: Block) -> int:
    if block.text is not None:
        return tokens.count(block.text)
    if block.type == "image" and block.source is not None:
        return _image_tokens(block.source)
    if block.type == "tool_use":
        return tokens.count(block.name) + tokens.count(encode(block.input).decode())
    if block.type == "tool_result":
        if isinstance(block.content, str):
            return tokens.count(block.content)
        return sum(_block_tokens(inner) for inner in _inner(block))
    return tokens.OTHER_PART


def _inner(block: Block) -> list[Block]:
    try:
        return msgspec.convert(block.content or [], list[Block])
    except msgspec.ValidationError as error:
        raise Refusal(400, f"tool_result.content: {error}") from None


def _image_tokens(source: Source) -> int:
    try:
        size = images.measure_base64(source.data) if source.type == "base64" else images.UNSEEN
    except images.NoImage:
        raise Refusal(400, "Could not process image") from None
    return images.anthropic_tokens(size)


def _content_tokens(content: str | list[Block]) -> int:
    if isinstance(content, str):
        return tokens.count(content)
    text = tokens.count(_text(content))  # texts as one: tokens do not stop where blocks do
    return text + sum(_block_tokens(block) for block in content if block.text is None)


def prefixes(ask: Counted) -> list[tuple[bytes, int]]:
    """The prompt's parts in order (tools, system, messages), each with its tokens: what a prompt
    cache compares. Claude's tokenizer is not public; the formula is the one of OpenAI's chat."""
    offered = encode(ask.tools) if ask.tools else b""
    parts = [(offered, tokens.REPLY_OVERHEAD + tokens.count(offered.decode()))]
    if ask.system:
        count = tokens.MESSAGE_OVERHEAD + _content_tokens(ask.system)
        parts.append((encode(ask.system), count))
    for message in ask.messages:
        count = tokens.MESSAGE_OVERHEAD + tokens.count(message.role)
        parts.append((encode(message), count + _content_tokens(message.content)))
    return parts


def answer_count(ask: Counted, faults: Faults, _key: str) -> Answer:
    """POST /v1/messages/count_tokens."""
    counted = sum(count for _, count in prefixes(ask)) if faults.input is None else faults.input
    body = encode({"input_tokens": counted})
    return Answer(200, dialect.headers(faults), dialect.ID_HEADER, body)


def _wish(ask: Messages, faults: Faults) -> Wish:
    said = [("system", _text(ask.system))]
    said += [(message.role, _said(message)) for message in ask.messages]
    offered = [
        Tool(str(tool.get("name")), tool["input_schema"])
        for tool in ask.tools or ()
        if isinstance(tool.get("input_schema"), dict)  # one without is the provider's own to call
    ]
    last = ask.messages[-1].content
    answered = isinstance(last, list) and any(block.type == "tool_result" for block in last)
    wanted = ask.output_config.format if ask.output_config else None
    return Wish(
        replies.seed(ask.model, said),
        ask.max_tokens,
        tuple(ask.stop_sequences or ()),
        tuple(tools.select(offered, _choice(ask, offered), answered=answered, asked=faults.calls)),
        wanted.schema if wanted else None,
    )


def _said(message: Message) -> str:
    """A message as the text follows from it; results of tools are part of what was said."""
    if isinstance(message.content, str):
        return message.content
    others = [encode(b.content or b.input).decode() for b in message.content if b.text is None]
    return "\n".join([_text(message.content), *filter(lambda text: text != "null", others)])


def _choice(ask: Counted, offered: list[Tool]) -> Choice:
    chosen = ask.tool_choice or ToolChoice()
    parallel = not chosen.disable_parallel_tool_use
    match chosen.type:
        case "auto":
            return Choice("auto", parallel=parallel)
        case "none":
            return Choice("none")
        case "any" if offered:
            return Choice("required", parallel=parallel)
        case "tool" if any(tool.name == chosen.name for tool in offered):
            return Choice("required", chosen.name, parallel)
        case "tool":
            raise Refusal(400, f"Tool '{chosen.name}' not found in provided tools")
    raise Refusal(400, f"tool_choice: {chosen.type} is not possible here")


def answer(ask: Messages, faults: Faults, key: str) -> Answer:
    """The message, as one body or as a stream."""
    wish = _wish(ask, faults)
    reply = replies.say(wish, faults, key)
    message = {
        "model": catalogue.served(ask.model),
        "id": f"msg_01{hashlib.blake2b(wish.seed, digest_size=11).hexdigest()}",
        "type": "message",
        "role": "assistant",
        "content": [] if ask.stream else _blocks(reply),
        "stop_reason": None if ask.stream else _stop_reason(reply),
        "stop_sequence": None if ask.stream else reply.stopped_by,
    }
    counted = sum(count for _, count in prefixes(ask))
    usage = Usage(counted, reply.tokens + reply.reasoning, faults)
    if ask.stream:
        lines = dialect.headers(faults) + b"cache-control: no-cache\r\n"
        stream = _stream(message, reply, usage)
        return Answer(200, lines, dialect.ID_HEADER, stream=stream, media_type=EVENT_STREAM)
    body = encode(message | usage.shown(usage.output))
    return Answer(200, dialect.headers(faults), dialect.ID_HEADER, body, tokens=usage.output)


def _blocks(reply: Reply) -> list[Object]:
    if not reply.calls:
        return [{"type": "text", "text": reply.text}]
    return [
        {"type": "tool_use", "id": f"toolu_01{c.key[:22]}", "name": c.name, "input": _input(c)}
        for c in reply.calls
    ]


def _input(call: tools.Call) -> Any:
    """The arguments as a value; those broken off by a limit are dropped, as Anthropic does."""
    try:
        return msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        return {}


def _stop_reason(reply: Reply) -> str:
    if reply.stopped_by is not None:
        return "stop_sequence"
    if reply.cut_short:
        return "max_tokens"
    return "tool_use" if reply.calls else "end_turn"


class Usage(msgspec.Struct, frozen=True):
    """What was counted and what the faults make of it."""

    counted: int
    output: int
    faults: Faults

    def shown(self, output: int, *, detail: bool = True) -> Object:
        """The `usage` member; empty when it is to be missing."""
        faults = self.faults
        if faults.no_usage or faults.null_usage:
            return {"usage": None} if faults.null_usage else {}
        written = {
            "ephemeral_5m_input_tokens": faults.cache_write_5m or 0,
            "ephemeral_1h_input_tokens": faults.cache_write_1h or 0,
        }
        usage: Object = {
            "input_tokens": self.counted if faults.input is None else faults.input,
            "cache_creation_input_tokens": sum(written.values()),
            "cache_read_input_tokens": faults.cached or 0,
            "output_tokens": output,
        }
        if detail:
            usage |= {"cache_creation": written, "service_tier": "standard"}
        if faults.reasoning is not None:
            usage["output_tokens_details"] = {"thinking_tokens": faults.reasoning}
        return {"usage": usage}


def _event(kind: str, **rest: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind} | rest))


def _run(index: int, delta: Object, pieces: tuple[str, ...]) -> Run:
    event = _event("content_block_delta", index=index, delta=delta)
    before, after = event.split(encode(SLOT))
    return Run(before, pieces, after)


def _stream(message: Object, reply: Reply, usage: Usage) -> Stream:
    parts: list[bytes | Run] = [
        _event("message_start", message=message | usage.shown(min(usage.output, 1))),
    ]
    for index, block in enumerate(_blocks(reply)):
        is_text = block["type"] == "text"
        nothing: Object = {"text": ""} if is_text else {"input": {}}
        empty = block | nothing
        parts.append(_event("content_block_start", index=index, content_block=empty))
        if index == 0:
            parts.append(_event("ping"))
        if is_text:
            parts.append(_run(index, {"type": "text_delta", "text": SLOT}, reply.pieces))
        else:
            delta = {"type": "input_json_delta", "partial_json": SLOT}
            parts.append(_run(index, delta, ("", *reply.calls[index].pieces)))
        parts.append(_event("content_block_stop", index=index))
    stop = {"stop_reason": _stop_reason(reply), "stop_sequence": reply.stopped_by}
    finish = _event("message_delta", delta=stop, **usage.shown(usage.output, detail=False))
    failure = _event("error", error=dialect.error_of(529))
    return Stream((*parts, finish, _event("message_stop")), finish, failure)
