"""Budgets and limits from the API to every worker, and back to what a list shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal

import httpx
import pytest

from tests.support.plain import NO_TLS
from tests.support.product import Product, until

pytestmark = pytest.mark.e2e

BUDGETS = "/route/budgets"
CONNECTIONS = 8  # spread over both workers by the kernel


@pytest.fixture
def clients() -> Iterator[list[httpx.Client]]:
    """Callers that keep their connections, so both workers are asked."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(httpx.Client(timeout=20.0, verify=NO_TLS))
            for _ in range(CONNECTIONS)
        ]


def ask(product: Product, key: str, client: httpx.Client) -> httpx.Response:
    """A small chat completion."""
    return client.post(
        f"{product.gateway_url}/v1/chat/completions",
        headers={"Authorization": f"Bearer {key}"},
        json={"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]},
    )


def test_a_budget_holds_on_every_worker_and_ends_on_every_worker(
    product: Product, tenant: str, clients: list[httpx.Client]
) -> None:
    """A nano-dollar is too little for anything: set, all are refused; removed, all are served; and
    nobody else notices (R-16). The second that it may take is measured in test_rules_feed."""

    def statuses(key: str) -> set[int]:
        return {ask(product, key, client).status_code for client in clients}

    _, stranger = product.new_org()
    assert statuses(tenant) == statuses(stranger) == {200}
    body = {"scope": "organisation", "window": "total", "usd": "0.000000001", "hard": True}
    made = product.api("POST", BUDGETS, key=tenant, json=body)
    assert made.status_code == 201, made.text
    until(lambda: statuses(tenant) == {429}, "every worker refuses")
    assert statuses(stranger) == {200}
    gone = product.api("DELETE", f"{BUDGETS}/{made.json()['id']}", key=tenant)
    assert gone.status_code == 200, gone.text
    until(lambda: statuses(tenant) == {200}, "every worker serves")


def test_a_list_shows_what_the_gateways_count(
    product: Product, tenant: str, clients: list[httpx.Client]
) -> None:
    """What a hard budget has spent is what the callers were told, digit by digit, and what was
    reserved comes back (R-16)."""
    before = sum((cost(ask(product, tenant, client)) for client in clients), Decimal())
    body = {"scope": "organisation", "window": "month", "usd": "5.00", "hard": True}
    assert product.api("POST", BUDGETS, key=tenant, json=body).status_code == 201
    after = sum((cost(ask(product, tenant, client)) for client in clients), Decimal())

    def shown() -> tuple[str | None, str | None, str | None]:
        (one,) = product.get_json(BUDGETS, key=tenant)["items"]
        return one["spent_usd"], one["reserved_usd"], one["unknown"]

    wanted = (f"{(before + after).normalize():f}", "0", None)
    until(lambda: shown() == wanted, f"{wanted} is shown")


def cost(answer: httpx.Response) -> Decimal:
    """What the caller is told that it cost."""
    assert answer.status_code == 200, answer.text
    return Decimal(answer.headers["x-dd0c-cost-usd"])
