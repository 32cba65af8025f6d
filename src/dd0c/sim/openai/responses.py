"""POST /v1/responses: what is asked, and the answer as one body. The stream: response_events.py.

Nothing is stored, so a `previous_response_id` gets OpenAI's answer for one that is not there.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec

from dd0c.sim import catalogue, replies, tokens, tools
from dd0c.sim.faults import Faults
from dd0c.sim.http import EVENT_STREAM, Answer, Refusal, encode
from dd0c.sim.openai import dialect, prompts, response_events
from dd0c.sim.openai.response_events import Item
from dd0c.sim.replies import Reply, Wish

Object = dict[str, Any]


class Part(msgspec.Struct):
    """A part of a message; one with neither text nor image is a file or a sound."""

    type: str = "input_text"
    text: str | None = None
    image_url: str | None = None
    detail: str | None = None


class InputItem(msgspec.Struct):
    """A message, a call of a tool, its result, or an item the model itself made earlier."""

    type: str = "message"
    role: str = "user"
    content: str | list[Part] | None = None
    name: str = ""
    arguments: str = ""
    output: str | list[Part] | None = None


class Format(msgspec.Struct):
    """What kind of text is wanted."""

    type: str = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None


class Text(msgspec.Struct):
    """How the text is to be."""

    format: Format | None = None


class Reasoning(msgspec.Struct):
    """How hard to think."""

    effort: str | None = None


class Ask(msgspec.Struct):
    """The part of a request that changes the answer."""

    model: str
    input: str | list[InputItem] = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=16)] | None = None
    previous_response_id: str | None = None
    tools: list[Object] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None


_ask = msgspec.json.Decoder(Ask)


def parse(body: bytes) -> Ask:
    """The request in a body; Refusal as OpenAI words it."""
    ask: Ask = dialect.check(_ask, body)
    if ask.previous_response_id is not None:
        raise Refusal(
            400,
            f"Previous response with id '{ask.previous_response_id}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    if not ask.input:
        message = "Missing required parameter: 'input'."
        raise Refusal(400, message, param="input", code="missing_required_parameter")
    if ask.reasoning is not None and ask.reasoning.effort and not prompts.reasons(ask.model):
        param = "reasoning.effort"
        message = f"Unsupported parameter: '{param}' is not supported with this model."
        raise Refusal(400, message, param=param, code="unsupported_parameter")
    return ask


def _items(ask: Ask) -> list[InputItem]:
    first = [InputItem(role="developer", content=ask.instructions)] if ask.instructions else []
    given = [InputItem(content=ask.input)] if isinstance(ask.input, str) else ask.input
    return first + given


def _text(content: str | list[Part] | None) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if part.text is not None)


def _said(item: InputItem) -> str:
    return item.name + item.arguments + _text(item.content) + _text(item.output)


def _item_tokens(model: str, item: InputItem) -> int:
    """Tokens of one item, counted like a chat message: OpenAI publishes no formula of its own."""
    total = tokens.MESSAGE_OVERHEAD + tokens.count(item.role) + tokens.count(_said(item))
    for content in (item.content, item.output):
        for part in content if isinstance(content, list) else ():
            if part.image_url is not None:
                total += prompts.image_tokens(model, part.image_url, part.detail)
            elif part.text is None:
                total += tokens.OTHER_PART
    return total


def prefixes(ask: Ask) -> list[tuple[bytes, int]]:
    """The prompt's parts in order, each with its tokens: what a prompt cache compares."""
    offered = encode(ask.tools) if ask.tools else b""
    start = (offered, tokens.REPLY_OVERHEAD + tokens.count(offered.decode()))
    return [start, *((encode(item), _item_tokens(ask.model, item)) for item in _items(ask))]


