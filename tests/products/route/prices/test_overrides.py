"""Which price a worker finds: one's own first, for every name of a model, and when (R-12)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route import overrides, rates
from dd0c.products.route.hotpath import tariff
from dd0c.products.route.hotpath.pricelist import PriceList
from dd0c.products.route.hotpath.snapshot import Price
from dd0c.products.route.models import Usage
from dd0c.products.route.overrides import Wanted
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.store.overrides import Override

TABLE = PriceTable()
ACME, GLOBEX = uuid.UUID(int=1), uuid.UUID(int=2)
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
USAGE = Usage(input=1000, output=500)  # 250 + 1000 by the list; by a price of 1 and 4: 1000 + 2000
LISTED, OWN = 1_250_000_000, 3_000_000_000
OPEN = datetime(2020, 1, 1, tzinfo=UTC)


def wanted(model: str, **changes: Any) -> Wanted:
    tiers = overrides.resolve({0: {"input": Decimal(1), "output": Decimal(4)}})
    given: dict[str, Any] = {"service_tier": "standard", "holds_from": OPEN, "holds_until": None}
    return Wanted("body", "openai", model, **(given | {"tiers": tiers, "note": None} | changes))


def make(*asked: Wanted, org: uuid.UUID = ACME) -> list[Override]:
    return overrides.decide(asked, [], org, uuid.UUID(int=7), NOON)[0]


def pico(
    found: Price | None, service_tier: str | None = None, at: datetime = NOON, usage: Usage = USAGE
) -> int | None:
    return tariff.rate(found, usage, service_tier, int(at.timestamp()) * 1_000_000).cost_pico


def known(*own: Override) -> PriceList:
    prices = PriceList()
    prices.replace(TABLE.prices("openai"))
    prices.add([p for n in ("gpt-4o-2099",) if (p := TABLE.find("openai", n)) is not None])
    prices.replace_overrides(overrides.compiled(TABLE, own))
    return prices


@pytest.mark.parametrize("name", ["gpt-5-mini", "gpt-5-mini-2025-08-07"])
def test_ones_own_price_is_for_every_name_of_a_model(name: str) -> None:
    """Under the list's own name it holds for all that the list knows the model by; for one
    organisation, and not for another."""
    prices = known(*make(wanted("gpt-5-mini")))
    assert pico(prices.find("openai", name, ACME.bytes)) == OWN
    assert pico(prices.find("openai", name, GLOBEX.bytes)) == LISTED
    assert pico(prices.find("openai", name)) == LISTED
    assert pico(prices.find("anthropic", name, ACME.bytes)) is None


def test_the_exact_name_goes_before_the_models() -> None:
    """A price for a dated name is for that name only, and there before that of the model."""
    half = overrides.resolve({0: {"input": Decimal("0.5"), "output": Decimal(2)}})
    prices = known(*make(wanted("gpt-5-mini"), wanted("gpt-5-mini-2025-08-07", tiers=half)))
    assert pico(prices.find("openai", "gpt-5-mini", ACME.bytes)) == OWN
    assert pico(prices.find("openai", "gpt-5-mini-2025-08-07", ACME.bytes)) == OWN // 2


@pytest.mark.parametrize(
    ("asked", "own", "found"),
    [
        ("gpt-5-mini", ["gpt-5-mini-2025-08-07"], ["gpt-5-mini", "gpt-5-mini-2025-08-07"]),
        ("gpt-5-mini-2025-08-07", ["gpt-5-mini"], ["gpt-5-mini"]),
        ("gpt-5-mini", ["gpt-5", "gpt-5-2025-08-07"], ["gpt-5-mini"]),
        ("gpt-4", ["gpt-4-0613", "gpt-4o"], ["gpt-4", "gpt-4-0613"]),
        # A name that only some answers have: the others cost what the list says.
        ("gpt-4o-2024-08-06", ["gpt-4o-2024-08-06"], ["gpt-4o-2024-08-06"] * 2),
        ("house-7b", ["house-7b", "house-7b@20260101"], ["house-7b", "house-7b@20260101"]),
        ("house-7b-latest", ["house-7b-latest", "house-7b"], ["house-7b-latest", "house-7b"]),
    ],
)
def test_all_prices_that_an_answer_may_get_are_known_before_it(
    asked: str, own: list[str], found: list[str]
) -> None:
    """A provider answers under names of its own; whatever price one's own names or the list give
    these, a budget has to hold the dearest (R-12, R-16)."""
    prices = known(*make(*(wanted(name) for name in sorted(own))))
    assert [one.model for one in prices.find_all("openai", asked, ACME.bytes)] == found
    listed = prices.find("openai", asked)
    others = prices.find_all("openai", asked, GLOBEX.bytes)
    assert others == (() if listed is None else (listed,))
    assert others is prices.find_all("openai", asked, GLOBEX.bytes) or others == ()


def test_it_holds_from_its_first_moment_until_its_last() -> None:
    """Before, after, and in other service tiers the list holds; an open one ends never."""
    until = NOON + timedelta(hours=1)
    prices = known(*make(wanted("gpt-5-mini", holds_from=NOON, holds_until=until)))
    found = prices.find("openai", "gpt-5-mini", ACME.bytes)
    second = timedelta(seconds=1)
    moments = (NOON - second, NOON, until - second, until)
    assert [pico(found, None, at) for at in moments] == [LISTED, OWN, OWN, LISTED]
    assert pico(found, "flex") == LISTED // 2
    assert pico(found, "priority") != OWN
    flex = known(*make(wanted("gpt-5-mini", service_tier="flex")))
    found = flex.find("openai", "gpt-5-mini", ACME.bytes)
    assert [pico(found, tier) for tier in (None, "default", "flex")] == [LISTED, LISTED, OWN]


def test_a_model_that_no_list_knows_has_the_price_it_is_given() -> None:
    """Of one's own machines, say; outside its time it has none, and says so."""
    prices = known(*make(wanted("house-7b", holds_from=NOON)))
    found = prices.find("openai", "house-7b", ACME.bytes)
    assert pico(found) == OWN
    before = int((NOON - timedelta(days=1)).timestamp()) * 1_000_000
    assert tariff.rate(found, USAGE, None, before).reason == "no_price"
    assert prices.find("openai", "house-7b", GLOBEX.bytes) is None


