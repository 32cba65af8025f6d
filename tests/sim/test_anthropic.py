"""The simulator as Anthropic, through the official SDK."""

from __future__ import annotations

import anthropic
import httpx
import pytest
from anthropic.types import MessageParam

from tests.sim.conftest import ANTHROPIC_KEY
from tests.support.simulator import Simulator

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
MODEL = "claude-haiku-4-5"

# Written out by hand, one token between bars.
HELLO_ANSWER = (
    "If| the| queue| grows| faster| than| it| drains|,| add| a| limit| before| you| add| a"
    "| machine|.| Split| the| table| by| month|,| drop| the| oldest| part|,| and| the| cleanup"
    "| job| becomes| one| line|."
)
HELLO_TEXT = HELLO_ANSWER.replace("|", "")
HEADERS = {"x-api-key": ANTHROPIC_KEY, "anthropic-version": "2023-06-01"}


def test_messages_answer_with_counted_usage(claude: anthropic.Anthropic) -> None:
    """A message has Anthropic's shape and its usage is the tokenizer's count (ROUTE-1)."""
    answer = claude.messages.create(model=MODEL, max_tokens=100, messages=HELLO)
    assert answer.model == "claude-haiku-4-5-20251001"
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].model_dump()["text"] == HELLO_TEXT
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (8, 37)
    assert answer.usage.cache_read_input_tokens == 0


def test_system_prompts_count(claude: anthropic.Anthropic) -> None:
    """The system prompt is part of the input, given as text or as blocks."""
    block: anthropic.types.TextBlockParam = {"type": "text", "text": "You are brief."}
    given: tuple[str | list[anthropic.types.TextBlockParam], ...] = ("You are brief.", [block])
    for system in given:
        answer = claude.messages.create(
            model=MODEL,
            max_tokens=100,
            messages=HELLO,
            system=system,
        )
        assert answer.usage.input_tokens == 8 + 3 + 4


def test_streams_have_anthropics_events(claude: anthropic.Anthropic) -> None:
    """Events come in Anthropic's order; input usage opens, cumulative output usage ends."""
    events = list(claude.messages.create(model=MODEL, max_tokens=3, messages=HELLO, stream=True))
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    first, last = events[0], events[-2]
    assert first.type == "message_start"
    assert last.type == "message_delta"
    assert first.message.usage.input_tokens == 8
    assert first.message.usage.output_tokens == 1
    assert last.usage.output_tokens == 3
    assert last.delta.stop_reason == "max_tokens"


def test_the_first_bytes_are_a_message_start_and_a_ping(sim: Simulator) -> None:
    """The events are named, and a ping comes before the first text."""
    body = {"model": MODEL, "max_tokens": 2, "messages": HELLO, "stream": True}
    answer = httpx.post(f"{sim.url}/v1/messages", json=body, headers=HEADERS)
    events = answer.text.split("\n\n")
    assert events[0].startswith('event: message_start\ndata: {"type":"message_start"')
    assert events[2] == 'event: ping\ndata: {"type":"ping"}'
    assert events[-2] == 'event: message_stop\ndata: {"type":"message_stop"}'
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "4000"


def test_stop_sequences_are_named(claude: anthropic.Anthropic) -> None:
    """A stop sequence ends the text before it and is named as the reason."""
    answer = claude.messages.create(
        model=MODEL, max_tokens=100, messages=HELLO, stop_sequences=[" drains", "xyz"]
    )
    assert answer.content[0].model_dump()["text"] == "If the queue grows faster than it"
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", " drains")
    assert answer.usage.output_tokens == 7


async def test_async_clients_get_the_same(claude_async: anthropic.AsyncAnthropic) -> None:
    """The asynchronous SDK sees the same answer, streamed and not (ROUTE-1)."""
    async with claude_async as client:
        answer = await client.messages.create(model=MODEL, max_tokens=100, messages=HELLO)
        async with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
            streamed = await stream.get_final_message()
        models = [model.id async for model in client.models.list()]
    assert answer.content[0].model_dump()["text"] == HELLO_TEXT
    assert streamed.content[0].model_dump()["text"] == HELLO_TEXT
    assert streamed.usage == answer.usage
    assert "claude-sonnet-4-5-20250929" in models


def test_models_are_listed_in_anthropics_form(claude: anthropic.Anthropic) -> None:
    """With an anthropic-version header the list has Anthropic's form, under the same path."""
    page = claude.models.list()
    assert page.has_more is False
    assert page.data[0].display_name == "Claude Opus 4.5"
    assert claude.models.retrieve("claude-haiku-4-5").id == "claude-haiku-4-5-20251001"
    with pytest.raises(anthropic.NotFoundError, match="model: nope"):
        claude.models.retrieve("nope")


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind", "said"),
    [
        (b"{", {}, 400, "invalid_request_error", "not valid JSON"),
        (b'{"model":"m","max_tokens":1}', {}, 400, "invalid_request_error", "messages: Field req"),
        (b'{"model":"m","messages":[]}', {}, 400, "invalid_request_error", "messages: Expected"),
        (b"{}", {"anthropic-version": ""}, 400, "invalid_request_error", "anthropic-version"),
        (b"{}", {"x-api-key": ""}, 401, "authentication_error", "x-api-key header is required"),
        (b"{}", {"x-api-key": "invalid"}, 401, "authentication_error", "invalid x-api-key"),
        (
            b'{"model":"unknown-1","max_tokens":1,"messages":[{"role":"user","content":""}]}',
            {},
            404,
            "not_found_error",
            "model: unknown-1",
        ),
    ],
)
def test_bad_requests_get_anthropics_errors(
    sim: Simulator, body: bytes, headers: dict[str, str], status: int, kind: str, said: str
) -> None:
    """What Anthropic refuses is refused with its status, in its shape, with the request id."""
    sent = {name: value for name, value in (HEADERS | headers).items() if value}
    answer = httpx.post(f"{sim.url}/v1/messages", content=body, headers=sent)
    assert answer.status_code == status
    content = answer.json()
    assert content["type"] == "error"
    assert content["error"]["type"] == kind
    assert said in content["error"]["message"]
    assert content["request_id"] == answer.headers["request-id"]
