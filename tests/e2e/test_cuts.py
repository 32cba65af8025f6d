"""A caller that leaves, through the whole product: what it pays for stands in the ledger (R-13)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.support.plain import NO_TLS
from tests.support.product import Product, until
from tests.support.worker import count

pytestmark = pytest.mark.e2e

PROMPT = "Tell me about the sea, in some words."


def ask(product: Product, key: str, *, events: int, fault: str) -> tuple[str, str]:
    """Read so many events with text of a stream, and leave; the request and the text."""
    body = {
        "model": "gpt-5-mini",
        "stream": True,
        "messages": [{"role": "user", "content": PROMPT}],
        "max_completion_tokens": 400,
    }
    headers = {"authorization": f"Bearer {key}", "x-sim-fault": fault}
    url, text = f"{product.gateway_url}/v1/chat/completions", ""
    with (
        httpx.Client(timeout=20.0, verify=NO_TLS) as client,
        client.stream("POST", url, json=body, headers=headers) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
                events -= 1
            if not events:
                break
    return answer.headers["x-dd0c-request-id"], text


def booked(product: Product, key: str, request: str) -> dict[str, Any]:
    """The only attempt of a request, as soon as it is in the ledger."""
    path = f"/route/requests/{request}"
    until(lambda: product.api("GET", path, key=key).status_code == 200, "it is booked")
    (attempt,) = product.get_json(path, key=key)["attempts"]
    assert isinstance(attempt, dict)
    return attempt


def test_a_cut_stream_is_counted(product: Product) -> None:
    """What came is counted by the gateway with the model's vocabulary, and priced: the prompt at
    $0.25 for a million tokens, the text at $2."""
    _, key = product.new_org()
    request, text = ask(product, key, events=6, fault="stall_after=6;stall=60")
    assert text
    attempt = booked(product, key, request)
    assert (attempt["end_reason"], attempt["usage_source"]) == ("client_gone", "estimated")
    assert attempt["delivered_output_tokens"] == attempt["usage"]["output"] == count(text)
    messages = [{"role": "user", "content": PROMPT}]
    exact = product.chat(key=key, messages=messages).json()["usage"]["prompt_tokens"]
    tokens_in = attempt["usage"]["input"]
    assert tokens_in == pytest.approx(exact, abs=3)
    cost = Decimal(tokens_in * 25 + count(text) * 200) / 10**8
    assert Decimal(attempt["cost_usd"]) == Decimal(attempt["cost_delivered_usd"]) == cost


def test_an_organisation_may_have_answers_read_on(product: Product) -> None:
    """Under the policy `drain` the row has the provider's own usage, and what was delivered."""
    _, key = product.new_org()
    policy = product.api("PUT", "/route/disconnect-policy", key=key, json={"policy": "drain"})
    assert policy.status_code in (200, 204), policy.text

    def drained() -> bool:
        request, text = ask(product, key, events=4, fault="pace=10;tokens=60")
        attempt = booked(product, key, request)
        assert attempt["end_reason"] == "client_gone"
        assert attempt["delivered_output_tokens"] >= count(text)
        if attempt["usage_source"] == "estimated":
            return False  # the gateway had not heard of the policy
        assert attempt["upstream_output_tokens"] > attempt["delivered_output_tokens"]
        return True

    until(drained, "an answer is read on")
