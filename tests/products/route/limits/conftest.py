"""A whole dd0c with four gateway workers, and organisations with rules of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from dd0c.base import settings
from dd0c.kernel.cache.client import Client, open_client
from dd0c.kernel.db import address, roles
from tests.support.plain import NO_TLS
from tests.support.product import Product, running, until

__all__ = ["Shop"]


@dataclass(frozen=True, slots=True)
class Shop:
    """An organisation that buys tokens."""

    product: Product
    name: str
    key: str

    def set(self, method: str, path: str, **wanted: object) -> None:
        """Set a rule or terms, and wait until the gateway goes by it."""
        before = self.product_version()
        answer = self.product.api(method, f"/route/{path}", key=self.key, json=wanted)
        assert answer.status_code in (200, 201), answer.text
        until(lambda: self.product_version() > before, "the gateway knows")

    def budget(self, usd: str, **others: object) -> None:
        """A hard budget of the organisation."""
        self.set(
            "POST", "budgets", **{"scope": "organisation", "window": "total", "usd": usd, **others}
        )

    def limit(self, **wanted: object) -> None:
        """A limit of the organisation."""
        self.set("POST", "limits", scope="organisation", **wanted)

    def chat(self, fault: str = "", **body: object) -> httpx.Response:
        """A chat completion."""
        return self.product.chat(key=self.key, fault=fault, **body)

    def charged(self) -> int:
        """Pico-dollars that the ledger says it was charged, from the rows themselves."""
        found = self._ask(
            "SELECT coalesce(sum(charged_pico), 0) FROM route.attempts WHERE org = %s"
        )
        assert isinstance(found, int)
        return found

    def refusals(self) -> int:
        """Rows of number 0, which a limit ended, and which cost nothing."""
        found = self._ask(
            "SELECT count(*) FROM route.attempts WHERE org = %s AND attempt = 0"
            " AND end_reason = 'limit' AND billed_pico = 0 AND final"
        )
        assert isinstance(found, int)
        return found

    def open_attempts(self) -> int:
        """Attempts in the ledger whose worker died."""
        found = self._ask(
            "SELECT count(*) FROM route.attempts WHERE org = %s AND end_reason = 'lost'"
        )
        assert isinstance(found, int)
        return found

    def reserved(self) -> str:
        """What its only budget holds for requests on their way."""
        (budget,) = self.product.get_json("/route/budgets", key=self.key)["items"]
        return str(budget["reserved_usd"])

    def spent(self) -> str:
        """What its only budget has settled, as the gateways' counters know it."""
        (budget,) = self.product.get_json("/route/budgets", key=self.key)["items"]
        return str(budget["spent_usd"])

    def metric(self, name: str) -> float:
        """A number of the gateway's, summed over its labels."""
        return metric(self.product, name)

    def product_version(self) -> int:
        """How many changes the gateway has seen."""
        facts = httpx.get(f"{_admin(self.product)}/readyz", timeout=10).json()
        return int(facts["snapshot"]["version"])

    def _ask(self, query: str) -> object:
        found = settings.load({"home": str(self.product.home)}, {})
        with psycopg.connect(address.conninfo(found, roles.OWNER).reveal()) as owner:
            (org,) = owner.execute(
                "SELECT id FROM kernel.organisations WHERE name = %s", (self.name,)
            ).fetchone() or (None,)
            (value,) = owner.execute(query.encode(), (org,)).fetchone() or (None,)
        return int(value) if value is not None else None


@pytest.fixture(scope="module")
def dd0c() -> Iterator[Product]:
    """A dd0c of this module's own: its workers and its Valkey are killed."""
    with running(DD0C_WORKERS="4") as product:
        yield product


@pytest.fixture
def shop(dd0c: Product) -> Shop:
    """An organisation without rules."""
    return new_shop(dd0c)


@pytest.fixture
def valkey(dd0c: Product) -> Callable[[], Client]:
    """Opens clients of the product's Valkey."""
    return lambda: open_client(settings.load({"home": str(dd0c.home)}, {}), 1)


def new_shop(product: Product) -> Shop:
    """Another organisation."""
    return Shop(product, *product.new_org())


def metric(product: Product, name: str) -> float:
    """A number of the gateway's, summed over its labels."""
    lines = httpx.get(f"{_admin(product)}/metrics", timeout=10, verify=NO_TLS).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def _admin(product: Product) -> str:
    return str(json.loads((product.home / "run" / "gateway.json").read_text())["admin_url"])
