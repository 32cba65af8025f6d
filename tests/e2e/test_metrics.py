"""Every metric of the reference is on a scrape of a running dd0c (K-82)."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.house import tree
from tests.support.plain import NO_TLS
from tests.support.product import Product, until

pytestmark = pytest.mark.e2e

REFERENCE = Path(tree.ROOT) / "docs" / "reference" / "metrics.md"


def scrape(url: str) -> tuple[str, set[str]]:
    """The text, and the families in it that have a sample."""
    text = httpx.get(f"{url}/metrics", timeout=10, verify=NO_TLS).raise_for_status().text
    found = [f for f in text_string_to_metric_families(text) if f.samples]
    return text, {f"{f.name}_total" if f.type == "counter" else f.name for f in found}


def scrape_all(url: str, listed: set[str]) -> str:
    """The text once it has exactly these families: workers tell theirs once a second."""
    with suppress(AssertionError):  # the one below tells which
        until(lambda: listed <= scrape(url)[1], url)
    text, found = scrape(url)
    assert found == listed
    return text


def test_every_metric_of_the_reference_is_there(product: Product) -> None:
    """What the page lists is what a scraper finds after traffic, and names no key and no tenant."""
    name, key = product.new_org()
    assert product.chat(key=key).status_code == 200
    assert product.chat(key=key, model="nobody-knows-its-price").status_code == 200
    budget = {"scope": "organisation", "window": "total", "usd": "0.000000001", "hard": True}
    assert product.api("POST", "/route/budgets", key=key, json=budget).status_code == 201
    until(lambda: product.chat(key=key).status_code == 429, "the budget refuses")
    assert product.get_json("/route/providers", key=key)["items"]  # and how their breakers stand
    parts = {part["kind"]: part["facts"] for part in product.get_json("/parts")["items"]}
    urls = {
        "Gateway": parts["gateway"]["admin_url"],
        "Control server": product.console_url,
        "Job worker": parts["worker"]["admin_url"],
        "Simulator": product.sim_url,
    }
    key_id = product.get_json("/me", key=key)["key"]["id"]
    for section in REFERENCE.read_text().split("\n## ")[1:]:
        part, _, table = section.partition("\n")
        listed = set(re.findall(r"^\| `(\w+)` ", table, re.MULTILINE))
        assert listed
        text = scrape_all(urls[part], listed)
        for private in (name, key, key[:16], key_id, "nobody-knows-its-price"):
            assert private not in text


def test_every_part_says_that_it_lives_and_is_ready(product: Product) -> None:
    """/livez and /readyz of gateway parent and worker, control, job worker and simulator (K-5)."""
    parts = {part["kind"]: part["facts"] for part in product.get_json("/parts")["items"]}
    for url in (
        product.gateway_url,
        parts["gateway"]["admin_url"],
        product.console_url,
        parts["worker"]["admin_url"],
        product.sim_url,
    ):
        for path in ("livez", "readyz"):
            assert httpx.get(f"{url}/{path}", verify=NO_TLS).status_code == 200, (url, path)


def test_a_running_product_is_well(product: Product) -> None:
    """Every item of health is there and ok; prices may have aged since this was built (K-5)."""
    report = product.get_json("/health")
    bad = [item for item in report["items"] if item["status"] != "ok"]
    assert [item for item in bad if item["name"] != "prices"] == []
    assert {item["name"] for item in report["items"]} == {
        *("database", "cache", "worker", "audit log", "disk", "breakers"),
        *("gateway", "spool", "snapshot", "prices"),
    }
