"""Tools and structured answers at both providers, through the official SDKs and pydantic."""

from __future__ import annotations

import datetime
import json
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import anthropic
import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletionMessageFunctionToolCall

from dd0c.sim import schemas
from tests.sim.test_anthropic import MODEL
from tests.support.simulator import Simulator

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city"],
}
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
CLOCK: Any = {"type": "function", "function": {"name": "get_time"}}
ASKED: list[Any] = [{"role": "user", "content": "What is it like in Paris?"}]
GPT: dict[str, Any] = {"model": "gpt-5-mini", "messages": ASKED, "tools": [WEATHER, CLOCK]}
CLAUDE: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 200,
    "messages": ASKED,
    "tools": [
        {"name": "get_weather", "input_schema": SCHEMA},
        {"name": "get_time", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
}
ARGUMENTS = '{"city":"simulated city"}'
TWO = {"x-sim-fault": "calls=2"}


def calls(answer: Any) -> list[tuple[str, str]]:
    """Name and arguments of each call of a chat completion."""
    made = answer.choices[0].message.tool_calls or []
    assert all(isinstance(call, ChatCompletionMessageFunctionToolCall) for call in made)
    return [(call.function.name, call.function.arguments) for call in made]


def test_a_tool_is_called_once_and_then_answered(gpt: openai.OpenAI) -> None:
    """An agent's loop: the first tool is called with valid arguments, its result gets a text."""
    answer = gpt.chat.completions.create(**GPT)
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert calls(answer) == [("get_weather", ARGUMENTS)]
    assert answer.usage is not None
    assert (
        answer.usage.completion_tokens == 2 + 7
    )  # get|_weather and {"|city|":"|sim|ulated| city|"}
    assert choice.message.tool_calls is not None
    given: Any = {
        "role": "tool",
        "tool_call_id": choice.message.tool_calls[0].id,
        "content": "fine",
    }
    history = [*ASKED, choice.message.to_dict(), given]
    after = gpt.chat.completions.create(**GPT | {"messages": history})
    assert after.choices[0].finish_reason == "stop"
    assert after.choices[0].message.content


def test_the_choice_of_tools_is_kept(gpt: openai.OpenAI) -> None:
    """none, required and a named tool are obeyed; parallel_tool_calls=False allows one call."""
    none = gpt.chat.completions.create(**GPT, tool_choice="none")
    assert none.choices[0].finish_reason == "stop"
    named: Any = {"type": "function", "function": {"name": "get_time"}}
    forced = gpt.chat.completions.create(**GPT, tool_choice=named)
    assert calls(forced) == [("get_time", "{}")]
    assert forced.choices[0].finish_reason == "stop"  # as OpenAI says for a forced function
    both = gpt.chat.completions.create(**GPT, extra_headers=TWO)
    assert calls(both) == [("get_weather", ARGUMENTS), ("get_time", "{}")]
    single = gpt.chat.completions.create(**GPT, extra_headers=TWO, parallel_tool_calls=False)
    assert len(calls(single)) == 1
    zero = gpt.chat.completions.create(**GPT, extra_headers={"x-sim-fault": "calls=0"})
    assert zero.choices[0].message.content
    missing: Any = {"type": "function", "function": {"name": "nope"}}
    with pytest.raises(openai.BadRequestError, match="'nope' not found"):
        gpt.chat.completions.create(**GPT, tool_choice=missing)


def test_chat_streams_calls_by_index(gpt: openai.OpenAI) -> None:
    """Streamed calls keep their index; joined they are those of the plain answer."""
    whole = gpt.chat.completions.create(**GPT, extra_headers=TWO)
    with gpt.chat.completions.stream(**GPT, extra_headers=TWO) as stream:
        final = stream.get_final_completion()
    assert calls(final) == calls(whole)
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls is not None
    assert whole.choices[0].message.tool_calls is not None
    ids = [call.id for call in final.choices[0].message.tool_calls]
    assert ids == [call.id for call in whole.choices[0].message.tool_calls]


def test_claude_calls_tools(claude: anthropic.Anthropic) -> None:
    """Calls are blocks with ids, streamed as pieces of JSON; a result gets a text."""
    whole = claude.messages.create(**CLAUDE, extra_headers=TWO)
    assert whole.stop_reason == "tool_use"
    made = [(b.name, b.input) for b in whole.content if b.type == "tool_use"]
    assert made == [("get_weather", {"city": "simulated city"}), ("get_time", {})]
    with claude.messages.stream(**CLAUDE, extra_headers=TWO) as stream:
        final = stream.get_final_message()
    assert final.content == whole.content
    assert final.usage == whole.usage
    first = whole.content[0]
    assert first.type == "tool_use"
    result: Any = {"type": "tool_result", "tool_use_id": first.id, "content": "fine"}
    history = [
        *ASKED,
        {"role": "assistant", "content": [first.to_dict()]},
        {"role": "user", "content": [result]},
    ]
    after = claude.messages.create(**CLAUDE | {"messages": history})
    assert [block.type for block in after.content] == ["text"]


def test_claudes_choice_of_tools_is_kept(claude: anthropic.Anthropic) -> None:
    """none, any, a named tool and one call at a time are obeyed."""
    named = claude.messages.create(**CLAUDE, tool_choice={"type": "tool", "name": "get_time"})
    assert [b.name for b in named.content if b.type == "tool_use"] == ["get_time"]
    none = claude.messages.create(**CLAUDE, tool_choice={"type": "none"})
    assert none.stop_reason == "end_turn"
    single: Any = {"type": "any", "disable_parallel_tool_use": True}
    one = claude.messages.create(**CLAUDE, tool_choice=single, extra_headers=TWO)
    assert len(one.content) == 1
    with pytest.raises(anthropic.BadRequestError, match="'nope' not found"):
        claude.messages.create(**CLAUDE, tool_choice={"type": "tool", "name": "nope"})


def test_limits_break_arguments_off(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """A limit amid the arguments leaves JSON that does not parse, and says length."""
    answer = gpt.chat.completions.create(**GPT, max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(calls(answer)[0][1])
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert claude.messages.create(**CLAUDE | {"max_tokens": 5}).stop_reason == "max_tokens"


class Colour(Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class Node(pydantic.BaseModel):
    """Refers to itself."""

    name: str
    next: Node | None


class Everything(pydantic.BaseModel):
    """What structured answers may hold."""

    count: int = pydantic.Field(ge=3, le=9)
    share: float = pydantic.Field(gt=0, lt=1)
    price: int = pydantic.Field(multiple_of=5, gt=12)
    short: str = pydantic.Field(max_length=4)
    long: str = pydantic.Field(min_length=40)
    code: str = pydantic.Field(pattern="^[A-Z]{3}$")
    when: datetime.datetime
    day: datetime.date
    key: UUID
    colour: Colour
    kind: Literal["one"]
    either: int | str
    maybe: str | None
    words: list[str] = pydantic.Field(min_length=3)
    pair: tuple[int, str]
    table: dict[str, int]
    tree: Node
    yes: bool


def test_structured_answers_validate(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """The SDK's own parsing accepts the answer: chat, responses and messages alike."""
    chat = gpt.chat.completions.parse(model="gpt-5", messages=ASKED, response_format=Node)
    assert isinstance(chat.choices[0].message.parsed, Node)
    response = gpt.responses.parse(model="gpt-5", input="Hello", text_format=Node)
    assert isinstance(response.output_parsed, Node)
    message = claude.messages.parse(model=MODEL, max_tokens=500, messages=ASKED, output_format=Node)
    assert isinstance(message.parsed_output, Node)
    loose = gpt.chat.completions.create(
        model="gpt-5", messages=ASKED, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(loose.choices[0].message.content or ""), dict)


def test_instances_satisfy_what_pydantic_demands() -> None:
    """Bounds, formats, patterns, choices and recursion: pydantic accepts the instance."""
    made = schemas.make(Everything.model_json_schema())
    Everything.model_validate_json(json.dumps(made))
    assert len(made["words"]) == len(set(made["words"])) == 3


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {}},
        {"$ref": "#/$defs/nope"},
        {"type": "string", "pattern": "^never-seen-[0-9]{9}$"},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "frog"},
        {"type": "string", "minLength": 10**7},
        {"anyOf": []},
        {"$ref": "#"},
        {"enum": 3},
        {"required": {"a": 1}, "properties": []},
        False,
    ],
)
def test_what_cannot_be_made_is_refused(sim: Simulator, gpt: openai.OpenAI, schema: Any) -> None:
    """A schema the simulator cannot satisfy is a 400, not an answer that does not validate."""
    with pytest.raises(schemas.Unsatisfied):
        schemas.make(schema)
    wanted: Any = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"allOf": [schema]}},
    }
    with pytest.raises(openai.BadRequestError, match="Invalid schema"):
        gpt.chat.completions.create(model="gpt-5", messages=ASKED, response_format=wanted)
