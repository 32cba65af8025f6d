"""Counts of texts: the vocabulary, the families of models, and whole requests."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.models import Endpoint, Learned
from dd0c.products.route.tokens import vocabulary
from dd0c.products.route.tokens.counting import Count, count_prompt, count_text
from dd0c.products.route.tokens.factors import measure_of
from dd0c.products.route.tokens.families import base_model, family_of
from tests.products.route.tokens import hostile
from tests.sim.test_images import data_url

SCIENTIST = {
    "system": "You are a scientist",
    "messages": [{"role": "user", "content": "Hello, Claude"}],
}
JARGON = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate "
        "jargon into plain English.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "New synergies will help drive top-line growth.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities "
        "for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client "
        "deliverable.",
    },
]
WEATHERMAN = "You are a helpful assistant that can answer to questions about the weather."
LOCATION = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
UNIT = {
    "type": "string",
    "description": "The unit of temperature to return",
    "enum": ["celsius", "fahrenheit"],
}
WEATHER_FUNCTION = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {"location": LOCATION, "unit": UNIT},
        "required": ["location"],
    },
}
WEATHER = {
    "messages": [
        {
            "role": "system",
            "content": WEATHERMAN,
        },
        {"role": "user", "content": "What's the weather like in San Francisco?"},
    ],
    "tools": [{"type": "function", "function": WEATHER_FUNCTION}],
}
CLAUDE_WEATHER = {
    "messages": [{"role": "user", "content": "What's the weather like in San Francisco?"}],
    "tools": [
        {
            "name": "get_weather",
            "description": "Get the current weather in a given location",
            "input_schema": {
                "type": "object",
                "properties": {"location": LOCATION},
                "required": ["location"],
            },
        }
    ],
}


def prompt(model: str, endpoint: str, asked: object) -> Count | None:
    """The count of a request with nothing learned."""
    return count_prompt(measure_of(model, None), model, endpoint, json.dumps(asked).encode())


def known(model: str, endpoint: str, asked: object) -> Count:
    """The same of one that is a request."""
    count = prompt(model, endpoint, asked)
    assert count is not None
    return count


def test_counts_are_those_of_the_reference_tokenizer() -> None:
    """10,000 hostile strings have as many tokens as tiktoken says, in both of OpenAI's current
    vocabularies; strings beyond what is encoded at once too (ROUTE-14)."""
    strings, expected = list(hostile.make()), hostile.expected()
    assert len(strings) == 10_000
    for name in hostile.VOCABULARIES:
        assert [vocabulary.count(name, text) for text in strings] == expected[name]


@pytest.mark.parametrize(
    ("model", "name", "exact"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base", True),
        ("gpt-4.1", "o200k_base", True),
        ("gpt-5-mini", "o200k_base", True),
        ("o3", "o200k_base", True),
        ("ft:gpt-4o-2024-08-06:acme:secret:abc", "o200k_base", True),
        ("openai/gpt-oss-120b", "o200k_base", True),
        ("gpt-4-turbo", "cl100k_base", True),
        ("gpt-35-turbo", "cl100k_base", True),
        ("text-embedding-3-large", "cl100k_base", True),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3", True),
        ("us.meta.llama3-1-70b-instruct-v1:0", "llama3", True),
        ("deepseek-chat", "deepseek_v3", True),
        ("deepseek-r1-distill-qwen-7b", "o200k_base", False),
        ("mistral-large-latest", "mistral_v3", False),
        ("claude-sonnet-4-5", "o200k_base", False),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", "o200k_base", False),
        ("gpt-9", "o200k_base", False),
        ("nobody-knows", "o200k_base", False),
        ("", "o200k_base", False),
    ],
)
def test_a_model_is_counted_in_its_own_vocabulary(model: str, name: str, exact: bool) -> None:
    """Each family has its vocabulary, under every name that hosts give it; what has none that is
    public is said not to be exact (ROUTE-14)."""
    family = family_of(model)
    assert (family.vocabulary, family.exact) == (name, exact)
    assert (family.error == 0) is exact


@pytest.mark.parametrize(
    "before", range(vocabulary.SLICE_CHARS - 50, vocabulary.SLICE_CHARS + 1, 7)
)
def test_a_cut_changes_no_count(before: int) -> None:
    """A text too long to be encoded at once is cut where words end, not inside of a run of spaces:
    the tokenizer counts the whole alike."""
    text = "a " * (before // 2) + " " * 40 + "b" + " \n" * 20 + "c"
    whole = len(vocabulary.load("o200k_base").encode_ordinary(text))
    assert vocabulary.count("o200k_base", text) == whole


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("ft:gpt-4o-mini-2024-07-18:acme::x1", "gpt-4o-mini"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("openai/gpt-5-mini", "gpt-5-mini"),
        ("deepseek-r1-0528", "deepseek-r1-0528"),
    ],
)
def test_a_model_learns_as_its_base(model: str, base: str) -> None:
    """All names of a model learn together; nobody else learns the name that an organisation gave
    its own."""
    assert base_model(model) == base


def test_text_that_was_not_counted_exactly_says_so() -> None:
    """An exact vocabulary has no error; Claude's count is o200k's times a guess, and says how far
    off it may be (ROUTE-14)."""
    text = "Count these words, please."  # 6 tokens of o200k, by tiktoken
    assert count_text(measure_of("gpt-4o", None), text) == (6, 0.0)
    assert count_text(measure_of("claude-opus-4-1", None), text) == (7, 0.25)


@pytest.mark.parametrize(
    ("model", "endpoint", "asked", "tokens"),
    [
        ("gpt-4", "chat", {"messages": JARGON}, 129),  # OpenAI's cookbook, what its API answered
        ("gpt-4o", "chat", {"messages": JARGON}, 124),
        ("gpt-4", "chat", WEATHER, 105),
        ("gpt-4o", "chat", WEATHER, 101),
        ("gpt-4o-mini", "chat", WEATHER, 101),
        ("claude-opus-4-20250514", "messages", SCIENTIST, 14),  # Anthropic's guide to counting
        ("claude-opus-4-20250514", "count_tokens", CLAUDE_WEATHER, 403),
        ("gpt-4o", "completions", {"prompt": "Count these words, please."}, 6),
        ("gpt-4o", "completions", {"prompt": [[1, 2, 3], [4]]}, 4),
        ("text-embedding-3-small", "embeddings", {"input": ["Hello", "Hello"]}, 2),
    ],
)
def test_requests_cost_what_the_providers_say(
    model: str, endpoint: str, asked: object, tokens: int
) -> None:
    """The examples of OpenAI's and Anthropic's documentation are estimated within the error that
    the estimate claims; OpenAI's exactly (ROUTE-14)."""
    count = known(model, endpoint, asked)
    assert abs(count.tokens - tokens) <= count.error * count.tokens
    if not model.startswith("claude"):
        assert count.tokens == tokens


