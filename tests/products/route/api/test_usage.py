"""Usage over HTTP: exact sums, CSV that no spreadsheet runs, and nothing of other tenants."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from dd0c.kernel.web.csvlines import neutral
from dd0c.products.route.models import Usage
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, ship, tenant_of
from tests.support.control import Served

DAY_US = 86_400 * 1_000_000
FORMULA = '=HYPERLINK("http://evil.example","free")'


@pytest.fixture(scope="module")
def filled(served: Served) -> Served:
    """Acme: two priced requests, one without a price, one model named like a formula."""
    org, key = tenant_of(served, served.acme)
    other, other_key = tenant_of(served, served.globex)

    def row(day: int, cost: int | None, model: str = "gpt-5-mini") -> Any:
        opened = records.opened(
            org,
            at_us=records.START_US + day * DAY_US,
            key_id=key.bytes,
            requested_model=model,
        )
        reason = None if cost is not None else "no_price"
        return rated(opened, cost_pico=cost, cost_reason=reason, usage=Usage(input=10, output=5))

    theirs = records.opened(other, key_id=other_key.bytes, requested_model="globex-model")
    ship(
        served,
        [
            row(0, 1),
            row(1, 10**13),
            row(1, None, "unknown-model"),
            row(2, 3, FORMULA),
            rated(theirs),
        ],
    )
    return served


@pytest.fixture(scope="module")
def mixed(served: Served) -> Served:
    """The first organisation: 0.43 and 1 dollar that are charged, 0.12 of the simulator."""
    org, key = tenant_of(served, served.platform)
    register(served)
    rows = []
    for cost, changes in (
        (430_000_000_000, {}),
        (120_000_000_000, {"credential_id": records.SIMULATOR.bytes}),
        (10**12, {"requested_model": "gpt-5"}),
    ):
        opened = records.opened(org, key_id=key.bytes, **changes)
        rows.append(rated(opened, cost_pico=cost))
    ship(served, rows)
    return served


def usage(served: Served, key: str, **params: str) -> dict[str, Any]:
    """The JSON answer."""
    with served.client(key) as client:
        answer = client.get("/api/v1/route/usage", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_sums_are_exact(filled: Served) -> None:
    """A pico-dollar beside ten dollars is not lost; the unpriced are counted, not taken as 0."""
    found = usage(filled, filled.acme)
    assert found["total"]["cost_usd"] == "10.000000000004"
    assert found["total"]["unpriced_requests"] == 1
    assert (found["total"]["requests"], found["total"]["input"]) == (4, 40)
    rows = {row["model"]: row for row in found["rows"]}
    assert rows["gpt-5-mini"]["cost_usd"] == "10.000000000001"
    assert rows["unknown-model"]["cost_usd"] is None
    assert rows["unknown-model"]["unpriced_requests"] == 1


@pytest.mark.parametrize("by", ["model", "key", "provider", "day"])
def test_rows_add_up_to_the_total(filled: Served, by: str) -> None:
    """However it is cut, the rows add up to the same total, digit by digit (R-11)."""
    found = usage(filled, filled.acme, by=by)
    costs = [Decimal(row["cost_usd"]) for row in found["rows"] if row["cost_usd"] is not None]
    assert sum(costs) == Decimal(found["total"]["cost_usd"]) == Decimal("10.000000000004")
    assert sum(row["requests"] for row in found["rows"]) == 4
    assert all(row[by] is not None for row in found["rows"])


def test_by_key_and_by_day(filled: Served) -> None:
    """Keys have their names and ids, days are in UTC and in order; a span cuts the days."""
    (row,) = usage(filled, filled.acme, by="key")["rows"]
    assert row["key"] == "owner"
    assert row["key_id"].startswith("key_")
    days = [row["day"] for row in usage(filled, filled.acme, by="day")["rows"]]
    assert days == ["2026-11-03", "2026-11-04", "2026-11-05"]
    span = {"since": "2026-11-04T00:00:00Z", "until": "2026-11-05T00:00:00Z"}
    assert [row["day"] for row in usage(filled, filled.acme, by="day", **span)["rows"]] == days[1:2]


def test_simulated_money_is_said_apart(mixed: Served) -> None:
    """What nobody charges is in the sum and beside it, in JSON and in CSV; null where none is."""
    found = usage(mixed, mixed.platform)
    rows = {row["model"]: (row["cost_usd"], row["simulated_cost_usd"]) for row in found["rows"]}
    assert rows == {"gpt-5-mini": ("0.55", "0.12"), "gpt-5": ("1", None)}
    total = found["total"]
    assert (total["cost_usd"], total["simulated_cost_usd"]) == ("1.55", "0.12")
    with mixed.client(mixed.platform) as client:
        text = client.get("/api/v1/route/usage", params={"format": "csv"}).text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["simulated_cost_usd"] for line in lines] == ["", "0.12"]


def test_nothing_costs_nothing(filled: Served) -> None:
    """A span without requests cost exactly 0, and no token count is known."""
    total = usage(filled, filled.acme, until="2020-01-01T00:00:00Z")["total"]
    assert (total["requests"], total["cost_usd"], total["input"]) == (0, "0", None)


@pytest.mark.parametrize("by", ["model", "key", "provider", "day"])
def test_csv_is_the_same_numbers(filled: Served, by: str) -> None:
    """The CSV holds the rows of the JSON, and a model named like a formula is only text (K-52)."""
    with filled.client(filled.acme) as client:
        answer = client.get("/api/v1/route/usage", params={"by": by, "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert f"usage-by-{by}.csv" in answer.headers["content-disposition"]
    found = list(csv.DictReader(io.StringIO(answer.text)))
    rows = usage(filled, filled.acme, by=by)["rows"]
    assert len(found) == len(rows) > 0
    for line, row in zip(found, rows, strict=True):
        for name, cell in line.items():
            assert cell == ("" if row[name] is None else neutral(str(row[name]))), name
            assert not cell.startswith(("=", "+", "-", "@"))
    if by == "model":
        assert f"'{FORMULA}" in [line["model"] for line in found]


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "＠x"])
def test_formula_cells_are_neutralised(cell: str) -> None:
    """Every beginning that a spreadsheet takes for a formula is quoted; other text is not."""
    assert neutral(cell) == f"'{cell}"
    assert neutral("a" + cell) == "a" + cell
    assert neutral("") == ""


def test_two_tenants_on_usage(filled: Served) -> None:
    """Another organisation's usage is in no row and no total, whatever the cut (K-11)."""
    for by in ("model", "key", "provider", "day"):
        for params in ({"format": "json"}, {"format": "csv"}):
            with filled.client(filled.globex) as client:
                text = client.get("/api/v1/route/usage", params=params | {"by": by}).text
            assert "gpt-5-mini" not in text
            assert "10.0000" not in text
        assert usage(filled, filled.globex, by=by)["total"]["requests"] == 1
        assert usage(filled, filled.acme, by=by)["total"]["requests"] == 4


@pytest.mark.parametrize("query", ["by=rain", "format=xml", "since=x", "days=3", "by=key&by=day"])
def test_a_wrong_question_is_a_400(filled: Served, query: str) -> None:
    """A question that we do not answer is refused and named."""
    with filled.client(filled.acme) as client:
        assert client.get(f"/api/v1/route/usage?{query}").status_code == 400
