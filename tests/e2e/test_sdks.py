"""Official SDKs against the running product: the answer, its usage, its ledger row, its cost.

Costs are worked out by hand from the providers' price pages, dollars per million tokens:
gpt-5-mini 0.25 input, 0.025 cached, 2 output; claude-haiku-4-5 1 input, 0.1 cache read, 1.25 and 2
cache write (5 minutes, 1 hour), 5 output; text-embedding-3-small 0.02 input.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Ask
from tests.support.product import Product

pytestmark = pytest.mark.e2e

# 1000 x 0.25 + 200 x 0.025 + (50 + 30) x 2 = 415 millionths
CHAT_FAULT, CHAT_COST = "input=1000;cached=200;tokens=50;reasoning=30", "0.000415"
# 1000 x 1 + 200 x 0.1 + 400 x 1.25 + 100 x 2 + 50 x 5 = 1970 millionths
MESSAGES_FAULT = "input=1000;cached=200;cache_write_5m=400;cache_write_1h=100;tokens=50"
MESSAGES_COST = "0.00197"

MODES = [(mode, stream) for mode in ("sync", "async") for stream in (False, True)]


def row_of(product: Product, key: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The ledger's attempt that the caller got."""
    found = product.get_json(f"/route/requests/{answer['headers']['x-dd0c-request-id']}", key=key)
    finals = [attempt for attempt in found["attempts"] if attempt["final"]]
    assert len(finals) == 1
    only: dict[str, Any] = finals[0] | {"stream": found["stream"], "endpoint": found["endpoint"]}
    return only


