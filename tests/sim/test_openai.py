"""The simulator as OpenAI, through the official SDK."""

from __future__ import annotations

import base64
import math
import struct

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from tests.sim.conftest import OPENAI_KEY
from tests.support.simulator import Simulator

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]

# Written out by hand, one token between bars.
HELLO_ANSWER = (
    "The| release| went| out| at| noon|,| and| by| one| the| number| of| errors| was| back| to"
    "| normal|."
)
HELLO_TEXT = HELLO_ANSWER.replace("|", "")
HELLO_PROMPT_TOKENS = 8  # 3 for the message, user, Hello, 3 for the reply: what OpenAI bills


def test_chat_answers_with_counted_usage(gpt: openai.OpenAI) -> None:
    """A completion has OpenAI's shape and its usage is the tokenizer's count (ROUTE-1)."""
    answer = gpt.chat.completions.create(model="gpt-5-mini", messages=HELLO)
    assert answer.object == "chat.completion"
    assert answer.model == "gpt-5-mini-2025-08-07"
    assert answer.choices[0].message.content == HELLO_TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == HELLO_PROMPT_TOKENS
    assert answer.usage.completion_tokens == 19
    assert answer.usage.total_tokens == 27


def test_prompts_are_counted_as_openai_documents(gpt: openai.OpenAI) -> None:
    """The prompt's tokens follow OpenAI's published formula for chat models (ROUTE-1)."""
    answer = gpt.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": "You are brief."},  # 3, system, You| are| brief|.
            {"role": "user", "content": [{"type": "text", "text": "Count to 3."}]},
            {"role": "user", "content": "Good morning, everyone", "name": "ann"},
        ],
    )
    assert answer.usage is not None
    counted = 3 + 1 + 4  # You| are| brief|.
    counted += 3 + 1 + 5  # Count| to| |3|.
    counted += 3 + 1 + 4 + 2  # Good| morning|,| everyone and ann with one for being a name
    assert answer.usage.prompt_tokens == counted + 3


