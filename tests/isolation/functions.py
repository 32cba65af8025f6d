"""The table of functions that take a transaction: how each is asked about what somebody owns.

Found in the source: every public coroutine of the modules in `FOLDERS` whose first argument is a
transaction. One without a row fails by name.
"""

from __future__ import annotations

import ast
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dd0c.base import ids
from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.models import EndReason, Usage, UsageSource
from dd0c.products.route.store import (
    budgets,
    charges,
    groups,
    health,
    keys,
    latencies,
    ledger,
    limits,
    overrides,
    overview,
    providers,
    ratings,
    reading,
    reconciliations,
    rollups,
    rules,
    terms,
    token_factors,
    usage,
)
from dd0c.products.route.store.ratings import Rated
from dd0c.products.route.store.reconciliations import Waiting
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span
from tests.house import tree
from tests.isolation.tenants import DAY, Names

FOLDERS = ("products/*/store",)
TAKEN = {"Transaction", "AsyncConnection[Any]"}
NOW, ONE_DAY = datetime.now(UTC), timedelta(days=1)
MONTH = Filter(since=NOW - timedelta(days=30))


@dataclass(frozen=True, slots=True)
class Of:
    """What is somebody's, as functions take it."""

    names: Names
    rated: Rated
    waiting: Waiting

    def __getitem__(self, name: str) -> uuid.UUID:
        """The id of that name."""
        kind, _, _ = self.names[name].partition("_")
        return ids.parse(ids.Kind(kind), self.names[name])

    @property
    def filter(self) -> Filter:
        """Only what is of their model."""
        return replace(MONTH, model=self.names["model"])

    @property
    def as_nobodys(self) -> tuple[Rated, Waiting]:
        """The same attempts under ids that do not exist."""
        return (
            replace(self.rated, request_id=ids.new()),
            replace(self.waiting, request_id=ids.new()),
        )


Call = Callable[[Transaction, Of], Awaitable[Any]]

SETTLED = ledger.Settlement(EndReason.COMPLETE, Usage(input=1), UsageSource.PROVIDER, None, None, 5)

STORE: dict[str, Call] = {
    "budgets.save": lambda tx, of: budgets.save(
        tx, of["org"], budgets.NewBudget("model", "x", "day", 1, hard=False), NOW
    ),
    "charges.charged": lambda tx, of: charges.charged(
        tx, of["org"], "key", of["key"].hex, Span(None, None)
    ),
    "charges.charged_each": lambda tx, of: charges.charged_each(
        tx, of["org"], "tag", [of.names["tag"]], Span(None, None)
    ),
    "charges.charged_over": lambda tx, of: charges.charged_over(
        tx, of["org"], "team", [of["team"].hex], Span(NOW - timedelta(days=9), None), step_s=86_400
    ),
    "groups.load": lambda tx, of: groups.load(tx, of.filter),
    "health.list_called": lambda tx, of: health.list_called(tx, NOW - timedelta(days=9)),
    "health.list_speeds": lambda tx, of: health.list_speeds(tx, NOW - timedelta(days=9)),
    "keys.list_changed": lambda tx, of: keys.list_changed(tx, "1"),
    "keys.list_usable": lambda tx, of: keys.list_usable(tx),
    "latencies.list_latencies": lambda tx, of: latencies.list_latencies(tx, of.filter, 86_400),
    "ledger.settle_pending": lambda tx, of: ledger.settle_pending(
        tx, of.waiting.request_id, 1, SETTLED, now=NOW
    ),
    "limits.save": lambda tx, of: limits.save(
        tx, of["org"], limits.NewLimit("model", "x", 1, None, None), NOW
    ),
    "overrides.add": lambda tx, of: overrides.add(
        tx,
        [
            overrides.Override(
                *(ids.new(), of["org"], "openai", "x", "", {}, "prc_x", NOW, None, None, NOW),
                created_by=of["key"],
            )
        ],
    ),
    "overrides.end": lambda tx, of: overrides.end(tx, of["override"], NOW),
    "overrides.get": lambda tx, of: overrides.get(tx, of["override"]),
    "overrides.list_all": lambda tx, of: overrides.list_all(tx),
    "overrides.remove": lambda tx, of: overrides.remove(tx, of["override"], NOW),
    "overview.list_failing": lambda tx, of: overview.list_failing(tx, of.filter),
    "overview.list_unpriced": lambda tx, of: overview.list_unpriced(tx, MONTH, 3),
    "overview.list_values": lambda tx, of: overview.list_values(tx, of.filter),
    "overview.spend": lambda tx, of: overview.spend(tx, of.filter, 86_400, 4),
    "overview.totals": lambda tx, of: overview.totals(tx, of.filter),
    "providers.list_visible": lambda tx, of: providers.list_visible(tx),
    "ratings.list_all": lambda tx, of: ratings.list_all(tx, [of["request"]]),
    "ratings.list_rated": lambda tx, of: ratings.list_rated(tx, of.filter, limit=5),
    "ratings.rerate": lambda tx, of: ratings.rerate(
        tx, [ratings.Rerated(of.rated, "prc_x", 1, None, None)], "stolen", NOW
    ),
    "reading.get_request": lambda tx, of: reading.get_request(tx, of["request"]),
    "reading.list_arrived": lambda tx, of: reading.list_arrived(tx, of.filter, "1", limit=9),
    "reading.list_requests": lambda tx, of: reading.list_requests(tx, of.filter, limit=9),
    "reading.list_starting": lambda tx, of: reading.list_starting(
        tx, of.names["request"].removeprefix("req_"), limit=9
    ),
    "reconciliations.correct": lambda tx, of: reconciliations.correct(
        tx, [(of.waiting, 5)], "stolen", NOW
    ),
    "reconciliations.find": lambda tx, of: reconciliations.find(tx, of["reconciliation"]),
    "reconciliations.list_booked": lambda tx, of: reconciliations.list_booked(
        tx, days(), [of["provider_id"]]
    ),
    "reconciliations.list_crossing": lambda tx, of: reconciliations.list_crossing(
        tx, [DAY + ONE_DAY], [of["provider_id"]]
    ),
    "reconciliations.list_newest": lambda tx, of: reconciliations.list_newest(tx),
    "reconciliations.list_odd": lambda tx, of: reconciliations.list_odd(
        tx, days(), [of["provider_id"]]
    ),
    "reconciliations.list_waiting": lambda tx, of: reconciliations.list_waiting(
        tx, requests=[of.waiting.request_id]
    ),
    "rollups.find_days": lambda tx, of: rollups.find_days(tx, of.filter, 1),
    "rules.list_rules": lambda tx, of: rules.list_rules(tx),
    "rules.list_terms": lambda tx, of: rules.list_terms(tx),
    "terms.get": lambda tx, of: terms.get(tx),
    "terms.set_disconnect": lambda tx, of: terms.set_disconnect(tx, of["org"], "abort", None),
    "terms.set_store": lambda tx, of: terms.set_store(tx, of["org"], "open", "closed"),
    "token_factors.list_used": lambda tx, of: token_factors.list_used(tx),
    "usage.usage_by": lambda tx, of: usage.usage_by(tx, "key", of.filter),
}
"""Functions of a product's store, as the control server calls them."""

