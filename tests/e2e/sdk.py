"""Runs the official SDKs in a process of its own: one JSON call a line in, one JSON answer out.

A call is {"what", "base_url", "key", "mode": "sync" | "async", "stream", "model", "headers"}; with
"helper" the stream is read by the SDK's own helper, which puts the answer together again. An answer
has what a user's program would see: text, usage, headers, or the error's class and body.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import anthropic
import openai

Call = dict[str, Any]
Answer = dict[str, Any]
Shaped = Callable[[Any, Any], Answer]
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
    with _client(call, openai.OpenAI, anthropic.Anthropic) as client:
        if call["what"] == "models":
            return {"models": [model.id for model in client.models.list()]}
        resource, asked, shaped = _CALLS[call["what"]]
        if call.get("helper"):
            with resource(client).stream(**_for_helper(asked(call))) as stream:
                for _ in stream:
                    pass
                return shaped(_final(stream), {})
        raw = _method(resource(client), call)(**asked(call))
        parsed = raw.parse()
        return shaped(list(parsed) if call["stream"] else parsed, raw.headers)


def run_async(call: Call) -> Answer:
    """The call through an asynchronous client."""
    return asyncio.run(_run_async(call))


async def _run_async(call: Call) -> Answer:
    async with _client(call, openai.AsyncOpenAI, anthropic.AsyncAnthropic) as client:
        if call["what"] == "models":
            return {"models": [model.id async for model in client.models.list()]}
        resource, asked, shaped = _CALLS[call["what"]]
        if call.get("helper"):
            async with resource(client).stream(**_for_helper(asked(call))) as stream:
                async for _ in stream:
                    pass
                return shaped(await _final(stream), {})
        raw = await _method(resource(client), call)(**asked(call))
        parsed = await _parsed(raw)
        return shaped([e async for e in parsed] if call["stream"] else parsed, raw.headers)


async def _parsed(raw: Any) -> Any:
    found = raw.parse()
    return await found if asyncio.iscoroutine(found) else found


def _client(call: Call, of_openai: Any, of_anthropic: Any) -> Any:
    theirs = call["what"] in ("messages", "count_tokens")
    return (of_anthropic if theirs else of_openai)(
        base_url=call["base_url"] + ("" if theirs else "/v1"),
        api_key=call["key"],
        max_retries=0,
        timeout=30.0,
        default_headers=call.get("headers") or {},
    )


def _method(resource: Any, call: Call) -> Any:
    raw = resource.with_raw_response
    return raw.count_tokens if call["what"] == "count_tokens" else raw.create


def _for_helper(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name != "stream"}


def _final(stream: Any) -> Any:
    """What the helper made of the stream; with an asynchronous one, to be awaited."""
    for name in ("get_final_completion", "get_final_response", "get_final_message"):
        if hasattr(stream, name):
            return getattr(stream, name)()
    raise AssertionError("no such helper")


def _asked(call: Call, **rest: Any) -> dict[str, Any]:
    return {"model": call["model"], "stream": call["stream"]} | rest | (call.get("body") or {})


def _chat(call: Call) -> dict[str, Any]:
    return _asked(call, messages=QUESTION)


def _messages(call: Call) -> dict[str, Any]:
    return _asked(call, messages=QUESTION, max_tokens=1000)


def _count(call: Call) -> dict[str, Any]:
    return {"model": call["model"], "messages": QUESTION}


def _completion(call: Call) -> dict[str, Any]:
    return _asked(call, prompt=QUESTION[0]["content"])


def _response(call: Call) -> dict[str, Any]:
    return _asked(call, input=QUESTION[0]["content"])


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


def _of_completion(found: Any, headers: Any) -> Answer:
    parts = found if isinstance(found, list) else [found]
    choices = [choice for part in parts for choice in part.choices]
    usage = next((part.usage for part in parts if part.usage), None)
    return {
        "text": "".join(choice.text for choice in choices),
        "usage": usage and usage.model_dump(),
        "finish": next((c.finish_reason for c in choices if c.finish_reason), None),
        "headers": dict(headers),
    }


def _of_response(found: Any, headers: Any) -> Answer:
    if isinstance(found, list):
        deltas = [e.delta for e in found if e.type == "response.output_text.delta"]
        text, ended = "".join(deltas), found[-1]
        if ended.type == "error":
            return {"text": text, "finish": "error", "headers": dict(headers)}
        found = ended.response
        assert text == found.output_text
    return {
        "text": found.output_text,
        "usage": found.usage and found.usage.model_dump(),
        "finish": found.status,
        "headers": dict(headers),
    }


def _of_count(found: Any, headers: Any) -> Answer:
    return {"usage": found.model_dump(), "headers": dict(headers)}


def _of_embeddings(found: Any, headers: Any) -> Answer:
    return {
        "text": f"{len(found.data)} x {len(found.data[0].embedding)}",
        "usage": found.usage.model_dump(),
        "finish": None,
        "headers": dict(headers),
    }


_CALLS: dict[str, tuple[Callable[[Any], Any], Callable[[Call], Call], Shaped]] = {
    "chat": (lambda client: client.chat.completions, _chat, _of_chat),
    "completions": (lambda client: client.completions, _completion, _of_completion),
    "count_tokens": (lambda client: client.messages, _count, _of_count),
    "embeddings": (lambda client: client.embeddings, _embeddings, _of_embeddings),
    "messages": (lambda client: client.messages, _messages, _of_messages),
    "responses": (lambda client: client.responses, _response, _of_response),
}


if __name__ == "__main__":
    main()
