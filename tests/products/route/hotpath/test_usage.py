"""Usage of every provider in disjoint buckets: objects, streams, and the whole corpus."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath import formats, usage
from dd0c.products.route.hotpath.answers import Reading, Stream
from dd0c.products.route.hotpath.formats import Format
from dd0c.products.route.models import NO_USAGE, Dialect, Endpoint, Usage
from tests.products.route.hotpath import usage_cases, usage_streams

CORPUS = Path(__file__).parents[3] / "corpus" / "llm"
CHAT, RESPONSES, EMBEDDINGS = Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.EMBEDDINGS
MESSAGES = Endpoint.MESSAGES

WHOLE = {
    "anthropic/messages-basic.json": (MESSAGES, Usage(input=10, output=8)),
    "anthropic/messages-with-cache.json": (
        MESSAGES,
        Usage(input=50, cache_read=200, cache_write_5m=100, output=30),
    ),
    "openai/chat-basic.json": (CHAT, Usage(input=23, output=8)),
    "openai/chat-error.json": (CHAT, NO_USAGE),
    "openai/chat-injection.json": (CHAT, Usage(input=23, output=8)),
    "openai/chat-model-echo.json": (CHAT, NO_USAGE),  # it says that 8 and 5 are 10
    "openai/chat-tools.json": (CHAT, Usage(input=20, output=10)),
    "openai/chat-with-multiple-tool-calls.json": (CHAT, Usage(input=60, output=30)),
    "openai/chat-with-reasoning.json": (
        CHAT,
        Usage(input=15, cache_read=10, cache_write_5m=5, output=15),  # 30 - 10 - 5
    ),
    "openai/chat-with-tool-calls.json": (CHAT, Usage(input=50, output=20)),
    "openai/embeddings-capital-city.json": (EMBEDDINGS, Usage(input=8)),
    "openai/embeddings-capital.json": (EMBEDDINGS, Usage(input=7)),
    "openai/embeddings-largest-city.json": (EMBEDDINGS, Usage(input=8)),
    "openai/embeddings-list.json": (EMBEDDINGS, Usage(input=8)),
    "openai/embeddings-tire.json": (EMBEDDINGS, Usage(input=9)),
    "openai/images-generation.json": (CHAT, NO_USAGE),
    "openai/null-content.json": (CHAT, NO_USAGE),
    "openai/null-details.json": (CHAT, Usage(input=10, output=5)),
    "openai/null-function.json": (CHAT, Usage(input=5, output=3)),
    "openai/null-message.json": (CHAT, Usage(input=5, output=3)),
    "openai/null-usage.json": (CHAT, NO_USAGE),
    "openai/responses-basic.json": (RESPONSES, Usage(input=10, output=5)),
    "openai/responses-with-cache.json": (
        RESPONSES,
        Usage(input=28, cache_read=12, output=12, reasoning=8),  # 40 - 12, 20 - 8
    ),
    "prometheus/chat-basic.json": (CHAT, Usage(input=8, output=5)),
    "protocol-conversion/system-prompt-ok.json": (CHAT, Usage(input=10, output=5)),
    "vertex-ai/predictions-embeddings.json": (EMBEDDINGS, NO_USAGE),  # no provider of ours
}
STREAMED = {
    "anthropic/messages-streaming.sse": (MESSAGES, Usage(input=10, output=8)),
    "anthropic/messages-streaming-with-cache.sse": (
        MESSAGES,
        Usage(input=50, cache_read=200, cache_write_5m=100, output=30),
    ),
    "anthropic/messages-streaming-with-tool-use.sse": (MESSAGES, Usage(input=20, output=5)),
    "openai/chat-multi-chunk.sse": (CHAT, Usage(input=10, output=2)),
    "openai/chat-streaming.sse": (CHAT, Usage(input=10, output=8)),
    "openai/chat-streaming-injection.sse": (CHAT, Usage(input=10, output=8)),
    "openai/chat-streaming-lakera-error.sse": (CHAT, Usage(input=10, output=8)),
    "openai/chat-streaming-many-chunks-no-usage.sse": (CHAT, NO_USAGE),
    "openai/chat-streaming-no-usage.sse": (CHAT, NO_USAGE),
    "openai/chat-streaming-with-cache.sse": (
        CHAT,
        Usage(input=15, cache_read=10, cache_write_5m=5, output=8, reasoning=7),  # 15 - 7
    ),
    "openai/chat-streaming-with-tool-calls.sse": (CHAT, Usage(input=15, output=10)),
    "openai/responses-streaming.sse": (RESPONSES, Usage(input=10, output=5)),
    "openai/responses-streaming-with-cache.sse": (
        RESPONSES,
        Usage(input=10, cache_read=10, output=2, reasoning=3),  # 20 - 10, 5 - 3
    ),
    "openai/responses-streaming-with-tool-call.sse": (RESPONSES, Usage(input=20, output=5)),
    "protocol-conversion/anthropic-mismatch.sse": (MESSAGES, Usage(input=10, output=5)),
    "protocol-conversion/deepseek-usage-null.sse": (CHAT, Usage(input=5, output=2)),
    "protocol-conversion/empty-sse-frames.sse": (CHAT, Usage(input=3, output=1)),
    "protocol-conversion/null-finish-reason.sse": (CHAT, Usage(input=5, output=3)),
    "protocol-conversion/openai-to-anthropic-stream.sse": (CHAT, Usage(input=5, output=5)),
    "protocol-conversion/openrouter-double-finish.sse": (CHAT, Usage(input=8, output=2)),
    "protocol-conversion/openrouter-first-chunk.sse": (CHAT, Usage(input=8, output=2)),
    "protocol-conversion/usage-only-final-chunk.sse": (CHAT, Usage(input=10, output=5)),
}


def form_of(name: str) -> Format:
    """A format by its name."""
    found = getattr(formats, name.upper())
    assert isinstance(found, Format)
    return found


def reading_of(endpoint: Endpoint) -> Reading:
    """An answer of an endpoint that nothing was read of yet."""
    dialect = Dialect.ANTHROPIC if endpoint is MESSAGES else Dialect.OPENAI
    return Reading(dialect, endpoint)


def stream(endpoint: Endpoint, data: bytes, at: list[int]) -> tuple[Reading, bool, bool]:
    """What is read of a stream in chunks cut at these places; whether it ended, and failed."""
    reading = reading_of(endpoint)
    passing = Stream(reading.dialect, reading, strip_usage=False)
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    passed, ended, failed = b"", False, False
    for start, end in itertools.pairwise(places):
        passage = passing.feed(data[start:end])
        passed += passage.forward + passage.held
        ended, failed = passage.ended, passage.failed
        if ended:
            return reading, ended, failed
    passage = passing.end()
    assert passed + passage.forward + passage.held == data
    return reading, passage.ended, passage.failed


def events(endpoint: Endpoint, case: usage_streams.Case) -> bytes:
    """A case as a provider sends it."""
    if endpoint is CHAT:
        return b"".join(b"data: %b\n\n" % data.encode() for data in case.events)
    kinds = [msgspec.json.decode(data)["type"] for data in case.events]
    pairs = zip(kinds, case.events, strict=True)
    return "".join(f"event: {kind}\ndata: {data}\n\n" for kind, data in pairs).encode()


@pytest.mark.parametrize(
    ("form", "case"),
    [
        pytest.param(form, case, id=f"{form}: {case.what}")
        for form, cases in usage_cases.FORMS.items()
        for case in cases
    ],
)
def test_every_way_to_say_usage_is_read(form: str, case: usage_cases.Case) -> None:
    """Each count is in exactly one bucket, absent is None, and of nonsense nothing is kept but the
    name of the field (R-10)."""
    counted = usage.read(case.said.encode(), form_of(form), case.provider)
    assert counted.usage == case.usage
    assert (counted.wrong or "") == case.wrong


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("endpoint", "case"),
    [
        pytest.param(endpoint, case, id=f"{endpoint}: {case.what}")
        for endpoint, cases in (
            (CHAT, usage_streams.CHAT),
            (RESPONSES, usage_streams.RESPONSES),
            (MESSAGES, usage_streams.MESSAGES),
        )
        for case in cases
    ],
)
def test_usage_is_found_wherever_a_stream_has_it(
    endpoint: Endpoint, case: usage_streams.Case, size: int
) -> None:
    """Twice, null, absent, out of order, running, early, late, with an error: what can be known of
    it is, and a count that more text has overtaken is none (R-10, R-13)."""
    data = events(endpoint, case)
    reading, ended, failed = stream(endpoint, data, list(range(0, len(data), size)))
    assert reading.usage() == case.usage
    assert (reading.final, ended, failed) == (case.final, True, case.failed)


@pytest.mark.parametrize(("name", "expected"), WHOLE.items())
def test_every_answer_of_the_corpus(name: str, expected: tuple[Endpoint, Usage]) -> None:
    """Recorded answers come to what they say (R-10)."""
    endpoint, known = expected
    reading = reading_of(endpoint)
    reading.whole((CORPUS / name).read_bytes())
    assert reading.usage() == known


@pytest.mark.parametrize(("name", "expected"), STREAMED.items())
@given(at=st.lists(st.integers(0, 4000), max_size=20))
def test_every_stream_of_the_corpus(
    name: str, expected: tuple[Endpoint, Usage], at: list[int]
) -> None:
    """Recorded streams come to what they say, whatever the chunk borders (R-10)."""
    endpoint, known = expected
    reading, _, failed = stream(endpoint, (CORPUS / name).read_bytes(), at)
    assert reading.usage() == known
    assert not failed


def test_every_answer_of_bedrock_in_the_corpus() -> None:
    """Converse says the same whole and in the `metadata` event of its binary stream (R-10)."""
    whole = msgspec.json.decode((CORPUS / "bedrock/converse-basic.json").read_bytes())
    said = [msgspec.json.encode(whole["usage"])]
    frames = (CORPUS / "bedrock/bedrock-converse-streaming.bin").read_bytes()
    while frames:  # length of the frame, length of its headers, checksum; at the end another one
        size, head = struct.unpack(">II", frames[:8])
        event = msgspec.json.decode(frames[12 + head : size - 4])
        said += [msgspec.json.encode(event["usage"])] if "usage" in event else []
        frames = frames[size:]
    counted = [usage.read(one, formats.BEDROCK).usage for one in said]
    assert counted == [Usage(input=13, output=5)] * 2


def test_no_file_of_the_corpus_is_left_out() -> None:
    """Every recording is a case."""
    files = {str(path.relative_to(CORPUS)) for path in CORPUS.rglob("*.*") if path.parent != CORPUS}
    bedrock = {"bedrock/converse-basic.json", "bedrock/bedrock-converse-streaming.bin"}
    assert files == {*WHOLE, *STREAMED, *bedrock}


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ('{"input_tokens":1,"service_tier":"standard"}', "standard"),
        ('{"input_tokens":1,"service_tier":"priority","inference_geo":"global"}', "priority"),
        ('{"input_tokens":1,"service_tier":"standard","speed":"fast"}', "fast"),
        ('{"input_tokens":1,"service_tier":"standard","inference_geo":"us"}', "us"),
        ('{"input_tokens":1,"service_tier":"priority","speed":"fast"}', "priority+fast"),
        ('{"input_tokens":1,"service_tier":null}', None),
    ],
)
def test_what_makes_anthropic_dearer_is_part_of_the_tier(said: str, tier: str | None) -> None:
    """A fast answer, or one from a place that costs more, is not priced as any other (R-11)."""
    assert usage.read(said.encode(), formats.ANTHROPIC).tier == tier


_COUNT = st.none() | st.integers(0, 60)


@given(
    st.tuples(st.integers(20, 60), st.integers(20, 60), st.sampled_from([0, 0, 0, 1, 7])),
    st.tuples(_COUNT, _COUNT, _COUNT, _COUNT),
    st.sampled_from(["openai", "x-ai", "google"]),
)
def test_the_quick_way_reads_as_the_table_does(
    whole: tuple[int, int, int], parts: tuple[int | None, ...], provider: str
) -> None:
    """What most answers say is decoded in one go; a member that we do not know makes the table read
    the same numbers, to the same buckets (R-10)."""
    said = {
        "prompt_tokens": whole[0],
        "completion_tokens": whole[1],
        "total_tokens": sum(whole),
        "prompt_tokens_details": {"cached_tokens": parts[0], "cache_write_tokens": parts[1]},
        "completion_tokens_details": {"reasoning_tokens": parts[2], "audio_tokens": parts[3]},
    }
    quick = usage.read(msgspec.json.encode(said), formats.OPENAI, provider)
    table = usage.read(msgspec.json.encode(said | {"new": 1}), formats.OPENAI, provider)
    assert quick == table


_KEYS = st.sampled_from(
    [
        *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"),
        *("cached_tokens", "completion_tokens_details", "reasoning_tokens", "input_tokens"),
        *("output_tokens", "cache_creation", "ephemeral_1h_input_tokens", "totalTokenCount"),
        *("promptTokenCount", "thoughtsTokenCount", "promptTokensDetails", "modality"),
        *("tokenCount", "inputTokens", "cacheDetails", "cacheReadInputTokens"),
    ]
)
_LEAVES = st.none() | st.booleans() | st.integers(-5, 50) | st.integers() | st.floats()
_SAID = st.recursive(
    _LEAVES | st.sampled_from(["AUDIO", "5m"]),
    lambda inner: st.dictionaries(_KEYS, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_KEYS, _SAID, max_size=8))
def test_whatever_a_provider_says_is_counted_or_not(said: object) -> None:
    """No text breaks the reader; what it counts is never negative or half believed (R-10, R-33)."""
    raw = msgspec.json.encode(said)
    for form in (formats.OPENAI, formats.ANTHROPIC, formats.GEMINI, formats.BEDROCK):
        counted = usage.read(raw, form)
        known = [n for n in msgspec.structs.astuple(counted.usage) if n is not None]
        assert all(0 <= n <= 2 * usage.TOKENS_MAX for n in known)
        assert not (counted.wrong and known)
