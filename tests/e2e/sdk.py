"""Runs the official SDKs in a process of its own: one JSON call a line in, one JSON answer out.

A call is {"what", "base_url", "key", "mode": "sync" | "async", "stream", "model", "headers"}. An
answer has what a user's program would see: text, usage, headers, or the error's class and body.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import anthropic
import openai

Call = dict[str, Any]
Answer = dict[str, Any]
QUESTION: Any = [{"role": "user", "content": "What did it cost?"}]


def main() -> None:
    """Serve calls until stdin ends."""
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = run_async(call) if call["mode"] == "async" else run_sync(call)
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            answer = {
                "error": type(error).__name__,
                "status": error.status_code,
                "message": error.message,
                "body": error.body,
                "headers": dict(error.response.headers),
            }
        except (openai.APIError, anthropic.APIError) as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)


def run_sync(call: Call) -> Answer:
    """The call through a synchronous client."""
    if call["what"] == "messages":
        with anthropic.Anthropic(**_client(call, v1=False)) as client:
            raw = client.messages.with_raw_response.create(**_messages(call))
            parsed = raw.parse()
            return _of_messages(list(parsed) if call["stream"] else parsed, raw.headers)
    with openai.OpenAI(**_client(call, v1=True)) as client:
        if call["what"] == "models":
            return {"models": [model.id for model in client.models.list()]}
        if call["what"] == "embeddings":
            embedded = client.embeddings.with_raw_response.create(**_embeddings(call))
            return _of_embeddings(embedded.parse(), embedded.headers)
        answer = client.chat.completions.with_raw_response.create(**_chat(call))
        parsed = answer.parse()
        return _of_chat(list(parsed) if call["stream"] else parsed, answer.headers)


def run_async(call: Call) -> Answer:
    """The call through an asynchronous client."""
    return asyncio.run(_run_async(call))


async def _run_async(call: Call) -> Answer:
    if call["what"] == "messages":
        async with anthropic.AsyncAnthropic(**_client(call, v1=False)) as client:
            raw = await client.messages.with_raw_response.create(**_messages(call))
            parsed = await _parsed(raw)
            return _of_messages(
                [event async for event in parsed] if call["stream"] else parsed, raw.headers
            )
    async with openai.AsyncOpenAI(**_client(call, v1=True)) as client:
        if call["what"] == "models":
            return {"models": [model.id async for model in client.models.list()]}
        if call["what"] == "embeddings":
            embedded = await client.embeddings.with_raw_response.create(**_embeddings(call))
            return _of_embeddings(await _parsed(embedded), embedded.headers)
        answer = await client.chat.completions.with_raw_response.create(**_chat(call))
        parsed = await _parsed(answer)
        return _of_chat([e async for e in parsed] if call["stream"] else parsed, answer.headers)


async def _parsed(raw: Any) -> Any:
    found = raw.parse()
    return await found if asyncio.iscoroutine(found) else found


def _client(call: Call, *, v1: bool) -> dict[str, Any]:
    url = call["base_url"] + ("/v1" if v1 else "")
    headers = call.get("headers") or {}
    return {
        "base_url": url,
        "api_key": call["key"],
        "max_retries": 0,
        "timeout": 30.0,
        "default_headers": headers,
    }


def _chat(call: Call) -> dict[str, Any]:
    asked = {"model": call["model"], "messages": QUESTION, "stream": call["stream"]}
    return asked | (call.get("body") or {})


def _messages(call: Call) -> dict[str, Any]:
    return _chat(call) | {"max_tokens": 1000}


def _embeddings(call: Call) -> dict[str, Any]:
    return {"model": call["model"], "input": "What did it cost?"}


def _of_chat(found: Any, headers: Any) -> Answer:
    if not isinstance(found, list):
        text, usage = found.choices[0].message.content, found.usage
        finish = found.choices[0].finish_reason
    else:
        choices = [choice for event in found for choice in event.choices]
        text = "".join(choice.delta.content or "" for choice in choices)
        usage = next((event.usage for event in found if event.usage), None)
        finish = next((c.finish_reason for c in choices if c.finish_reason), None)
    return {
        "text": text,
        "usage": usage and usage.model_dump(),
        "finish": finish,
        "headers": dict(headers),
    }


def _of_messages(found: Any, headers: Any) -> Answer:
    if not isinstance(found, list):
        text, usage, finish = found.content[0].text, found.usage.model_dump(), found.stop_reason
    else:
        deltas = [event.delta for event in found if event.type == "content_block_delta"]
        text = "".join(delta.text for delta in deltas)
        begun = next(event for event in found if event.type == "message_start")
        ended = next(event for event in found if event.type == "message_delta")
        usage = begun.message.usage.model_dump() | {"output_tokens": ended.usage.output_tokens}
        finish = ended.delta.stop_reason
    return {"text": text, "usage": usage, "finish": finish, "headers": dict(headers)}


def _of_embeddings(found: Any, headers: Any) -> Answer:
    return {
        "text": f"{len(found.data)} x {len(found.data[0].embedding)}",
        "usage": found.usage.model_dump(),
        "finish": None,
        "headers": dict(headers),
    }


if __name__ == "__main__":
    main()