def test_stream_without_include_usage_has_no_usage(gpt: openai.OpenAI) -> None:
    """Usage is streamed only to those who ask for it (ROUTE-18)."""
    chunks = list(gpt.chat.completions.create(model="gpt-5-mini", messages=HELLO, stream=True))
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].delta.content for c in chunks[1:-1]] == HELLO_ANSWER.split("|")
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_stream_with_include_usage_ends_with_it(gpt: openai.OpenAI) -> None:
    """With include_usage the last chunk has usage and no choices; the others have null."""
    chunks = list(
        gpt.chat.completions.create(
            model="gpt-5-mini",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert all("usage" in c.model_fields_set and c.usage is None for c in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (8, 19)


async def test_async_clients_get_the_same(gpt_async: openai.AsyncOpenAI) -> None:
    """The asynchronous SDK sees the same answer, streamed and not (ROUTE-1)."""
    async with gpt_async as client:
        answer = await client.chat.completions.create(model="gpt-5-mini", messages=HELLO)
        stream = await client.chat.completions.create(
            model="gpt-5-mini", messages=HELLO, stream=True
        )
        text = "".join([c.choices[0].delta.content or "" async for c in stream])
        vectors = await client.embeddings.create(model="text-embedding-3-small", input="one")
        models = [model.id async for model in client.models.list()]
    assert answer.choices[0].message.content == text == HELLO_TEXT
    assert len(vectors.data[0].embedding) == 1536
    assert "gpt-5-mini" in models


@pytest.mark.parametrize("limit", [{"max_tokens": 3}, {"max_completion_tokens": 3}])
def test_token_limits_end_with_length(gpt: openai.OpenAI, limit: dict[str, int]) -> None:
    """A limit cuts the answer at that many tokens and says so, streamed and not (ROUTE-1)."""
    body = {"model": "gpt-5-mini", "messages": HELLO, **limit}
    answer = gpt.post("/chat/completions", body=body, cast_to=ChatCompletion)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == "The release went"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3
    chunks = list(
        gpt.chat.completions.create(
            model="gpt-5-mini", messages=HELLO, stream=True, max_completion_tokens=3
        )
    )
    assert [c.choices[0].delta.content for c in chunks] == ["", "The", " release", " went", None]
    assert chunks[-1].choices[0].finish_reason == "length"


def test_stop_sequences_end_the_text_before_them(gpt: openai.OpenAI) -> None:
    """The answer ends before the first stop sequence, and only that text is billed."""
    answer = gpt.chat.completions.create(
        model="gpt-5-mini", messages=HELLO, stop=[" number", "nothing", " by one"]
    )
    assert answer.choices[0].message.content == "The release went out at noon, and"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8


def test_several_choices_differ_and_are_all_billed(gpt: openai.OpenAI) -> None:
    """n choices are n texts, streamed under their index, and their tokens add up."""
    answer = gpt.chat.completions.create(model="gpt-5", messages=HELLO, n=3, max_tokens=5)
    texts = [choice.message.content for choice in answer.choices]
    assert len(set(texts)) == 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 15
    streamed = ["", "", ""]
    for chunk in gpt.chat.completions.create(
        model="gpt-5", messages=HELLO, n=3, max_tokens=5, stream=True
    ):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == texts


def test_the_same_request_gets_the_same_bytes(sim: Simulator) -> None:
    """Bodies follow from the request alone, so a proxied answer can be compared byte for byte."""
    url = f"{sim.url}/v1/chat/completions"
    headers = {"Authorization": f"Bearer {OPENAI_KEY}"}
    body = {"model": "gpt-5", "messages": HELLO, "stream": True}
    with httpx.Client(headers=headers) as client:
        first, second = client.post(url, json=body), client.post(url, json=body)
        other = client.post(url, json=body | {"model": "gpt-4o"})
    assert first.content == second.content != other.content
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert int(first.headers["openai-processing-ms"]) >= 1


def test_embeddings_are_unit_vectors_in_either_encoding(gpt: openai.OpenAI) -> None:
    """Float and base64 give the same unit vector, of the length asked for (ROUTE-1)."""
    model = "text-embedding-3-large"
    floats = gpt.embeddings.create(model=model, input="one two", encoding_format="float")
    packed = gpt.embeddings.with_raw_response.create(
        model=model, input="one two", encoding_format="base64"
    )
    vector = floats.data[0].embedding
    raw = base64.b64decode(packed.http_response.json()["data"][0]["embedding"])
    assert list(struct.unpack("<3072f", raw)) == vector
    assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-5)
    assert (floats.usage.prompt_tokens, floats.usage.total_tokens) == (2, 2)
    short = gpt.embeddings.create(model=model, input="one two", dimensions=8)
    assert len(short.data[0].embedding) == 8


@pytest.mark.parametrize(
    ("given", "vectors", "tokens"),
    [
        ("one", 1, 1),
        (["one", "one two", "one two three"], 3, 6),
        ([1, 2, 3], 1, 3),
        ([[1, 2], [3]], 2, 3),
    ],
)
def test_embeddings_take_every_form_of_input(
    gpt: openai.OpenAI,
    given: str | list[str] | list[int] | list[list[int]],
    vectors: int,
    tokens: int,
) -> None:
    """Text, texts, tokens and lists of tokens are understood and counted (ROUTE-1)."""
    answer = gpt.embeddings.create(model="text-embedding-3-small", input=given)
    assert [item.index for item in answer.data] == list(range(vectors))
    assert answer.usage.prompt_tokens == tokens


def test_models_are_listed_and_found(gpt: openai.OpenAI) -> None:
    """The models list holds well-known names, each of which can be asked for (ROUTE-1)."""
    names = [model.id for model in gpt.models.list()]
    assert {"gpt-5", "gpt-5-mini", "gpt-4o-mini", "text-embedding-3-small"} <= set(names)
    assert [gpt.models.retrieve(name).id for name in names] == names
    with pytest.raises(openai.NotFoundError, match="'nope' does not exist"):
        gpt.models.retrieve("nope")


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, None, None),
        (b"\xff\xfe", 400, None, None),
        (b"[1]", 400, None, None),
        (b'{"model":"m","messages":[{"role":"user"}],"x":' + b"[" * 99_999, 400, None, None),
        (b'{"messages":[{"role":"user"}]}', 400, None, None),
        (b'{"model":"m"}', 400, "missing_required_parameter", "messages"),
        (b'{"model":"m","messages":[]}', 400, "invalid_value", "messages"),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud83d"}]}', 400, None, None),
        (b'{"model":"unknown-1","messages":[{"role":"user"}]}', 404, "model_not_found", None),
    ],
)
def test_bad_requests_get_openais_errors(
    sim: Simulator, body: bytes, status: int, code: str | None, param: str | None
) -> None:
    """What OpenAI refuses is refused with its status and in its shape (ROUTE-4)."""
    headers = {"Authorization": f"Bearer {OPENAI_KEY}"}
    answer = httpx.post(f"{sim.url}/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


@pytest.mark.parametrize(
    ("headers", "said"),
    [({}, "You didn't provide an API key"), ({"Authorization": "Bearer invalid-1"}, "Incorrect")],
)
def test_a_missing_or_wrong_key_is_refused(
    sim: Simulator, headers: dict[str, str], said: str
) -> None:
    """Without a good key there is OpenAI's 401, and it does not show the key."""
    answer = httpx.get(f"{sim.url}/v1/models", headers=headers)
    assert answer.status_code == 401
    assert said in answer.json()["error"]["message"]
    assert "invalid-1" not in answer.text


def test_unknown_paths_and_methods_are_refused(sim: Simulator) -> None:
    """A path OpenAI does not have is 404, a method it does not take 405."""
    headers = {"Authorization": f"Bearer {OPENAI_KEY}"}
    with httpx.Client(base_url=sim.url, headers=headers) as client:
        assert client.get("/v1/nope").json()["error"]["message"] == "Invalid URL (GET /v1/nope)"
        assert client.get("/v1/chat/completions").status_code == 405
        assert client.delete("/v1/models").status_code == 405