def test_what_it_does_not_name_has_no_price() -> None:
    """It takes the place of the whole price: nothing is filled in from the list (R-11)."""
    found = known(*make(wanted("gpt-5-mini"))).find("openai", "gpt-5-mini", ACME.bytes)
    rating = tariff.rate(found, Usage(input=1, cache_read=1), None, 1_762_000_000_000_000)
    assert (rating.cost_pico, rating.reason) == (None, "no_rate_cache_read")
    reasoned = Usage(input=1000, output=0, reasoning=500)
    assert pico(found, usage=reasoned) == OWN


def test_an_id_is_of_one_organisation_and_one_price() -> None:
    """Two organisations never share the id of a price: who agreed on what is nobody's business."""
    own, same = make(wanted("gpt-5-mini")), make(wanted("gpt-5-mini", service_tier="flex"))
    theirs, other = make(wanted("gpt-5-mini"), org=GLOBEX), make(wanted("gpt-5-nano"))
    assert own[0].price_id == same[0].price_id
    assert len({one[0].price_id for one in (own, theirs, other)}) == 3


def test_a_worker_forgets_what_was_removed() -> None:
    """The whole list replaces the one before."""
    prices = known(*make(wanted("gpt-5-mini")))
    prices.replace_overrides(())
    assert pico(prices.find("openai", "gpt-5-mini", ACME.bytes)) == LISTED


amounts = st.decimals(0, 1_000_000, places=12)
buckets = st.sampled_from(rates.BUCKETS)


@given(st.dictionaries(st.integers(1, 10**9), st.dictionaries(buckets, amounts), max_size=4))
def test_rates_are_the_same_in_every_form(given: dict[int, dict[str, Decimal]]) -> None:
    """As people write them, as the ledger keeps them and as a worker has them: exactly equal."""
    tiers = overrides.resolve({0: {"input": Decimal(1)}} | given)
    shown = rates.shown(tiers)
    assert rates.read(shown) == tiers
    scale, compiled = rates.compiled(tiers)
    price = Price("p", "m", "prc", scale, compiled)
    assert rates.shown(rates.of(price)) == shown
    assert [tier.above for tier in compiled] == sorted({0, *given})
