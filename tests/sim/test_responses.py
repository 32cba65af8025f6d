"""Responses and old completions, through the official SDK."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types.responses import Response

from tests.sim.test_openai import HELLO, HELLO_ANSWER, HELLO_TEXT
from tests.support.simulator import Simulator

GPT: dict[str, Any] = {"model": "gpt-5-mini", "input": "Hello"}
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def test_a_response_has_openais_shape(gpt: openai.OpenAI) -> None:
    """A response is a message of counted tokens, like the chat completion of the same prompt."""
    answer = gpt.responses.create(**GPT)
    assert (answer.object, answer.status) == ("response", "completed")
    assert answer.model == "gpt-5-mini-2025-08-07"
    assert answer.output_text == HELLO_TEXT
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (8, 19)
    assert answer.usage.total_tokens == 27
    assert answer.usage.output_tokens_details.reasoning_tokens == 0


def test_instructions_and_items_are_the_prompt(gpt: openai.OpenAI) -> None:
    """Instructions, messages in both forms and parts are counted as the messages they are."""
    item: Any = {"role": "user", "content": [{"type": "input_text", "text": "Count to 3."}]}
    answer = gpt.responses.create(model="gpt-4o", instructions="You are brief.", input=[item])
    assert answer.usage is not None
    assert answer.usage.input_tokens == (3 + 1 + 4) + (3 + 1 + 5) + 3  # developer, user, reply


def test_a_stream_has_openais_events(gpt: openai.OpenAI) -> None:
    """Events come in OpenAI's order under rising numbers, and the last one is the response."""
    events = list(gpt.responses.create(**GPT, stream=True))
    kinds = [event.type for event in events]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 19,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == HELLO_ANSWER.split("|")
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response == gpt.responses.create(**GPT)


def test_the_sdks_own_accumulation_agrees(gpt: Any) -> None:
    """What the SDK builds from the events is the answer that comes as one body."""
    with gpt.responses.stream(**GPT, tools=[TOOL]) as stream:
        final = stream.get_final_response()
    whole = gpt.responses.create(**GPT, tools=[TOOL])
    assert isinstance(final, Response)
    assert final.output[0].to_dict()["arguments"] == whole.output[0].to_dict()["arguments"]
    assert final.usage == whole.usage


def test_a_limit_makes_a_response_incomplete(gpt: openai.OpenAI) -> None:
    """At max_output_tokens the response is incomplete and says why, streamed and not."""
    answer = gpt.responses.create(**GPT, max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 16
    events = list(gpt.responses.create(**GPT, max_output_tokens=16, stream=True))
    assert events[-1].type == "response.incomplete"


def test_reasoning_is_paid_from_the_same_purse(gpt: openai.OpenAI) -> None:
    """An effort costs reasoning tokens; a limit they use up leaves no text at all."""
    answer = gpt.responses.create(**GPT, reasoning={"effort": "low"})
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.usage is not None
    assert answer.usage.output_tokens == 64 + 19
    assert answer.usage.output_tokens_details.reasoning_tokens == 64
    short = gpt.responses.create(**GPT, reasoning={"effort": "high"}, max_output_tokens=100)
    assert (short.status, short.output_text) == ("incomplete", "")
    assert short.usage is not None
    assert short.usage.output_tokens_details.reasoning_tokens == 100
    chat = gpt.chat.completions.create(
        model="gpt-5-mini", messages=HELLO, reasoning_effort="medium", max_completion_tokens=200
    )
    assert chat.usage is not None
    assert chat.usage.completion_tokens_details is not None
    assert chat.usage.completion_tokens_details.reasoning_tokens == 192
    assert (chat.usage.completion_tokens, chat.choices[0].finish_reason) == (200, "length")


def test_calls_stream_their_arguments(gpt: Any) -> None:
    """A call of a tool is an item of its own, its arguments streamed as JSON."""
    events = list(gpt.responses.create(**GPT, tools=[TOOL], stream=True))
    deltas = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    assert "".join(deltas) == '{"city":"simulated city"}'
    item = events[-1].response.output[0]
    assert (item.type, item.name, item.arguments) == (
        "function_call",
        "get_weather",
        "".join(deltas),
    )
    result: list[Any] = [
        {"role": "user", "content": "Hello"},
        item.to_dict(),
        {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"},
    ]
    after = gpt.responses.create(model="gpt-5-mini", input=result, tools=[TOOL])
    assert [item.type for item in after.output] == ["message"]


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "previous_response_not_found"),
        ({"max_output_tokens": 1}, "max_output_tokens", "invalid_value"),
        ({"input": ""}, "input", "missing_required_parameter"),
        (
            {"model": "gpt-4o", "reasoning": {"effort": "low"}},
            "reasoning.effort",
            "unsupported_parameter",
        ),
        ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice", None),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema", None),
    ],
)
def test_bad_responses_requests_are_refused(
    gpt: openai.OpenAI, more: dict[str, Any], param: str, code: str | None
) -> None:
    """What OpenAI refuses is refused with the parameter's name."""
    with pytest.raises(openai.BadRequestError) as caught:
        gpt.responses.create(**GPT | more)
    assert caught.value.param == param
    assert code in (None, caught.value.code)


def test_old_completions(gpt: openai.OpenAI) -> None:
    """A bare prompt is completed with 16 tokens at most unless told otherwise; echo repeats it."""
    model = "gpt-3.5-turbo-instruct"
    answer = gpt.completions.create(model=model, prompt="Once upon a time")
    assert answer.object == "text_completion"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 16)
    assert answer.choices[0].finish_reason == "length"
    several = gpt.completions.create(model=model, prompt=["One", "Two"], n=2, echo=True)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert [choice.text[:3] for choice in several.choices] == ["One", "One", "Two", "Two"]
    assert several.usage is not None
    assert several.usage.completion_tokens == 64


def test_old_completions_stream(gpt: openai.OpenAI) -> None:
    """The stream is the same text, with usage for those who ask."""
    call: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": [1, 2, 3]}
    whole = gpt.completions.create(**call, max_tokens=20)
    chunks = list(
        gpt.completions.create(
            **call, max_tokens=20, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.prompt_tokens == 3


def test_chat_models_complete_no_prompts(gpt: openai.OpenAI, sim: Simulator) -> None:
    """A chat model at the old endpoint is OpenAI's 404 that names the right one."""
    with pytest.raises(openai.NotFoundError, match="Did you mean to use v1/chat/completions"):
        gpt.completions.create(model="gpt-5", prompt="Hello")


def test_service_tiers_are_echoed(gpt: openai.OpenAI) -> None:
    """The answer names the tier it was asked for; auto is served in the default one."""
    tiers: list[Any] = ["flex", "priority", "auto"]
    for tier in tiers:
        expected = "default" if tier == "auto" else tier
        chat = gpt.chat.completions.create(model="gpt-5", messages=HELLO, service_tier=tier)
        assert chat.service_tier == expected
        assert gpt.responses.create(**GPT, service_tier=tier).service_tier == expected
