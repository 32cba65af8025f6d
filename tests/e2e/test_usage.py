"""`dd0c usage` and its API: totals that add up to the ledger's rows, digit by digit."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from tests.support.product import Product, until

pytestmark = pytest.mark.e2e


@pytest.fixture
def spent(product: Product, tenant: str) -> str:
    """The key of an organisation with four requests: three priced, one not."""
    calls = [
        ("gpt-5-mini", "input=1000;cached=200;tokens=50;reasoning=30"),  # 0.000415
        ("gpt-5-mini", "input=7;tokens=1"),  # 7 x 0.25 + 1 x 2 = 3.75 millionths
        ("gpt-4o-mini", "input=1;tokens=1"),  # 1 x 0.15 + 1 x 0.6 = 0.75 millionths
        ("some-model-nobody-sells", "input=10;tokens=1"),
    ]
    for model, fault in calls:
        assert product.chat(key=tenant, model=model, fault=fault).status_code == 200
    until(
        lambda: product.get_json("/route/usage", key=tenant)["total"]["requests"] == len(calls),
        "all four requests are in the ledger",
    )
    return tenant


def test_usage_adds_up(product: Product, spent: str) -> None:
    """R-11: rows add up to the total exactly; what has no price is counted, never free."""
    done = product.cli("usage", "--json", "--since", "1h", DD0C_KEY=spent)
    assert done.returncode == 0, done.stderr
    usage = json.loads(done.stdout)
    rows = {row["model"]: row for row in usage["rows"]}
    assert rows["gpt-5-mini"]["cost_usd"] == "0.00041875"
    assert rows["gpt-4o-mini"]["cost_usd"] == "0.00000075"
    assert rows["some-model-nobody-sells"]["cost_usd"] is None
    assert rows["some-model-nobody-sells"]["unpriced_requests"] == 1
    assert usage["total"]["cost_usd"] == "0.0004195"
    assert usage["total"]["unpriced_requests"] == 1
    for count in ("requests", "input", "output"):
        assert sum(row[count] for row in rows.values()) == usage["total"][count]
    assert usage["total"]["input"] == 1000 + 7 + 1 + 10


@pytest.mark.parametrize("by", ["model", "key", "day"])
def test_usage_as_csv_adds_up(product: Product, spent: str, by: str) -> None:
    """The CSV holds the same numbers, whatever a row is."""
    done = product.cli("usage", "--by", by, "--csv", DD0C_KEY=spent)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows
    assert sum(Decimal(row["cost_usd"] or 0) for row in rows) == Decimal("0.0004195")
    assert sum(int(row["requests"]) for row in rows) == 4


def test_usage_for_people(product: Product, spent: str) -> None:
    """In a pipe: plain columns with a total; an unknown cost is a dash, made-up money called so."""
    done = product.cli("usage", DD0C_KEY=spent)
    head, *rows, total, remark = done.stdout.splitlines()
    assert head.split()[:2] == ["model", "requests"]
    (unpriced,) = [row.split() for row in rows if row.startswith("some-model-nobody-sells")]
    assert unpriced[-2:] == ["–", "1"]
    assert total.split()[:2] == ["total", "4"]
    assert total.split()[-2:] == ["0.00041950", "1"]
    assert remark == "of which 0.0004195 USD simulated: nobody charges it"


def test_nothing_outside_the_span_counts(product: Product, spent: str) -> None:
    """--until before the requests leaves an exact nothing."""
    usage = product.get_json("/route/usage", key=spent, until="2026-01-01T00:00:00Z")
    assert usage["rows"] == []
    assert (usage["total"]["requests"], usage["total"]["cost_usd"]) == (0, "0")
