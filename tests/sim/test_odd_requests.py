"""Requests of odd shapes: always an answer or a refusal, never a crash."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from dd0c.sim.http import Request
from dd0c.sim.simulator import Simulator
from tests.sim.test_images import data_url

Path = tuple[str | int, ...]
GONE: Any = object()
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "\0",
    [],
    [None],
    [1],
    {},
    {"a": 1},
    10**20,
    GONE,
]
IMAGE = data_url(64, 64)
PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 2}},
    "required": ["a"],
}
SCHEMA = {
    "type": "array",
    "minItems": 2,
    "items": {"anyOf": [{"type": "string", "maxLength": 3}, {"$ref": "#"}]},
}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TEXT = {"type": "text", "text": "x"}
WHOLE: dict[str, Any] = {
    "/v1/chat/completions": {
        "model": "gpt-5",
        "messages": [
            {"role": "user", "content": [TEXT, {"type": "image_url", "image_url": {"url": IMAGE}}]},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "content": "x", "tool_call_id": "1"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
        "stream": True,
        "stream_options": {"include_usage": True},
        "stop": ["a"],
        "n": 2,
        "reasoning_effort": "low",
    },
    "/v1/responses": {
        "model": "gpt-5",
        "input": [
            {"role": "user", "content": [{"type": "input_image", "image_url": IMAGE}]},
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"},
            {"type": "function_call_output", "output": "x", "call_id": "1"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": PARAMETERS}],
        "tool_choice": "auto",
        "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}},
        "stream": True,
        "reasoning": {"effort": "low"},
        "max_output_tokens": 99,
    },
    "/v1/completions": {
        "model": "gpt-3.5-turbo-instruct",
        "prompt": ["a", [1, 2]],
        "n": 2,
        "echo": True,
        "stop": "x",
        "stream": True,
        "max_tokens": 0,
    },
    "/v1/embeddings": {
        "model": "text-embedding-3-small",
        "input": ["a", [1, 2]],
        "dimensions": 4,
        "encoding_format": "base64",
    },
    "/v1/messages": {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "system": [TEXT | {"cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "data": IMAGE[22:]}},
                    {"type": "tool_use", "name": "f", "input": {}},
                    {"type": "tool_result", "content": [TEXT]},
                ],
            }
        ],
        "tools": [{"name": "f", "input_schema": PARAMETERS}],
        "tool_choice": {"type": "tool", "name": "f"},
        "stop_sequences": ["a"],
        "stream": True,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "/v1/messages/count_tokens": {
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": [TEXT]}],
    },
}
ROUNDS = 250


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where in a value something can be put."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else members:
        yield from places(inner, (*path, key))


def changed(value: Any, path: Path, new: Any) -> Any:
    """A copy with something else in one place, or without it."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    if new is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy


@pytest.mark.parametrize("path", WHOLE)
def test_odd_requests_are_answered_or_refused(path: str) -> None:
    """Whatever stands in whatever place, there is a 200, or a 4xx with a message (R-4)."""
    dice = random.Random(path)
    simulator = Simulator()
    headers = [(b"authorization", b"Bearer k"), (b"anthropic-version", b"1")]
    statuses = set()
    for _ in range(ROUNDS):
        body = WHOLE[path]
        for _ in range(dice.randint(0, 2)):
            body = changed(body, dice.choice(list(places(body))), dice.choice(ODD))
        sent = json.dumps(body).encode()
        request = Request("req_1", "POST", path, headers)
        answer = simulator.respond(request, sent, simulator.records.open(request, sent)).answer
        statuses.add(answer.status)
        if answer.stream is not None:
            assert all(event.endswith(b"\n\n") for event in answer.stream.events())
        elif answer.status != 200:
            assert json.loads(answer.body)["error"]["message"], body
    assert 200 in statuses
    assert statuses <= {200, 400, 404}