def test_responses_are_counted_like_chat() -> None:
    """The same conversation as input of a response is as long; an earlier response makes it
    unknown, which is said."""
    asked = {"instructions": WEATHERMAN, "input": "Hello"}
    first = {"role": "developer", "content": WEATHERMAN}
    same = {"messages": [first, {"role": "user", "content": "Hello"}]}
    assert known("gpt-4o", "responses", asked).tokens == known("gpt-4o", "chat", same).tokens
    assert known("gpt-4o", "responses", asked | {"previous_response_id": "resp_1"}).error >= 1


def image(url: str, detail: str = "high") -> object:
    """A chat request with one image and no word."""
    part = {"type": "image_url", "image_url": {"url": url, "detail": detail}}
    return {"messages": [{"role": "user", "content": [part]}]}


def test_images_cost_by_their_size() -> None:
    """An image in the request costs what OpenAI's formula says, besides the seven tokens around any
    message (three, its role, three); one behind a URL as much as any may, and says that."""
    assert known("gpt-4o", "chat", image(data_url(1024, 1024))).tokens == 7 + 765
    assert known("gpt-4o", "chat", image(data_url(4096, 8192), "low")).tokens == 7 + 85
    away = known("gpt-4o", "chat", image("https://example.com/a.png"))
    assert away.tokens == 7 + 85 + 8 * 170
    assert away.error > 0.9
    source = {"type": "base64", "data": data_url(1092, 1092).partition(",")[2]}
    part = {"type": "image", "source": source}
    asked = {"messages": [{"role": "user", "content": [part]}]}
    assert known("claude-opus-4-1", "messages", asked).tokens == pytest.approx(1590, abs=10)


def test_what_cannot_be_told_is_said() -> None:
    """Sounds and files make the count a guess, however many words there are beside them."""
    for part in ({"type": "input_audio"}, {"type": "file"}, {"type": "document"}):
        content = [{"type": "text", "text": "word " * 5000}, part]
        asked = {"messages": [{"role": "user", "content": content}]}
        assert known("gpt-4o", "chat", asked).error >= 1


KEYS = """
role content type text image_url url source data tool_calls function arguments name parameters
properties enum items input output tools system messages detail
"""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS.split()),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(
    endpoint=st.sampled_from([*Endpoint]),
    asked=st.dictionaries(
        st.sampled_from(["messages", "input", "prompt", "tools", "system", "response_format"]),
        json_values,
    ),
)
def test_any_json_is_counted_or_not_but_never_raises(endpoint: str, asked: object) -> None:
    """Whatever a caller sends: a count that is no less than nothing, or None (ROUTE-14)."""
    count = prompt("gpt-4o", endpoint, asked)
    assert count is None or (count.tokens >= 0 and count.error >= 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"messages":',
        b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"messages":[' + b"1," * 600_000 + b"1]}",
        b'{"messages":' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_no_request_is_not_counted(body: bytes) -> None:
    """Torn, deep, huge and foreign bodies are None."""
    assert count_prompt(measure_of("gpt-4o", None), "gpt-4o", "chat", body) is None


def test_half_a_character_counts() -> None:
    """A lone surrogate, which JSON can say and UTF-8 cannot, is counted as what replaces it."""
    asked = b'{"messages":[{"role":"user","content":"\\ud83d"}]}'
    count = count_prompt(measure_of("gpt-4o", None), "gpt-4o", "chat", asked)
    assert count is not None
    assert count.tokens == 7 + vocabulary.count("o200k_base", "\ufffd")


def test_a_learned_factor_replaces_the_guess() -> None:
    """Thirty samples of Claude outweigh the first guess, and an exact vocabulary stays exact."""
    learned = Learned(samples=30, counted=1000, actual=1500, judged=30, error_squares=30 * 0.01)
    claude, gpt = measure_of("claude-x", learned), measure_of("gpt-4o", learned)
    assert (claude.factor, gpt.factor) == (1.5, 1.0)
    assert claude.error == pytest.approx(0.196)
    assert measure_of("claude-x", Learned(samples=29, counted=1000, actual=1500)).factor == 1.2
