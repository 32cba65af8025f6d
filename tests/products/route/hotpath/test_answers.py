"""What is read from answers: usage in disjoint buckets, the model, where streams end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dd0c.products.route.hotpath.answers import TAIL_BYTES, Reading, Stream
from dd0c.products.route.models import NO_USAGE, Dialect, Endpoint, Usage

OPENAI_STREAM = [
    b'data: {"id":"c1","model":"gpt-5-mini-2025-08-07","choices":[{"index":0,"delta":'
    b'{"content":"Hi"},"finish_reason":null}],"usage":null}\n\n',
    b'data: {"id":"c1","model":"gpt-5-mini-2025-08-07","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}],"usage":null}\n\n',
    b'data: {"id":"c1","model":"gpt-5-mini-2025-08-07","choices":[],"usage":{"prompt_tokens":30,'
    b'"completion_tokens":15,"total_tokens":45,"prompt_tokens_details":{"cached_tokens":10},'
    b'"completion_tokens_details":{"reasoning_tokens":7}}}\n\n',
    b"data: [DONE]\n\n",
]
ANTHROPIC_STREAM = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
    b'"role":"assistant","model":"claude-sonnet-4-5","content":[],"usage":{"input_tokens":50,'
    b'"output_tokens":1,"cache_creation_input_tokens":100,"cache_read_input_tokens":200}}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"text_delta","text":"\\"usage\\" message_stop error"}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":30}}\n\n',
    b"event: message_stop\ndata: {}\n\n",
]


def openai(body: bytes, endpoint: str = Endpoint.CHAT) -> Usage:
    """The usage of a whole OpenAI answer."""
    reading = Reading(Dialect.OPENAI, endpoint)
    reading.whole(body)
    return reading.usage()


def anthropic(body: bytes) -> Usage:
    """The usage of a whole Anthropic answer."""
    reading = Reading(Dialect.ANTHROPIC, Endpoint.MESSAGES)
    reading.whole(body)
    return reading.usage()


@pytest.mark.parametrize(
    ("given_usage", "expected"),
    [
        (b'{"prompt_tokens":10,"completion_tokens":8}', Usage(input=10, output=8)),
        (
            b'{"prompt_tokens":30,"completion_tokens":15,"prompt_tokens_details":{"cached_tokens":'
            b'10,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":7}}',
            Usage(input=20, cache_read=10, output=8, reasoning=7, audio_input=0),
        ),
        (
            b'{"prompt_tokens":30,"completion_tokens":15,"prompt_tokens_details":'
            b'{"cached_tokens":10,"cache_creation_input_tokens":5}}',
            Usage(input=15, cache_read=10, cache_write_5m=5, output=15),
        ),
        (
            b'{"prompt_tokens":9,"completion_tokens":9,"completion_tokens_details":'
            b'{"audio_tokens":4,"reasoning_tokens":0}}',
            Usage(input=9, output=5, reasoning=0, audio_output=4),
        ),
        (b'{"prompt_tokens":9,"prompt_tokens_details":null}', Usage(input=9)),
        (
            b'{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":6}}',
            NO_USAGE,
        ),
        (b'{"prompt_tokens":-1,"completion_tokens":1}', NO_USAGE),
        (b'{"prompt_tokens":99999999999999999999,"completion_tokens":1}', NO_USAGE),
        (b'{"prompt_tokens":"9"}', NO_USAGE),
        (b"null", NO_USAGE),
        (b"[]", NO_USAGE),
    ],
)
def test_openai_usage_is_made_disjoint(given_usage: bytes, expected: Usage) -> None:
    """Cached, reasoning and audio tokens leave the totals; nonsense is no usage (R-10)."""
    assert openai(b'{"model":"m","usage":' + given_usage + b"}") == expected


def test_embeddings_have_no_output() -> None:
    """An embedding's usage has input only; what is absent stays None (R-10)."""
    body = b'{"object":"list","data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}'
    assert openai(body, Endpoint.EMBEDDINGS) == Usage(input=8)


@pytest.mark.parametrize(
    ("given_usage", "expected"),
    [
        (
            b'{"input_tokens":50,"output_tokens":30,"cache_creation_input_tokens":100,'
            b'"cache_read_input_tokens":200}',
            Usage(input=50, cache_read=200, cache_write_5m=100, output=30),
        ),
        (
            b'{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":9,"cache_creation":'
            b'{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5},'
            b'"server_tool_use":{"web_search_requests":3}}',
            Usage(input=1, cache_write_5m=4, cache_write_1h=5, output=2, server_tools=3),
        ),
        (b'{"input_tokens":1,"output_tokens":null}', Usage(input=1)),
    ],
)
def test_anthropic_usage_is_disjoint_already(given_usage: bytes, expected: Usage) -> None:
    """Cache writes are told apart by their life where the provider does (R-10)."""
    assert anthropic(b'{"model":"m","usage":' + given_usage + b"}") == expected


def run(
    dialect: Dialect, chunks: list[bytes], *, strip: bool = False
) -> tuple[bytes, bytes, Reading, bool]:
    """Forwarded bytes, held bytes, the reading, and whether the stream failed."""
    reading = Reading(dialect, Endpoint.CHAT)
    stream = Stream(dialect, reading, strip_usage=strip)
    forwarded, held, failed = b"", b"", False
    for chunk in chunks:
        if held:
            held += chunk
            continue
        passage = stream.feed(chunk)
        forwarded += passage.forward
        held += passage.held
        failed = failed or passage.failed
    if not held:
        passage = stream.end()
        forwarded, held = forwarded + passage.forward, held + passage.held
    return forwarded, held, reading, failed


