"""Statuses, bodies, types and events that are not as they should be, through the official SDKs."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.sim.conftest import TIMEOUT_S, open_claude, open_gpt
from tests.sim.test_faults import CLAUDE, GPT, STREAMED, USAGE, chat, message, received
from tests.support.simulator import Simulator

RETRIES = openai.DEFAULT_MAX_RETRIES  # two, at both
STATUSES = [
    (400, openai.BadRequestError, anthropic.BadRequestError, "invalid_request_error", False),
    (401, openai.AuthenticationError, anthropic.AuthenticationError, "authentication_error", False),
    (403, openai.PermissionDeniedError, anthropic.PermissionDeniedError, "permission_error", False),
    (404, openai.NotFoundError, anthropic.NotFoundError, "not_found_error", False),
    (408, openai.APIStatusError, anthropic.APIStatusError, "timeout_error", True),
    (409, openai.ConflictError, anthropic.ConflictError, "invalid_request_error", True),
    (422, openai.UnprocessableEntityError, anthropic.UnprocessableEntityError, None, False),
    (429, openai.RateLimitError, anthropic.RateLimitError, "rate_limit_error", True),
    (500, openai.InternalServerError, anthropic.InternalServerError, "api_error", True),
    (503, openai.InternalServerError, anthropic.InternalServerError, "api_error", True),
    (529, openai.InternalServerError, anthropic.InternalServerError, "overloaded_error", True),
]


@pytest.mark.parametrize(("status", "of_gpt", "of_claude", "kind", "retried"), STATUSES)
def test_statuses_are_the_sdks_own_errors_and_retried_as_in_life(
    sim: Simulator,
    *,
    status: int,
    of_gpt: type[openai.APIStatusError],
    of_claude: type[anthropic.APIStatusError],
    kind: str | None,
    retried: bool,
) -> None:
    """Each status is the SDK's exception for it, after three calls where the SDK retries, and at
    once where it does not; Retry-After is obeyed (R-4)."""
    headers = {"x-sim-fault": f"{status};retry_after=0.01"}
    with open_gpt(sim, max_retries=RETRIES) as gpt:
        with pytest.raises(of_gpt) as caught:
            gpt.chat.completions.create(**GPT, extra_headers=headers)
        assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (
            status,
            "0.01",
        )
        assert caught.value.request_id
    assert sim.stats()["requests"] == (3 if retried else 1)
    sim.ask("POST", "reset")
    with (
        open_claude(sim, max_retries=RETRIES) as claude,
        pytest.raises(of_claude) as other,
    ):
        claude.messages.create(**CLAUDE, extra_headers=headers)
    assert other.value.status_code == status
    body: Any = other.value.body
    assert kind in (None, body["error"]["type"])
    assert sim.stats()["requests"] == (3 if retried else 1)


def test_x_should_retry_overrules_the_status(sim: Simulator) -> None:
    """The SDKs do what x-should-retry says, whatever the status."""
    for fault, calls in (("400;should_retry;retry_after=0.01", 3), ("503;should_retry=0", 1)):
        sim.ask("POST", "reset")
        with (
            open_gpt(sim, max_retries=RETRIES) as gpt,
            pytest.raises(openai.APIStatusError),
        ):
            chat(gpt, fault)
        assert sim.stats()["requests"] == calls


def test_silence_is_a_timeout_and_then_a_closed_connection(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, sim: Simulator
) -> None:
    """A provider that says nothing is the SDK's timeout; left waiting, it gets no answer."""
    for call, timeout in ((chat, openai.APITimeoutError), (message, anthropic.APITimeoutError)):
        client: Any = gpt if call is chat else claude
        started = time.monotonic()
        with pytest.raises(timeout):
            call(client, "silence", timeout=0.2)  # 40 s unless told otherwise
        assert time.monotonic() - started < 2
    with pytest.raises(openai.APIConnectionError) as caught:
        chat(gpt, "silence=100")
    assert not isinstance(caught.value, openai.APITimeoutError)
    assert [r["status"] for r in sim.stats()["recent"]] == [None] * 3