def _wish(ask: Ask, faults: Faults) -> Wish:
    items = _items(ask)
    offered = prompts.read_tools(ask.tools or [])
    choice = prompts.read_choice(ask.tool_choice, parallel=ask.parallel_tool_calls)
    prompts.check_choice(choice, offered)
    answered = items[-1].type == "function_call_output"
    wanted = (ask.text.format if ask.text else None) or Format()
    named = {"name": wanted.name, "schema": wanted.schema}
    effort = ask.reasoning.effort if ask.reasoning else None
    return Wish(
        replies.seed(ask.model, [(item.role, _said(item)) for item in items]),
        ask.max_output_tokens,
        (),
        tuple(tools.select(offered, choice, answered=answered, asked=faults.calls)),
        prompts.read_format(wanted.type, named, "text.format"),
        prompts.effort_tokens(effort, "reasoning.effort"),
    )


def answer(ask: Ask, faults: Faults, key: str) -> Answer:
    """The response, as one body or as a stream of events."""
    wish = _wish(ask, faults)
    reply = replies.say(wish, faults, key)
    digest = hashlib.blake2b(wish.seed, digest_size=24).hexdigest()
    items = _output(reply, digest, thinks=prompts.reasons(ask.model))
    response = _response(ask, digest)
    usage = _usage(sum(count for _, count in prefixes(ask)), reply, faults)
    ended = _end(reply, items, usage)
    lines = dialect.headers(faults)
    if ask.stream:
        stream = response_events.stream(response, items, ended)
        return Answer(200, lines, dialect.ID_HEADER, stream=stream, media_type=EVENT_STREAM)
    spent = reply.tokens + reply.reasoning
    return Answer(200, lines, dialect.ID_HEADER, encode(response | ended), tokens=spent)


def _response(ask: Ask, digest: str) -> Object:
    """The response as it is when it begins."""
    wanted = (ask.text.format if ask.text else None) or Format()
    shown: Object = {"type": wanted.type}
    if wanted.type == "json_schema":
        shown |= {"name": wanted.name, "schema": wanted.schema, "strict": True}
    return {
        "id": f"resp_{digest}",
        "object": "response",
        "created_at": dialect.CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": ask.instructions,
        "max_output_tokens": ask.max_output_tokens,
        "model": catalogue.served(ask.model),
        "output": [],
        "parallel_tool_calls": ask.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": ask.reasoning.effort if ask.reasoning else None, "summary": None},
        "service_tier": prompts.served_tier(ask.service_tier),
        "store": True,
        "temperature": 1.0,
        "text": {"format": shown},
        "tool_choice": ask.tool_choice or "auto",
        "tools": ask.tools or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": ask.metadata or {},
    }


def _output(reply: Reply, digest: str, *, thinks: bool) -> list[Item]:
    """The items of the output: thoughts, then calls or a message."""
    status = "incomplete" if reply.cut_short else "completed"
    items: list[Item] = []
    if thinks and reply.reasoning:
        items.append(Item({"id": f"rs_{digest}", "type": "reasoning", "summary": []}))
    for call in reply.calls:
        shown = {"id": f"fc_{call.key}", "type": "function_call", "status": status}
        shown |= {"call_id": f"call_{call.key}", "name": call.name, "arguments": call.arguments}
        items.append(Item(shown, call.pieces))
    if not reply.calls and not (reply.cut_short and not reply.pieces):
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": reply.text}
        shown = {"id": f"msg_{digest}", "type": "message", "status": status, "role": "assistant"}
        items.append(Item(shown | {"content": [part]}, reply.pieces))
    return items


def _end(reply: Reply, items: list[Item], usage: Object) -> Object:
    """What the response gains when it is over."""
    ended: Object = {"status": "completed", "output": [item.shown for item in items]}
    if reply.cut_short:
        ended["status"] = "incomplete"
        ended["incomplete_details"] = {"reason": "max_output_tokens"}
    return ended | usage


def _usage(prompt: int, reply: Reply, faults: Faults) -> Object:
    if faults.no_usage or faults.null_usage:
        return {"usage": None}
    counted, cached, completion, reasoning = prompts.count_usage(prompt, [reply], faults)
    usage = {
        "input_tokens": counted,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": counted + completion,
    }
    return {"usage": usage}