@example([533], b"\r\n")
@given(st.lists(st.integers(0, 800)), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_a_stream_passes_unchanged_and_is_understood(at: list[int], line_end: bytes) -> None:
    """Whatever the chunk borders: bytes unchanged, terminal event held, usage read (R-3, R-15)."""
    for dialect, events, usage in (
        (Dialect.OPENAI, OPENAI_STREAM, Usage(20, 10, None, None, 8, 7)),
        (Dialect.ANTHROPIC, ANTHROPIC_STREAM, Usage(50, 200, 100, None, 30)),
    ):
        *_, last = written = [event.replace(b"\n", line_end) for event in events]
        data = b"".join(written)
        places = sorted({0, len(data), *(p for p in at if p < len(data))})
        chunks = [data[a:b] for a, b in itertools.pairwise(places)]
        forwarded, held, reading, failed = run(dialect, chunks)
        assert forwarded + held == data
        assert held.removeprefix(b"\n") == last  # CR ends an event, too, if its LF is late
        assert reading.usage() == usage
        assert reading.final
        assert not failed


@given(st.lists(st.integers(0, 800)))
def test_only_the_usage_chunk_we_asked_for_is_taken_out(at: list[int]) -> None:
    """With `include_usage` injected the caller's stream is as if we had not asked (R-18)."""
    data = b"".join(OPENAI_STREAM)
    places = sorted({0, len(data), *(p for p in at if p < len(data))})
    chunks = [data[a:b] for a, b in itertools.pairwise(places)]
    forwarded, held, reading, _ = run(Dialect.OPENAI, chunks, strip=True)
    assert forwarded == OPENAI_STREAM[0] + OPENAI_STREAM[1]
    assert held == OPENAI_STREAM[3]
    assert reading.usage().input == 20


def test_usage_beside_text_is_not_taken_out() -> None:
    """A provider that puts usage into its last text chunk keeps that chunk (R-18)."""
    last = (
        b'data: {"model":"m","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n'
    )
    forwarded, _, reading, _ = run(Dialect.OPENAI, [last], strip=True)
    assert forwarded == last
    assert reading.final


def test_running_usage_is_not_the_last_word() -> None:
    """Usage in each chunk, as some providers send it, counts only at the end (R-13)."""
    chunk = (
        b'data: {"model":"m","choices":[{"finish_reason":null}],"usage":{"prompt_tokens":1}}\n\n'
    )
    assert not run(Dialect.OPENAI, [chunk])[2].final


def test_the_count_at_the_start_is_provisional() -> None:
    """Anthropic's first output count is dropped until the final one comes (R-13)."""
    reading = run(Dialect.ANTHROPIC, ANTHROPIC_STREAM[:2])[2]
    assert reading.usage() == Usage(input=50, cache_read=200, cache_write_5m=100)
    assert not reading.final


@pytest.mark.parametrize(
    ("dialect", "event"),
    [
        (Dialect.OPENAI, b'data: {"error":{"message":"overloaded"}}\n\n'),
        (Dialect.ANTHROPIC, b'event: error\ndata: {"type":"error","error":{"type":"x"}}\n\n'),
        (Dialect.ANTHROPIC, b'data: {"type":"error","error":{"type":"x"}}\n\n'),
    ],
)
def test_a_providers_error_event_ends_the_stream(dialect: Dialect, event: bytes) -> None:
    """An error event passes unchanged and counts as the end of a failed answer (R-30)."""
    forwarded, held, _, failed = run(dialect, [event])
    assert (forwarded, held, failed) == (b"", event, True)


@pytest.mark.parametrize(
    "event", [b"data: \n\n", b": ping\n\n", b"data: {torn\n\n", b"data: []\n\n", b"\n\n"]
)
@pytest.mark.parametrize("dialect", list(Dialect))
def test_what_cannot_be_parsed_is_forwarded(dialect: Dialect, event: bytes) -> None:
    """An event that we do not understand is not ours to drop (R-33)."""
    assert run(dialect, [event])[0] == event


def test_a_terminal_event_without_blank_line_counts() -> None:
    """A stream whose last line is `data: [DONE]` is complete."""
    _, held, _, _ = run(Dialect.OPENAI, [OPENAI_STREAM[2], b"data: [DONE]\n"])
    assert held == b"data: [DONE]\n"


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[%b],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}',
        b'{"data":[%b],"usage" : {"prompt_tokens":8,"x":{}}, "model":"m" }\n',
        b'{"data":["\\"usage\\":{\\"prompt_tokens\\":1}}",%b],"usage":{"prompt_tokens":8}}',
    ],
)
def test_usage_is_found_in_the_tail_of_a_large_answer(body: bytes) -> None:
    """Usage at the end of an answer that was not held is read exactly (R-10)."""
    whole = body % b",".join([b'{"embedding":[0.1,0.2],"usage":{"prompt_tokens":3}}'] * 2000)
    reading = Reading(Dialect.OPENAI, Endpoint.EMBEDDINGS)
    reading.tail(whole[-TAIL_BYTES:])
    assert reading.usage() == Usage(input=8)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"usage":{"prompt_tokens":3}}]}',
        b'{"data":"\\"usage\\":{\\"prompt_tokens\\":3}}"}',
        b'{"data":{"x":1,"usage":{"prompt_tokens":3}}}',
    ],
)
def test_usage_elsewhere_in_the_tail_is_not_the_answers(body: bytes) -> None:
    """Usage that is nested or quoted is not taken for the answer's own (R-10)."""
    reading = Reading(Dialect.OPENAI, Endpoint.EMBEDDINGS)
    reading.tail(body)
    assert reading.usage() == NO_USAGE