CALLS = {f"products.route.store.{name}": call for name, call in STORE.items()}

ELSEWHERE = {
    "products.route.store.held.Held.count": "budgets and limits: their endpoints",
    "products.route.store.held.Held.list_held": "budgets and limits: their endpoints",
    "products.route.store.held.Held.get": "budgets and limits: their endpoints",
    "products.route.store.held.Held.remove": "budgets and limits: their endpoints",
    "products.route.store.reconciliations.save": "test_questions.py posts exports",
    "products.route.store.reconciliations.find_by_content": "test_questions.py posts exports",
    "products.route.store.overrides.hold": "a lock by the caller's own organisation; no rows",
    "products.route.store.reading.get_mark": "test_streams.py follows it",
    "products.route.store.keys.get_watermark": "a transaction number of the database",
    "products.route.store.overrides.has_changed": "the gateway's: whether to ask again",
    "products.route.store.providers.has_changed": "the gateway's: whether to ask again",
    "products.route.store.rules.has_changed": "the gateway's: whether to ask again",
    "products.route.store.token_factors.load": "of no tenant (access.py says why)",
    "products.route.store.token_factors.add": "of no tenant (access.py says why)",
    "products.route.store.providers.list_sealed": "refused to the control server",
    "products.route.store.providers.save": "refused to the control server",
    "products.route.store.providers.disable_simulated": "refused to the control server",
    "products.route.store.ledger.insert": "refused to the control server",
    "products.route.store.ledger.stage": "refused to the control server",
    "products.route.store.ledger.insert_staged": "refused to the control server",
    "products.route.store.ledger.add_prices": "the price list is of no tenant",
    "products.route.store.ledger.ensure_partitions": "refused to the control server",
    "products.route.store.ledger.merge_rollups": "refused to the control server",
}
"""Those that need no row here, and why."""


def days() -> Filter:
    """The day that is over, whole."""
    return Filter(since=DAY, until=DAY + ONE_DAY)


def found() -> Iterator[str]:
    """Every function that there is, by its name below `dd0c`."""
    for folder in FOLDERS:
        for path in sorted(tree.SOURCE.glob(f"{folder}/*.py")):
            module = ".".join(path.relative_to(tree.SOURCE).with_suffix("").parts)
            for name in _taking(ast.parse(path.read_text()), 0):
                yield f"{module}.{name}"


def _taking(node: ast.Module | ast.ClassDef, skipped: int) -> Iterator[str]:
    for inner in node.body:
        if isinstance(inner, ast.ClassDef):
            yield from (f"{inner.name}.{name}" for name in _taking(inner, 1))
        elif isinstance(inner, ast.AsyncFunctionDef) and not inner.name.startswith("_"):
            first = inner.args.args[skipped : skipped + 1]
            if first and first[0].annotation and ast.unparse(first[0].annotation) in TAKEN:
                yield inner.name
