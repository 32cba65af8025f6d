"""A price of one's own, from the API to the bill of a running gateway (R-12)."""

from __future__ import annotations

import httpx
import pytest

from tests.support.product import Product, until

pytestmark = pytest.mark.e2e

PATH = "/route/prices/overrides"
LISTED = "0.00035"  # 1000 x 0.25 + 50 x 2 millionths
OWN = "0.00028"  # 1000 x 0.2 + 50 x 1.6


def ask(product: Product, key: str) -> httpx.Response:
    return product.chat(key=key, fault="input=1000;tokens=50")


def all_bill(product: Product, key: str, usd: str) -> bool:
    """Whether fresh connections, spread over the workers, bill this."""
    return all(ask(product, key).headers["x-dd0c-cost-usd"] == usd for _ in range(6))


def test_workers_bill_ones_own_price_and_nobody_elses(product: Product) -> None:
    """Set over the API it is what every worker bills, under the model's dated name too; the ledger
    says by which price; another organisation pays the list's; removed, the list holds again."""
    (_, ours), (_, theirs) = product.new_org(), product.new_org()
    first = ask(product, ours)
    assert first.headers["x-dd0c-cost-usd"] == LISTED
    assert first.json()["model"] == "gpt-5-mini-2025-08-07"
    rates = {"input": "0.2", "cache_read": "0.02", "output": "1.6"}
    wanted = {"provider": "openai", "model": "gpt-5-mini", "tiers": [rates]}
    made = product.api("POST", PATH, key=ours, json=wanted).json()
    until(lambda: all_bill(product, ours, OWN), "every worker bills the organisation's own price")
    assert ask(product, theirs).headers["x-dd0c-cost-usd"] == LISTED
    last = ask(product, ours).headers["x-dd0c-request-id"]
    price = product.get_json(f"/route/requests/{last}", key=ours)["attempts"][0]["price"]
    assert (price["source"], price["id"]) == ("override", made["price_id"])
    assert price["rates"]["tiers"] == made["tiers"]
    assert product.api("DELETE", f"{PATH}/{made['id']}", key=ours).status_code == 200
    until(lambda: all_bill(product, ours, LISTED), "every worker bills the list's price again")


def test_a_hard_budget_follows_what_was_rated_again(product: Product) -> None:
    """What a request turns out to have cost is what its budget is charged: after a re-rating the
    counters are counted anew from the ledger (R-12, R-16)."""
    _, ours = product.new_org()
    wanted = {"scope": "organisation", "window": "total", "usd": "1", "hard": True}
    made = product.api("POST", "/route/budgets", key=ours, json=wanted)
    assert made.status_code == 201, made.text
    request = ask(product, ours).headers["x-dd0c-request-id"]
    budget = f"/route/budgets/{made.json()['id']}"

    def spent() -> str:
        return str(product.get_json(budget, key=ours)["spent_usd"])

    until(lambda: spent() == LISTED, "the budget is charged what was billed")
    product.get_json(f"/route/requests/{request}", key=ours)  # it is in the ledger
    rates = {"input": "0.2", "cache_read": "0.02", "output": "1.6"}
    price = {"provider": "openai", "model": "gpt-5-mini", "tiers": [rates]}
    price["from"] = "2020-01-01T00:00:00Z"
    assert product.api("POST", PATH, key=ours, json=price).status_code == 201
    since = {"since": "2020-01-01T00:00:00Z", "apply": True}
    rated = product.api("POST", "/route/rerate", key=ours, json=since).json()
    assert (rated["total"]["new_usd"], rated["budgets_follow"]) == (OWN, True)
    until(lambda: spent() == OWN, "the budget is charged what it costs now")
