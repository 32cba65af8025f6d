"""What OpenAI's endpoints are asked: messages and their parts, tools, formats; and their tokens."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dd0c.base import images
from dd0c.sim import replies, tokens
from dd0c.sim.faults import Faults
from dd0c.sim.http import Refusal
from dd0c.sim.replies import Reply
from dd0c.sim.schemas import Schema
from dd0c.sim.tools import Choice, Tool

REASONING: Final = ("o1", "o3", "o4", "gpt-5")
JSON_OBJECT: Final[Schema] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
}
NO_IMAGE: Final = (
    "You uploaded an unsupported image. Please make sure your image has of one the following "
    "formats: ['png', 'jpeg', 'gif', 'webp']."
)
TIERS: Final = ("default", "flex", "priority", "scale")


def image_tokens(model: str, url: str, detail: str | None) -> int:
    """Tokens of an image; a Refusal when it is none."""
    try:
        return images.openai_tokens(model, images.measure_url(url), detail or "auto")
    except images.NoImage:
        raise Refusal(400, NO_IMAGE, code="invalid_image_format") from None


def raw_tokens(raw: msgspec.Raw) -> int:
    """Tokens of a part of the request as the JSON it is, such as its tools."""
    return tokens.count(bytes(raw).decode()) if bytes(raw) != b"null" else 0


def read_choice(value: Any, *, parallel: bool | None) -> Choice:
    """`tool_choice` in either of OpenAI's two forms."""
    several = parallel is not False
    match value:
        case None | "auto":
            return Choice("auto", parallel=several)
        case "none":
            return Choice("none")
        case "required":
            return Choice("required", parallel=several)
        case {"type": "function", "function": {"name": str(name)}}:
            return Choice("required", name, several)
        case {"type": "function", "name": str(name)}:
            return Choice("required", name, several)
        case {"type": "allowed_tools"}:
            return Choice("auto", parallel=several)
    message = f"Invalid value for 'tool_choice': {value!r}."
    raise Refusal(400, message, param="tool_choice", code="invalid_value")


def check_choice(choice: Choice, tools: list[Tool]) -> None:
    """Refuses a choice of tools that are not there."""
    if choice.name is not None and all(tool.name != choice.name for tool in tools):
        message = f"Tool choice '{choice.name}' not found in 'tools' parameter."
        raise Refusal(400, message, param="tool_choice")
    if choice.mode == "required" and not tools:
        message = "'tool_choice' is only allowed when 'tools' are specified."
        raise Refusal(400, message, param="tool_choice")


def read_tools(given: list[dict[str, Any]]) -> list[Tool]:
    """The functions among the tools; built-in ones are the provider's own to call."""
    found = []
    for number, tool in enumerate(given):
        if tool.get("type") != "function":
            continue
        function = tool.get("function", tool)
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            param = f"tools[{number}].function.name"
            message = f"Missing required parameter: '{param}'."
            raise Refusal(400, message, param=param, code="missing_required_parameter")
        found.append(Tool(function["name"], function.get("parameters") or {"type": "object"}))
    return found


def read_format(kind: str | None, named: dict[str, Any] | None, param: str) -> Schema | None:
    """The schema an answer must have, of `response_format` or `text.format`."""
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return JSON_OBJECT
    schema = (named or {}).get("schema")
    if kind != "json_schema" or not isinstance(schema, dict) or not (named or {}).get("name"):
        missing = f"{param}.name" if schema else f"{param}.schema"
        message = f"Missing required parameter: '{missing}'."
        raise Refusal(400, message, param=missing, code="missing_required_parameter")
    return schema


def reasons(model: str) -> bool:
    """Whether a model thinks before it answers."""
    return model.startswith(REASONING)


def effort_tokens(effort: str | None, param: str) -> int:
    """Reasoning tokens of an effort; none unless one is asked for, so that counts stay plain."""
    if effort is None:
        return 0
    if effort not in replies.EFFORTS:
        message = f"Invalid value: '{effort}'. Supported values are: {list(replies.EFFORTS)}."
        raise Refusal(400, message, param=param, code="invalid_value")
    return replies.EFFORTS[effort]


def served_tier(asked: str | None) -> str:
    """The tier an answer says it was served in."""
    return asked if asked in TIERS else "default"


def count_usage(prompt: int, said: list[Reply], faults: Faults) -> tuple[int, int, int, int]:
    """Prompt with cached, cached, completion with reasoning, reasoning."""
    cached = faults.cached or 0
    reasoning = sum(reply.reasoning for reply in said)
    completion = sum(reply.tokens for reply in said) + reasoning
    return (
        (prompt if faults.input is None else faults.input) + cached,
        cached,
        completion,
        reasoning,
    )
