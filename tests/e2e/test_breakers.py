"""A provider dies and comes back, as all of dd0c sees it (K-61, R-31)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.plain import NO_TLS
from tests.support.product import Product, until

pytestmark = pytest.mark.e2e

ENOUGH = 20  # of tests/support/product.py
AT_ONCE = 12


@pytest.fixture
def played(product: Product) -> Iterator[Product]:
    """The product, whose simulator goes back to what it was; nothing of it is left alone then."""
    yield product
    play(product)
    until(lambda: product.chat().status_code == 200, "the provider is tried again")


def play(product: Product, faults: str = "") -> None:
    """What the simulated providers do from now on, to everybody."""
    url, rules = f"{product.sim_url}/_sim/scenario", [{"faults": faults}] if faults else []
    httpx.put(url, json={"rules": rules}, verify=NO_TLS).raise_for_status()


def reached(product: Product) -> int:
    """Requests that came to the simulator."""
    stats = httpx.get(f"{product.sim_url}/_sim/stats", verify=NO_TLS).json()
    return int(stats["requests"])


def open_breakers(product: Product) -> list[dict[str, Any]]:
    """What the gateway itself says now."""
    facts = json.loads((product.home / "run" / "gateway.json").read_text())
    answer = httpx.get(f"{facts['admin_url']}/readyz", verify=NO_TLS)
    return list(answer.json()["breakers"])


def is_refusal(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and answer.json()["error"]["code"] == "breaker_open"


def test_a_provider_dies_and_comes_back(played: Product) -> None:
    """K-61, R-31: exactly at the threshold its requests are refused at once, in the dialect, with
    the time to wait and an attempt 0 in the ledger; health, status, metrics and doctor name it; of
    all who ask when it has rested one is let through, over all workers; then all are again."""
    product = played
    _, key = product.new_org()
    assert product.chat(key=key).status_code == 200
    play(product, "status=500")
    before = reached(product)
    for _ in range(ENOUGH - 1):
        assert product.chat(key=key).status_code == 500
    assert open_breakers(product) == []
    assert product.chat(key=key).status_code == 500
    until(lambda: bool(open_breakers(product)), "the breaker is open")

    refused = [product.chat(key=key) for _ in range(3)]
    refused_message = httpx.post(
        f"{product.gateway_url}/v1/chat/completions",
        headers={"Authorization": f"Bearer {key}"},
        json={"model": "gpt-5-mini", "messages": [], "stream": True},
        verify=NO_TLS,
    )
    assert all(map(is_refusal, [*refused, refused_message]))
    assert reached(product) == before + ENOUGH
    assert 1 <= int(refused[0].headers["retry-after"]) <= 3
    (shown,) = open_breakers(product)
    assert shown["state"] == "open"
    assert shown["name"].startswith("provider:prv_")
    named = f'dd0c_breaker_state{{breaker="{shown["name"]}"}}'
    facts = json.loads((product.home / "run" / "gateway.json").read_text())
    metrics = httpx.get(f"{facts['admin_url']}/metrics", verify=NO_TLS).text
    assert f"{named} 2" in metrics

    play(product, "latency=2000")  # it works again, slowly
    until(lambda: open_breakers(product)[0]["tried_again_in_s"] == 0, "it has rested")
    before = reached(product)
    with ThreadPoolExecutor(AT_ONCE) as callers:
        answers = list(callers.map(lambda _: product.chat(key=key), range(AT_ONCE)))
    assert sorted(map(is_refusal, answers)) == [False] + [True] * (AT_ONCE - 1)
    assert reached(product) == before + 1
    play(product)
    until(lambda: not open_breakers(product), "the breaker is closed")
    assert {product.chat(key=key).status_code for _ in range(AT_ONCE)} == {200}

    def rows() -> list[dict[str, Any]]:
        found = product.get_json("/route/requests", key=key, end_reason="breaker", limit=100)
        return list(found["items"])

    until(lambda: len(rows()) == 4 + AT_ONCE - 1, "every refusal is in the ledger")
    one = product.get_json(f"/route/requests/{rows()[0]['request_id']}", key=key)
    assert [attempt["attempt"] for attempt in one["attempts"]] == [0]
