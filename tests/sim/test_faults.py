"""Each fault through the official SDKs: they must report what they would of the real provider."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from msgspec import structs

from dd0c.base.errors import InvalidInput
from dd0c.sim import faults
from tests.sim.conftest import ANTHROPIC_KEY, OPENAI_KEY
from tests.sim.test_anthropic import MODEL
from tests.support.simulator import Simulator

GPT: dict[str, Any] = {
    "model": "gpt-5-mini",
    "messages": [{"role": "user", "content": "Hello"}],
}
CLAUDE: dict[str, Any] = GPT | {"model": MODEL, "max_tokens": 100}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
STREAMED = [False, True]


def chat(client: openai.OpenAI, fault: str, **more: Any) -> Any:
    """A chat completion under a fault."""
    headers = {"x-sim-fault": fault}
    return client.chat.completions.create(**GPT, **more, extra_headers=headers)


def message(client: anthropic.Anthropic, fault: str, **more: Any) -> Any:
    """A message under a fault."""
    return client.messages.create(**CLAUDE, **more, extra_headers={"x-sim-fault": fault})


def received(events: Iterable[Any]) -> tuple[list[Any], BaseException | None]:
    """The events that came, and what ended them before their time."""
    got: list[Any] = []
    try:
        got.extend(events)  # what came before the failure stays
    except (openai.OpenAIError, anthropic.AnthropicError, httpx2.HTTPError, ValueError) as error:
        return got, error
    return got, None


@pytest.mark.parametrize("stream", STREAMED)
def test_rate_limits(gpt: openai.OpenAI, claude: anthropic.Anthropic, stream: bool) -> None:
    """A 429 is a RateLimitError with retry-after and the provider's limit headers (ROUTE-4)."""
    with pytest.raises(openai.RateLimitError) as of_gpt:
        chat(gpt, "429=7", stream=stream)
    headers = of_gpt.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("7", "7000")
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert of_gpt.value.code == "rate_limit_exceeded"
    assert of_gpt.value.request_id is not None

    with pytest.raises(anthropic.RateLimitError) as of_claude:
        message(claude, "429=7", stream=stream)
    headers = of_claude.value.response.headers
    assert headers["retry-after"] == "7"
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert of_claude.value.request_id is not None


@pytest.mark.parametrize("stream", STREAMED)
def test_server_errors(gpt: openai.OpenAI, claude: anthropic.Anthropic, stream: bool) -> None:
    """500 and 529 are what each SDK calls them (ROUTE-4)."""
    with pytest.raises(openai.InternalServerError, match="Sorry about that"):
        chat(gpt, "500", stream=stream)
    with pytest.raises(openai.InternalServerError, match="currently overloaded"):
        chat(gpt, "503", stream=stream)
    with pytest.raises(anthropic.InternalServerError, match="api_error"):
        message(claude, "500", stream=stream)
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error") as overloaded:
        message(claude, "529", stream=stream)
    assert overloaded.value.status_code == 529


@pytest.mark.parametrize("stream", STREAMED)
@pytest.mark.parametrize(
    ("fault", "cause"), [("reset", httpx2.ReadError), ("close", httpx2.RemoteProtocolError)]
)
def test_no_answer_at_all(
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    sim: Simulator,
    *,
    fault: str,
    cause: type[Exception],
    stream: bool,
) -> None:
    """A connection that ends before the answer is an APIConnectionError."""
    with pytest.raises(openai.APIConnectionError) as of_gpt:
        chat(gpt, fault, stream=stream)
    with pytest.raises(anthropic.APIConnectionError) as of_claude:
        message(claude, fault, stream=stream)
    assert isinstance(of_gpt.value.__cause__, cause)
    assert isinstance(of_claude.value.__cause__, cause)
    assert [r["status"] for r in sim.stats()["recent"]] == [None, None]


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("cut_after", httpx2.RemoteProtocolError), ("reset_after", httpx2.ReadError)],
)
@pytest.mark.parametrize("events", [0, 1, 5])
def test_streams_that_break(
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    *,
    fault: str,
    events: int,
    cause: type[Exception],
) -> None:
    """A stream cut or reset after n events gives these n events, then the transport's error."""
    got, error = received(chat(gpt, f"{fault}={events}", stream=True))
    assert len(got) == events
    assert isinstance(error, openai.APIConnectionError)
    assert isinstance(error.__cause__, cause)
    got, error = received(message(claude, f"{fault}={events}", stream=True))
    assert len(got) == events - (events > 2)  # the third is a ping, which the SDK drops
    assert isinstance(error, cause)


