"""Keys by the command line, on both ports: rotated under the same limits, and bound to networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.plain import NO_TLS
from tests.support.product import Product, until

pytestmark = pytest.mark.e2e


def run(product: Product, tenant: str, *argv: str) -> dict[str, Any]:
    """What a verb says as JSON."""
    done = product.cli(*argv, "--json", DD0C_KEY=tenant)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def everywhere(product: Product, key: str, status: int) -> Callable[[], bool]:
    """Whether fresh connections, spread over all workers, get this status for asking nothing."""
    url = f"{product.gateway_url}/v1/chat/completions"
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "192.0.2.1"}

    def asked() -> bool:
        answers = (httpx.post(url, headers=headers, content="{}", verify=NO_TLS) for _ in range(12))
        return all(answer.status_code == status for answer in answers)

    return asked


def test_a_rotated_key_goes_on_under_its_limits(product: Product, tenant: str) -> None:
    """`dd0c key rotate NAME --overlap`: both work, together they may do what the one might, and the
    old one ends on every worker; each id of the line finds its requests (K-20, K-60)."""
    made = run(product, tenant, "key", "create", "shop", "--requests-per-minute", "2")
    until(everywhere(product, made["key"], 400), "the key is known")
    assert product.chat(key=made["key"]).status_code == 200
    new = run(product, tenant, "key", "rotate", "shop", "--overlap", "1h")
    until(everywhere(product, new["key"], 400), "the new key is known")
    assert product.chat(key=new["key"]).status_code == 200
    assert product.chat(key=made["key"]).status_code == 429
    assert product.chat(key=new["key"]).status_code == 429
    last = run(product, tenant, "key", "rotate", "shop", "--overlap", "0m")
    assert last["follows"] == new["id"]
    until(everywhere(product, new["key"], 401), "the leaked key ended")
    assert product.chat(key=last["key"]).status_code == 429

    other = run(product, tenant, "key", "create", "other")

    def found() -> list[int]:
        paths = (f"/route/requests?key={one['id']}" for one in (made, new, last, other))
        answers = (product.api("GET", path, key=tenant).json() for path in paths)
        return [len(answer["items"]) for answer in answers]

    until(lambda: found() == [5, 5, 5, 0], "each id of the line finds its requests")
    with httpx.Client(
        base_url=f"{product.console_url}/console/route",
        headers={"Authorization": f"Bearer {tenant}"},
        params={"key": new["id"]},
        verify=NO_TLS,
    ) as console:
        assert len(console.get("/requests.json").json()["items"]) == 5
        assert len(console.get("/requests.csv").text.splitlines()) == 1 + 5
    shown = run(product, tenant, "key", "show", made["id"])
    assert (shown["line"], shown["followed_by"]) == (made["id"], new["id"])


def test_a_key_works_from_its_networks_only(product: Product, tenant: str) -> None:
    """At the gateway and at the API, whatever a header claims, until its networks are others
    (K-20)."""
    there = ("--network", "192.0.2.0/24", "--network", "2001:db8::/32")
    made = run(product, tenant, "key", "create", "bound", "--role", "viewer", *there)
    until(everywhere(product, made["key"], 403), "the key is refused for where it is used")
    refused = product.chat(key=made["key"])
    assert refused.json()["error"]["code"] == "address_not_allowed"
    assert "127.0.0.1" in refused.json()["error"]["message"]
    assert product.api("GET", "/me", key=made["key"]).status_code == 403
    run(product, tenant, "key", "change", "bound", "--network", "127.0.0.0/8")
    until(everywhere(product, made["key"], 400), "the key works here")
    assert product.api("GET", "/me", key=made["key"]).status_code == 200