@pytest.mark.parametrize(("mode", "stream"), MODES)
def test_chat_completions(product: Product, sdk: Ask, tenant: str, mode: str, stream: bool) -> None:
    """R-1, R-3, R-10: the openai SDK gets the provider's own answer, billed to the token."""
    call: dict[str, Any] = {
        "what": "chat",
        "mode": mode,
        "stream": stream,
        "model": "gpt-5-mini",
        "headers": {"x-sim-fault": CHAT_FAULT},
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert "error" not in answer, answer
    assert (answer["text"], answer["finish"]) == (direct["text"], direct["finish"])
    assert len(answer["text"]) > 50
    row = row_of(product, tenant, answer)
    assert row["usage"] == {
        "input": 1000,
        "cache_read": 200,
        "cache_write_5m": None,
        "cache_write_1h": None,
        "output": 50,
        "reasoning": 30,
    }
    assert row["cost_usd"] == CHAT_COST
    assert (row["requested_model"], row["served_model"]) == ("gpt-5-mini", "gpt-5-mini-2025-08-07")
    assert (row["status"], row["end_reason"], row["usage_source"]) == (200, "complete", "provider")
    assert (row["stream"], row["endpoint"]) == (stream, "chat")
    if stream:
        assert answer["usage"] is None  # the caller did not ask for it: ours is taken out again
    else:
        assert answer["usage"] == direct["usage"]
        assert answer["headers"]["x-dd0c-cost-usd"] == CHAT_COST


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_caller_that_asks_for_usage_in_a_stream_gets_it(
    product: Product, sdk: Ask, tenant: str, mode: str
) -> None:
    """R-18: a usage chunk that the caller asked for is the caller's."""
    call: dict[str, Any] = {
        "what": "chat",
        "mode": mode,
        "stream": True,
        "model": "gpt-5-mini",
        "headers": {"x-sim-fault": CHAT_FAULT},
        "body": {"stream_options": {"include_usage": True}},
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert answer["usage"] == direct["usage"]
    assert answer["usage"]["prompt_tokens"] == 1200


@pytest.mark.parametrize(("mode", "stream"), MODES)
def test_messages(product: Product, sdk: Ask, tenant: str, mode: str, stream: bool) -> None:
    """R-1, R-3, R-10: the anthropic SDK gets the provider's own answer, billed to the token."""
    call: dict[str, Any] = {
        "what": "messages",
        "mode": mode,
        "stream": stream,
        "model": "claude-haiku-4-5",
        "headers": {"x-sim-fault": MESSAGES_FAULT},
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert "error" not in answer, answer
    assert (answer["text"], answer["finish"]) == (direct["text"], direct["finish"])
    assert answer["usage"] == direct["usage"]
    row = row_of(product, tenant, answer)
    assert row["usage"] == {
        "input": 1000,
        "cache_read": 200,
        "cache_write_5m": 400,
        "cache_write_1h": 100,
        "output": 50,
        "reasoning": None,
    }
    assert row["cost_usd"] == MESSAGES_COST
    assert (row["status"], row["end_reason"], row["endpoint"]) == (200, "complete", "messages")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_embeddings(product: Product, sdk: Ask, tenant: str, mode: str) -> None:
    """R-1: embeddings pass through, billed by their input."""
    call: dict[str, Any] = {
        "what": "embeddings",
        "mode": mode,
        "stream": False,
        "model": "text-embedding-3-small",
        "headers": {"x-sim-fault": "input=500"},
    }
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert answer["text"] == "1 x 1536"
    row = row_of(product, tenant, answer)
    assert (row["usage"]["input"], row["cost_usd"]) == (
        500,
        "0.00001",
    )  # 500 x 0.02 = 10 millionths


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_models(product: Product, sdk: Ask, tenant: str, mode: str) -> None:
    """R-1: the list of models is the provider's."""
    call: dict[str, Any] = {"what": "models", "mode": mode, "stream": False}
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert "gpt-5-mini" in answer["models"]
    assert answer["models"] == direct["models"]


@pytest.mark.parametrize("what", ["chat", "messages"])
@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("status=400", "BadRequestError", 400),
        ("status=429", "RateLimitError", 429),
        ("status=500", "InternalServerError", 500),
    ],
)
def test_a_providers_error_is_the_sdks_own(
    product: Product, sdk: Ask, tenant: str, what: str, fault: str, error: str, status: int
) -> None:
    """R-4: the SDK raises what it would raise from the provider; the attempt is in the ledger."""
    call: dict[str, Any] = {
        "what": what,
        "mode": "sync",
        "stream": False,
        "model": "gpt-5-mini" if what == "chat" else "claude-haiku-4-5",
        "headers": {"x-sim-fault": fault},
    }
    direct = sdk(**call, base_url=product.sim_url, key="any")
    answer = sdk(**call, base_url=product.gateway_url, key=tenant)
    assert (answer["error"], answer["status"]) == (error, status)
    assert (direct["error"], direct["status"]) == (error, status)
    assert answer["body"] == direct["body"] | _own_ids(answer["body"], direct["body"])
    row = row_of(product, tenant, answer)
    assert (row["status"], row["upstream_status"]) == (status, status)
    assert row["end_reason"] == "upstream_error"


@pytest.mark.parametrize(
    ("what", "error"), [("chat", "AuthenticationError"), ("messages", "AuthenticationError")]
)
@pytest.mark.parametrize("key", ["dd0c_sk_" + "A" * 43, "sk-not-ours", "somebody-elses"])
def test_an_unknown_key_is_the_sdks_authentication_error(
    product: Product, sdk: Ask, what: str, error: str, key: str
) -> None:
    """K-20, R-4: an odd key gets a 401 in the caller's dialect that says what to do."""
    call: dict[str, Any] = {"what": what, "mode": "sync", "stream": False, "model": "gpt-5-mini"}
    answer = sdk(**call, base_url=product.gateway_url, key=key)
    assert (answer["error"], answer["status"]) == (error, 401)
    assert key not in answer["message"]


def _own_ids(body: Any, direct: Any) -> dict[str, Any]:
    """What may differ between two equal calls: ids made for each."""
    return {name: body[name] for name in ("request_id",) if name in direct and name in body}