def test_bodies_that_are_no_json(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """JSON that breaks off, and no body at all, are not taken for an answer."""
    for fault in ("malformed_json", "empty_body"):
        with pytest.raises((openai.APIResponseValidationError, ValueError)):
            chat(gpt, fault)
        with pytest.raises((anthropic.APIResponseValidationError, ValueError)):
            message(claude, fault)


def test_errors_that_are_no_json(gpt: openai.OpenAI) -> None:
    """An error's body can be broken too, of a stream as well: the SDK reports its status."""
    with pytest.raises(openai.InternalServerError) as caught:
        chat(gpt, "500;malformed_json;gzip", stream=True)
    assert isinstance(caught.value.body, str)


def test_streams_without_an_event(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """A stream may end before it began: no event and no error."""
    assert received(chat(gpt, "empty_body", stream=True)) == ([], None)
    assert received(message(claude, "empty_body", stream=True)) == ([], None)


def test_wrong_content_types(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """A body that is not called JSON is read as JSON if it is some; so is a stream."""
    assert chat(gpt, "wrong_type") == chat(gpt, "")
    assert message(claude, "wrong_type") == message(claude, "")
    raw = gpt.chat.completions.with_raw_response.create(
        **GPT, extra_headers={"x-sim-fault": "wrong_type"}
    )
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert len(list(chat(gpt, "wrong_type", stream=True))) == len(list(chat(gpt, "", stream=True)))


def test_a_proxys_page(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """An error in HTML is the SDK's error of that status, its body the page; under status 200 the
    page is given back as text."""
    with pytest.raises(openai.InternalServerError) as caught:
        chat(gpt, "502;html")
    assert "502 Bad Gateway" in str(caught.value.body)
    with pytest.raises(anthropic.InternalServerError, match="502 Bad Gateway"):
        message(claude, "502;html")
    assert str(chat(gpt, "html")).startswith("<html>")


@pytest.mark.parametrize("fault", ["gzip", "odd_chunks", "gzip;odd_chunks;fragment=5"])
@pytest.mark.parametrize("stream", STREAMED)
def test_encodings_change_nothing(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, *, fault: str, stream: bool
) -> None:
    """Compressed or oddly chunked, the SDK reads the same answer."""
    plain, other = (
        chat(gpt, "tokens=4", stream=stream),
        chat(gpt, f"tokens=4;{fault}", stream=stream),
    )
    assert list(plain) == list(other)
    plain = message(claude, "tokens=4", stream=stream)
    assert list(plain) == list(message(claude, f"tokens=4;{fault}", stream=stream))


def test_compressed_streams_are_readable_at_once(sim: Simulator) -> None:
    """Each event of a compressed stream can be read before the next one is written."""
    headers = {"authorization": "Bearer k", "x-sim-fault": "gzip;tokens=3;stall_after=2"}
    body = GPT | {"stream": True}
    url = f"{sim.url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=TIMEOUT_S) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        lines = answer.iter_lines()
        assert sum(next(lines).startswith("data: ") for _ in range(3)) == 2


def test_null_usage(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Usage may be there and null: at each endpoint the SDKs say None."""
    assert chat(gpt, "null_usage").usage is None
    chunks = list(chat(gpt, "null_usage", **USAGE))
    assert all(chunk.usage is None for chunk in chunks)
    answer = message(claude, "null_usage")
    assert answer.usage is None
    assert "usage" in answer.model_fields_set  # there, and null: not absent
    events = list(message(claude, "null_usage", stream=True))
    assert events[-2].usage is None
    assert (
        gpt.responses.create(
            model="gpt-5", input="Hello", extra_headers={"x-sim-fault": "null_usage"}
        ).usage
        is None
    )
    vectors = gpt.embeddings.create(
        model="text-embedding-3-small", input="a", extra_headers={"x-sim-fault": "null_usage"}
    )
    assert vectors.usage is None


def test_double_finish(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """The event that says why the answer ends comes twice; both are seen."""
    chunks = list(chat(gpt, "double_finish;tokens=2", stream=True))
    assert [c.choices[0].finish_reason for c in chunks] == [None, None, None, "stop", "stop"]
    events = list(message(claude, "double_finish;tokens=2", stream=True))
    assert [e.type for e in events][-3:] == ["message_delta", "message_delta", "message_stop"]
    headers = {"x-sim-fault": "double_finish"}
    response = gpt.responses.create(model="gpt-5", input="Hi", stream=True, extra_headers=headers)
    assert [e.type for e in response][-2:] == ["response.completed"] * 2


def test_empty_frames_and_comments(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """`data:` without data breaks OpenAI's SDK and is skipped by Anthropic's; comments are
    skipped by both."""
    got, error = received(chat(gpt, "empty_frames", stream=True))
    assert len(got) == 1
    assert isinstance(error, ValueError)
    plain = list(message(claude, "tokens=3", stream=True))
    assert list(message(claude, "tokens=3;empty_frames", stream=True)) == plain
    assert list(message(claude, "tokens=3;comments", stream=True)) == plain
    assert list(chat(gpt, "tokens=3;comments", stream=True)) == list(
        chat(gpt, "tokens=3", stream=True)
    )


def test_events_out_of_order(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    """Two events change places: text comes scrambled, Claude's helper breaks on what it missed."""
    chunks = list(chat(gpt, "tokens=4", stream=True))
    swapped = list(chat(gpt, "tokens=4;out_of_order=2", stream=True))
    assert swapped == [chunks[0], chunks[1], chunks[3], chunks[2], *chunks[4:]]
    headers = {"x-sim-fault": "out_of_order=0"}
    with (
        claude.messages.stream(**CLAUDE, extra_headers=headers) as stream,
        pytest.raises(IndexError),
    ):
        stream.get_final_message()


def test_faults_of_streams_strike_responses_too(gpt: openai.OpenAI) -> None:
    """A response breaks, errs and stalls as other streams do."""

    def ask(fault: str, **more: Any) -> Any:
        headers = {"x-sim-fault": fault}
        return gpt.responses.create(
            model="gpt-5", input="Hello", stream=True, extra_headers=headers, **more
        )

    got, error = received(ask("cut_after=3"))
    assert (len(got), type(error)) == (3, openai.APIConnectionError)
    got, error = received(ask("error_after=3"))
    assert got[-1].type == "error" or isinstance(error, openai.APIError)
    got, error = received(ask("garbage_after=3"))
    assert (len(got), isinstance(error, ValueError)) == (3, True)
    with pytest.raises(openai.APITimeoutError):
        list(ask("stall_after=2", timeout=0.2))


@pytest.mark.parametrize("fault", ["stall_after=1", "comments", "double_finish", "out_of_order"])
def test_faults_of_streams_need_a_stream(gpt: openai.OpenAI, fault: str) -> None:
    """What a request cannot show is a 400 that says what it needs, never silently no fault."""
    with pytest.raises(openai.BadRequestError, match="needs a streamed answer"):
        chat(gpt, fault)


@pytest.mark.parametrize(
    ("fault", "needed"),
    [
        ("cache_write_5m=1", "Anthropic's messages"),
        ("calls=1", "a request with tools"),
    ],
)
def test_faults_of_others_are_refused(gpt: openai.OpenAI, fault: str, needed: str) -> None:
    """A fault that belongs to another provider or to tools is refused with what it needs."""
    with pytest.raises(openai.BadRequestError, match=needed):
        chat(gpt, fault)
    with pytest.raises(openai.BadRequestError):
        gpt.models.list(extra_headers={"x-sim-fault": fault})


async def test_async_clients_see_the_same_faults(
    gpt_async: openai.AsyncOpenAI, claude_async: anthropic.AsyncAnthropic
) -> None:
    """The asynchronous SDKs report a status, a cut, silence and garbage as the synchronous do."""

    async def drain(fault: str) -> int:
        got = 0
        stream = await gpt_async.chat.completions.create(
            **GPT, stream=True, extra_headers={"x-sim-fault": fault}
        )
        async for _ in stream:
            got += 1
        return got

    async with gpt_async, claude_async:
        with pytest.raises(openai.APIConnectionError):
            await drain("cut_after=3")
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await drain("garbage_after=2")
        with pytest.raises(anthropic.APITimeoutError):
            await claude_async.messages.create(
                **CLAUDE, timeout=0.2, extra_headers={"x-sim-fault": "silence"}
            )
        with contextlib.suppress(ValueError):
            await claude_async.messages.create(
                **CLAUDE, extra_headers={"x-sim-fault": "malformed_json"}
            )
            pytest.fail("malformed JSON was taken for an answer")
