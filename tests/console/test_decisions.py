"""What needs a person: each cause is named, the worst first, and calm is calm."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dd0c.base import ids
from dd0c.kernel.auth.keys import Key
from dd0c.kernel.guard.windows import Window
from dd0c.kernel.parts.part import Part, Seen
from dd0c.kernel.web.probes import Finding, Status
from dd0c.products.route.pages import caps, decisions, movers
from dd0c.products.route.pages.decisions import Known
from dd0c.products.route.standings import Standing
from dd0c.products.route.store.budgets import Budget as StoredBudget
from dd0c.products.route.store.groups import Groups
from dd0c.products.route.store.overview import Failing, Totals, Unpriced
from dd0c.products.route.store.providers import Listed

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
URL = "http://127.0.0.1:1"
REAL = Listed(uuid.UUID(int=1), None, "one", "openai", URL, "openai", False, True, NOW)
SIMULATED = replace(REAL, name="sim", simulated=True)
CALM = Known(now=NOW, providers=[REAL])
ID = ids.new()
KEY = Key(
    *(ID, ids.new(), "checkout", "dd0c_sk_x", [], [], None, None, NOW, None),
    expires_at=None,
    revoked_at=None,
    line=ID,
    followed_by=None,
    used_at=None,
    by_person=False,
    team_id=None,
    team=None,
)


def texts(known: Known) -> list[str]:
    """What they say."""
    return [decision.text for decision in decisions.all_of(known)]


def finding(name: str, status: Status) -> Finding:
    """What a check saw."""
    return Finding(name, status, "worker 1 crashes", "read its log", NOW, 1.0)


def test_calm_is_calm() -> None:
    """All is well, all checks too, a key ends in a month: nothing needs anybody."""
    far = replace(KEY, expires_at=NOW + timedelta(days=30))
    known = replace(CALM, checks=[finding("gateway", "ok"), finding("x", "unknown")], keys=[far])
    assert texts(known) == []


def test_a_simulator_alone_asks_for_a_key() -> None:
    """As long as only the simulator answers, home says how to end that; with nobody, louder."""
    off = replace(REAL, enabled=False)
    assert texts(replace(CALM, providers=[SIMULATED, off])) == ["The simulated provider answers"]
    assert texts(replace(CALM, providers=[off])) == ["No provider is there to answer"]
    assert texts(replace(CALM, providers=[SIMULATED, REAL])) == []


def test_a_single_failure_asks_nobody() -> None:
    """Three failures in an hour, and 2 % of the calls, are what needs a person."""
    for failed, attempts, asked in ((2, 2, 0), (3, 3, 1), (3, 151, 0), (4, 151, 1)):
        failing = Failing("openai", attempts, failed, NOW, 500)
        assert len(texts(replace(CALM, failing=[failing]))) == asked


def test_keys_that_end_soon_are_named() -> None:
    """Two by name, the rest counted; those that do not end, or later, are not (K-10)."""
    soon = [replace(KEY, name=f"k{n}", expires_at=NOW + timedelta(hours=n + 1)) for n in range(4)]
    later = replace(KEY, expires_at=NOW + timedelta(days=8))
    rotated = replace(soon[0], followed_by=ids.new())
    assert texts(replace(CALM, keys=[rotated, *soon, later, KEY])) == [
        "Key k0 ends on Friday, 15:30 UTC",
        "Key k1 ends on Friday, 16:30 UTC",
        "2 more keys within a week",
    ]


def test_budgets_that_are_nearly_spent_are_named() -> None:
    """Two by name, the others counted; a hard one that is spent refuses, and says until when; a
    soft one refuses nothing (R-16)."""
    resets = datetime(2026, 12, 1, tzinfo=UTC)
    month = Window(1_793_491_200, int(resets.timestamp()))
    kept = StoredBudget(
        *(ids.new(), ids.new(), "tag", "eu", "month", 12 * 10**12, True, NOW, None, b"c" * 16)
    )
    hard = caps.budget(Standing(kept, month, NOW, 13 * 10**12, 0), "eu")
    soft = replace(hard, hard=False)
    found = decisions.all_of(replace(CALM, budgets=[hard, soft, soft, soft]))
    text = "108.3 % of $12.00 a month for tag eu is spent"
    assert [(each.kind, each.text, each.note) for each in found] == [
        ("bad", text, "What does not fit is refused. It resets Dec 01, 00:00 UTC."),
        ("warn", text, "Soft: nothing is refused."),
        ("warn", "2 more budgets over 80 %", "The list has them, the fullest first."),
    ]


def test_the_worst_stands_first() -> None:
    """What is broken, then what will be, then what to know; a check says cause and remedy (K-5)."""
    silent = Seen(Part(ids.new(), "worker", "box", 7, "1", NOW), timedelta(seconds=40), None, {})
    known = Known(
        now=NOW,
        providers=[SIMULATED],
        unpriced=[Unpriced("gpt-9", "no_price", 2)],
        parts=[silent, replace(silent, silent=timedelta(seconds=3))],
        checks=[finding("prices", "degraded"), finding("gateway", "failing")],
    )
    found = decisions.all_of(known)
    assert [(each.kind, each.text) for each in found] == [
        ("bad", "Gateway fails"),
        ("bad", "The worker on box is silent"),
        ("warn", "Prices: not as it should be"),
        ("warn", "2 calls of gpt-9 without a cost"),
        ("info", "The simulated provider answers"),
    ]
    assert found[0].note == "worker 1 crashes. Read its log."


def test_an_old_price_list_is_told_to_those_who_see_no_checks() -> None:
    """Whoever looks at costs learns that the prices behind them are old (R-12)."""
    assert texts(replace(CALM, prices_age_days=46)) == ["The price list is 46 days old"]


def sums(cost_pico: int | None, simulated: int | None = None) -> Totals:
    """Sums of one model."""
    return Totals(1, 0, 0, cost_pico, simulated)


def test_what_moved_most_is_first_and_simulated_money_moves_nothing() -> None:
    """Models of either day count, by the difference of what was charged."""
    dollar, key = 10**12, uuid.UUID(int=7)
    now = {"up": sums(3 * dollar), "same": sums(dollar), "made up": sums(dollar, dollar)}
    then = {"up": sums(dollar), "same": sums(dollar), "gone": sums(5 * dollar), "no": sums(None)}
    today = Groups(sums(0), now, {key: sums(dollar)})
    week_ago = Groups(sums(0), then, {})
    moved = movers.of_models(today, week_ago)
    assert [(each.name, each.change) for each in moved] == [("gone", "−$5.00"), ("up", "+$2.00")]
    assert [each.name for each in movers.of_keys(today, week_ago, {key: "ide"})] == ["ide"]
