"""Every endpoint through both official SDKs, to which our comment in a stream is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Ask
from tests.e2e.test_sdks import CHAT_COST, CHAT_FAULT, MESSAGES_COST, MESSAGES_FAULT, MODES, row_of
from tests.support.product import Product, until

pytestmark = pytest.mark.e2e

CHAT_USAGE = {
    "input": 1000,
    "cache_read": 200,
    "cache_write_5m": None,
    "cache_write_1h": None,
    "output": 50,
    "reasoning": 30,
}


@pytest.mark.parametrize(("mode", "stream"), MODES)
def test_responses(product: Product, sdk: Ask, tenant: str, mode: str, stream: bool) -> None:
    """R-1, R-3, R-10, R-18: a response is the provider's own, billed to the token; in a stream its
    usage is the caller's, and so is every event."""
    call: dict[str, Any] = {
        "what": "responses",
        "mode": mode,
        "stream": stream,
        "model": "gpt-5-mini",
        "headers": {"x-sim-fault": CHAT_FAULT},
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert "error" not in answer, answer
    assert len(answer["text"]) > 50
    same = ("text", "finish", "usage")
    assert [answer[name] for name in same] == [direct[name] for name in same]
    row = row_of(product, tenant, answer)
    assert (row["usage"], row["cost_usd"]) == (CHAT_USAGE, CHAT_COST)
    assert (row["endpoint"], row["stream"], row["end_reason"]) == ("responses", stream, "complete")
    assert answer["headers"].get("x-dd0c-cost-usd") == (None if stream else CHAT_COST)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_response_that_reached_its_limit_is_complete(
    product: Product, sdk: Ask, tenant: str, mode: str
) -> None:
    """R-1: `response.incomplete` ends a stream as well as `response.completed`."""
    call: dict[str, Any] = {
        "what": "responses",
        "mode": mode,
        "stream": True,
        "model": "gpt-5-mini",
        "body": {"max_output_tokens": 16},
    }
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert answer["finish"] == "incomplete"
    row = row_of(product, tenant, answer)
    assert (row["end_reason"], row["usage_source"]) == ("complete", "provider")


def test_a_response_that_is_cut_is_the_sdks_error(product: Product, sdk: Ask, tenant: str) -> None:
    """R-4, R-30: a provider that breaks off is an exception in the caller's program."""
    call: dict[str, Any] = {
        "what": "responses",
        "mode": "sync",
        "stream": True,
        "model": "gpt-5-mini",
        "headers": {"x-sim-fault": "cut_after=8"},
    }
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert answer["error"] == "APIError"
    assert "closed the connection" in answer["message"]


@pytest.mark.parametrize(("mode", "stream"), MODES)
def test_completions(product: Product, sdk: Ask, tenant: str, mode: str, stream: bool) -> None:
    """R-1, R-18: the old endpoint is billed like the others; the usage that we asked for in its
    stream is not the caller's. 1000 x 1.5 + 50 x 2 millionths."""
    call: dict[str, Any] = {
        "what": "completions",
        "mode": mode,
        "stream": stream,
        "model": "gpt-3.5-turbo-instruct",
        "headers": {"x-sim-fault": "input=1000;tokens=50"},
        "body": {"max_tokens": 100},
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert "error" not in answer, answer
    same = ("text", "finish", "usage")
    assert [answer[name] for name in same] == [direct[name] for name in same]
    assert (answer["usage"] is None) == stream
    row = row_of(product, tenant, answer)
    assert (row["endpoint"], row["usage"]["input"], row["usage"]["output"]) == (
        *("completions", 1000),
        50,
    )
    assert row["cost_usd"] == "0.0016"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_counting_tokens(product: Product, sdk: Ask, tenant: str, mode: str) -> None:
    """R-1: the count is the provider's, costs a known nothing, and is no request in sums."""
    call: dict[str, Any] = {
        "what": "count_tokens",
        "mode": mode,
        "stream": False,
        "model": "claude-haiku-4-5",
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert answer["usage"] == direct["usage"]
    assert answer["headers"]["x-dd0c-cost-usd"] == "0"
    row = row_of(product, tenant, answer)
    assert (row["endpoint"], row["cost_usd"], row["usage_source"]) == ("count_tokens", "0", "none")
    summed = product.get_json("/route/usage", key=tenant, by="model")
    assert summed["total"]["requests"] == 0


HELPERS = {
    "chat": ("gpt-5-mini", CHAT_FAULT, CHAT_COST),
    "responses": ("gpt-5-mini", CHAT_FAULT, CHAT_COST),
    "messages": ("claude-haiku-4-5", MESSAGES_FAULT, MESSAGES_COST),
}


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("what", HELPERS)
def test_the_sdks_stream_helpers_put_the_answer_together(
    product: Product, sdk: Ask, tenant: str, what: str, mode: str
) -> None:
    """R-18: what the helpers of both SDKs make of a stream is the same with our comment in it."""
    model, fault, cost = HELPERS[what]
    call: dict[str, Any] = {
        "what": what,
        "mode": mode,
        "stream": False,
        "helper": True,
        "model": model,
        "headers": {"x-sim-fault": fault},
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert "error" not in answer, answer
    assert len(answer["text"]) > 50
    assert (answer["text"], answer["finish"]) == (direct["text"], direct["finish"])
    assert answer["usage"] == direct["usage"]
    until(lambda: bool(shipped(product, tenant)), "the request is in the ledger")
    (only,) = shipped(product, tenant)
    assert (only["stream"], only["cost_usd"]) == (True, cost)


def shipped(product: Product, key: str) -> list[dict[str, Any]]:
    """The requests of a tenant."""
    found: list[dict[str, Any]] = product.get_json("/route/requests", key=key)["items"]
    return found
