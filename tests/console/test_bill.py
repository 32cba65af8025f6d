"""Bills: whatever the price and the usage, the lines add up to what was billed."""

from __future__ import annotations

import dataclasses
import itertools
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.products.route import prices
from dd0c.products.route.hotpath import tariff
from dd0c.products.route.models import PriceRow, Usage
from dd0c.products.route.pages import bill
from dd0c.products.route.store.ratings import Rating
from dd0c.products.route.store.reading import Attempt

AT_US = 1_790_000_000_000_000
COUNTS = st.none() | st.integers(min_value=0, max_value=10**9)
RATES = st.decimals(min_value=0, max_value=1000, places=7).map(lambda rate: format(rate, "f"))
USAGES = st.builds(Usage, input=COUNTS, cache_read=COUNTS, output=COUNTS, reasoning=COUNTS)


def attempt(usage: Usage, cost_pico: int | None, rates: dict[str, object] | None) -> Attempt:
    """An attempt with this usage, this cost and a price of these rates."""
    price = None
    if rates is not None:
        price = PriceRow("prc_1", "openai", "m", {"tiers": [{"above": 0, **rates}]}, "test", None)
    plain: dict[str, Any] = dict.fromkeys(Attempt.__dataclass_fields__)
    said: dict[str, Any] = {
        "attempt": 1,
        "final": True,
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "end_reason": "complete",
        "usage_source": "provider",
        "usage": usage,
        "cost_pico": cost_pico,
        "price": price,
        "tags": (),
    }
    return Attempt(**(plain | said))


def test_a_bill_that_was_rated_again_says_what_was_billed_at_first() -> None:
    """The first amount stays to be seen, with when and why there is another one (R-10, R-12)."""
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    ratings = [
        Rating(uuid.UUID(int=1), 1, revision, cost_pico, "prc_1", reason, moment)
        for revision, cost_pico, reason in ((0, 145_500_000, None), (1, 116_400_000, "contract 17"))
    ]
    one = attempt(Usage(input=10, output=5), 116_400_000, None)
    [note] = bill.of([dataclasses.replace(one, ratings=tuple(ratings))]).notes
    assert note == "Billed $0.0001455 at first, rated again on 2026-11-21: contract 17."
    assert bill.of([one]).notes == ()


@settings(deadline=None)  # a busy machine is no finding
@given(USAGES, st.fixed_dictionaries({"input": RATES, "cache_read": RATES, "output": RATES}))
def test_lines_add_up_to_the_stored_cost(usage: Usage, rates: dict[str, object]) -> None:
    """Also when the stored cost is rounded, or is not what this price makes of it (R-11)."""
    for cost_pico in (0, 1, 145_500_000, 10**15):
        found = bill.of([attempt(usage, cost_pico, rates)])
        lines = sum((line.usd for line in found.lines if line.usd is not None), Decimal(0))
        assert lines * 10**12 == cost_pico
        assert found.known_pico == cost_pico


def test_less_than_a_pico_dollar_is_rounding_and_more_is_not() -> None:
    """A difference that the price does not explain is named, not hidden in a line."""
    usage = Usage(input=1, output=0)
    rates: dict[str, object] = {"input": "0.0000014", "output": "1"}  # 1.4 pico-dollars a token
    assert [line.name for line in bill.of([attempt(usage, 1, rates)]).lines][-1] == "Rounding"
    odd = bill.of([attempt(usage, 7, rates)]).lines[-1]
    assert (odd.name, odd.note) == ("Difference", "not explained by this price")


def test_a_long_prompt_pays_the_rates_of_its_tier() -> None:
    """The last tier that the prompt exceeds holds for all of it; the border belongs below."""
    price = {"tiers": [{"above": 0, "input": "1"}, {"above": 200_000, "input": "2"}]}
    for tokens, rate in ((200_000, Decimal(1)), (200_001, Decimal(2))):
        row = PriceRow("prc_1", "google", "m", price, "test", None)
        one = dataclasses.replace(attempt(Usage(input=tokens), None, {}), price=row)
        lines = bill.of([one]).lines
        assert lines[0].rate == rate


@pytest.mark.parametrize("rates", [None, {"input": "1"}])
def test_an_unknown_cost_stays_unknown(rates: dict[str, object] | None) -> None:
    """Lines without a rate have no amount, and nothing is summed to a zero."""
    found = bill.of([attempt(Usage(input=10, output=5), None, rates)])
    assert found.known_pico is None
    assert not found.whole
    assert found.lines[1].usd is None
    assert found.notes[0].startswith("The cost is unknown, not zero")


def test_calls_are_billed_by_the_thousand() -> None:
    """A fee per call and server tools have their own unit: 1 x 5 and 2 x 10 dollars per 1,000."""
    rates: dict[str, object] = {
        "input": "0",
        "output": "0",
        "request_per_1000": "5",
        "server_tools_per_1000": "10",
    }
    usage = Usage(input=1, output=1, server_tools=2)
    found = bill.of([attempt(usage, 25_000_000_000, rates)])
    assert [(line.name, line.usd) for line in found.lines if line.usd] == [
        ("Server tools", Decimal("0.02")),
        ("Per call", Decimal("0.005")),
    ]


def test_every_published_price_explains_its_bill() -> None:
    """Whatever the bucket, the service tier and the size of the prompt: the lines of what a worker
    reckoned need no difference (R-11)."""
    table, judged = prices.table(), 0
    usages = [
        Usage(**{"input": prompt, "output": 7} | {bucket: 3})
        for prompt in (1, 300_001)
        for bucket in tariff.BUCKETS
    ]
    for provider in ("openai", "anthropic", "google"):
        for price in table.prices(provider):
            tiers = {None, *(variant.service_tier for variant in price.variants)}
            for tier, usage in itertools.product(tiers, usages):
                rating = tariff.rate(price, usage, tier or None, AT_US)
                if rating.cost_pico is None or rating.price_id is None:
                    continue
                row = table.row(rating.price_id)
                one = dataclasses.replace(attempt(usage, rating.cost_pico, None), price=row)
                lines = [line.name for line in bill.of([one]).lines]
                assert "Difference" not in lines, (provider, tier, usage)
                judged += 1
    assert judged > 1_000


def test_a_cost_that_was_told_as_a_sum_is_called_so() -> None:
    """What a provider's export brought has no rates, and nobody pretends it has (R-17)."""
    told = bill.of([attempt(Usage(input=10, output=5), 145_500_000, None)])
    assert told.lines[-1].note == "told as a sum, without rates"


@pytest.mark.parametrize(
    ("cost", "delivered", "made", "says"),
    [
        (3, 3, 5, "Billed is what reached the caller."),
        (5, 3, 5, "Billed is all of it: the answer was read on after the caller had left."),
        (4, 3, 5, "all that the provider made cost $0.000000000005."),
        (3, 3, None, "1 of 2 output tokens reached the caller."),
        (3, 3, 3, "1 of 2 output tokens reached the caller."),
    ],
)
def test_what_a_cut_answer_is_billed_for_is_a_sentence(
    cost: int, delivered: int, made: int | None, says: str
) -> None:
    """Delivered, made, and by the organisation's policy one of both (R-13)."""
    one = dataclasses.replace(
        attempt(Usage(input=1, output=1), cost, None),
        delivered_output_tokens=1,
        upstream_output_tokens=2,
        cost_delivered_pico=delivered,
        cost_upstream_pico=made,
    )
    assert bill.of([one]).notes[-1].endswith(says)