def test_a_stream_cut_after_its_last_event_has_no_end(gpt: openai.OpenAI, sim: Simulator) -> None:
    """A cut strikes even between the last event and the end of the body."""
    got, error = received(chat(gpt, "tokens=2;cut_after=5", stream=True))
    assert (len(got), error) == (4, None)  # the SDK leaves at [DONE], as it would in life
    assert sim.stats()["recent"][-1]["events_sent"] == 5


@pytest.mark.parametrize("fault", ["cut_after", "reset_after"])
def test_bodies_that_break(gpt: openai.OpenAI, claude: anthropic.Anthropic, fault: str) -> None:
    """A buffered answer is broken off in its middle."""
    with pytest.raises(openai.APIConnectionError):
        chat(gpt, fault)
    with pytest.raises(anthropic.APIConnectionError):
        message(claude, fault)


def test_errors_inside_a_stream(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """An error event after n events is the SDK's error, after what came before it."""
    got, error = received(chat(gpt, "error_after=3", stream=True))
    assert len(got) == 3
    assert type(error) is openai.APIError
    got, error = received(message(claude, "error_after=4", stream=True))
    assert len(got) == 3
    assert isinstance(error, anthropic.APIStatusError)
    assert "overloaded_error" in str(error)


def test_garbage_inside_a_stream(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """An event that is no JSON breaks the SDK at that event; the stream itself goes on."""
    got, error = received(chat(gpt, "garbage_after=3", stream=True))
    assert len(got) == 3
    assert isinstance(error, json.JSONDecodeError)
    got, error = received(message(claude, "garbage_after=4", stream=True))
    assert len(got) == 3
    assert error is not None


def test_missing_usage(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Usage can be missing in each form of answer: absent, not zero."""
    assert "usage" not in chat(gpt, "no_usage").model_fields_set
    chunks = list(chat(gpt, "no_usage", **USAGE))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert "usage" not in message(claude, "no_usage").model_fields_set
    events = list(message(claude, "no_usage", stream=True))
    assert "usage" not in events[0].message.model_fields_set
    assert "usage" not in events[-2].model_fields_set


def test_keys_are_echoed(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """The presented key comes back in the error, in a header, or spread over stream events."""
    with pytest.raises(openai.AuthenticationError, match=OPENAI_KEY):
        chat(gpt, "echo_key")
    with pytest.raises(anthropic.AuthenticationError, match=ANTHROPIC_KEY):
        message(claude, "echo_key=error")
    raw = gpt.chat.completions.with_raw_response.create(
        **GPT, extra_headers={"x-sim-fault": "echo_key=header"}
    )
    assert raw.headers["x-presented-key"] == OPENAI_KEY
    texts = [c.choices[0].delta.content or "" for c in chat(gpt, "echo_key=text", stream=True)]
    assert OPENAI_KEY in "".join(texts)
    assert not any(OPENAI_KEY in text for text in texts)
    assert ANTHROPIC_KEY in message(claude, "echo_key=text").content[0].text


def test_reported_tokens(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Input, cache and reasoning tokens are reported where each provider reports them."""
    usage = chat(gpt, "tokens=5;cached=1024;reasoning=64").usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (8 + 1024, 5 + 64)
    assert usage.prompt_tokens_details.cached_tokens == 1024
    assert usage.completion_tokens_details.reasoning_tokens == 64
    fault = "tokens=5;input=11;cached=1000;cache_write_5m=200;cache_write_1h=30"
    usage = message(claude, fault).usage
    assert (usage.input_tokens, usage.output_tokens) == (11, 5)
    assert usage.cache_read_input_tokens == 1000
    assert usage.cache_creation_input_tokens == 230
    assert usage.cache_creation.ephemeral_5m_input_tokens == 200
    assert usage.cache_creation.ephemeral_1h_input_tokens == 30


def test_length_and_events(gpt: openai.OpenAI, sim: Simulator) -> None:
    """An answer has as many tokens and content events as asked for."""
    chunks = list(chat(gpt, "events=40", **USAGE))
    assert len(chunks) == 1 + 40 + 1 + 1
    assert chunks[-1].usage.completion_tokens == 40
    chunks = list(chat(gpt, "events=3;tokens=500", **USAGE))
    assert len(chunks) == 1 + 3 + 1 + 1
    assert chunks[-1].usage.completion_tokens == 500
    assert sim.stats()["recent"][-1]["events_sent"] == 7  # and [DONE]


def test_slowness(gpt: openai.OpenAI) -> None:
    """Latency holds the whole answer, slow_first_token the first event, pace each event."""
    started = time.monotonic()
    chat(gpt, "latency=80")
    assert 0.08 <= time.monotonic() - started < 1
    started = time.monotonic()
    stream = chat(gpt, "slow_first_token=120;pace=20;tokens=5", stream=True)
    head = time.monotonic() - started
    next(iter(stream))
    first = time.monotonic() - started
    list(stream)
    last = time.monotonic() - started
    assert head < 0.1 < 0.12 <= first
    assert 6 * 0.02 <= last - first < 1


def test_a_stall_ends_after_its_time(gpt: openai.OpenAI, sim: Simulator) -> None:
    """A stream falls silent after n events; with a short stall it then goes on to its end."""
    started = time.monotonic()
    got = list(chat(gpt, "stall_after=2;stall=0.2;tokens=4", stream=True))
    assert time.monotonic() - started >= 0.2
    assert len(got) == 6
    with pytest.raises(openai.APITimeoutError):
        list(chat(gpt, "stall_after=2", stream=True, timeout=0.2))
    assert sim.stats()["recent"][-1]["events_sent"] == 2


@pytest.mark.parametrize("stream", STREAMED)
def test_fragments(gpt: openai.OpenAI, claude: anthropic.Anthropic, stream: bool) -> None:
    """However small the writes are, the answer is the same."""
    fault = "tokens=4;fragment=13"
    whole, torn = chat(gpt, "tokens=4", stream=stream), chat(gpt, fault, stream=stream)
    assert list(whole) == list(torn)
    whole, torn = message(claude, "tokens=4", stream=stream), message(claude, fault, stream=stream)
    assert list(whole) == list(torn)


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "latency",
        "latency=x",
        "latency=-1",
        "200",
        "fragment=0",
        "echo_key=moon",
        "gzip=maybe",
        "profile=",
        "429;tokens=5",
        "500;cut_after=1;double_finish",
    ],
)
def test_wrong_faults_are_refused(gpt: openai.OpenAI, text: str) -> None:
    """A misspelt fault is a 400, never silently no fault."""
    with pytest.raises(InvalidInput):
        faults.parse(text)
    with pytest.raises(openai.BadRequestError):
        chat(gpt, text)


def test_the_table_is_the_truth() -> None:
    """Every row of the table is a field with that default, and the other way round."""
    assert [row.name for row in faults.FAULTS] == list(faults.Faults.__struct_fields__)
    assert all(row.name in faults.table() for row in faults.FAULTS)
    for row in faults.FAULTS:
        value = "400" if row.unit in ("name", "file") else row.default or 400
        text = row.name if row.default is not None else f"{row.name}=400"
        assert faults.parse(text) == structs.replace(faults.NONE, **{row.name: value})
