"""The table of functions that take a transaction: how each is asked about what somebody owns.

Found in the source: every public coroutine of a folder's modules whose first argument is a
transaction. One without a row fails by name. Here are those of route's store; the kernel's are in
`functions_of_auth`.
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
    erasures,
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
from tests.isolation.tenants import DAY, NOBODY, Names, id_of

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
        return id_of(self.names, name)

    @property
    def filter(self) -> Filter:
        """Only what is of their model."""
        return replace(MONTH, model=self.names["model"])

    def as_nobodys(self) -> Of:
        """The same under names and ids that do not exist."""
        return Of(
            NOBODY,
            replace(self.rated, request_id=ids.new()),
            replace(self.waiting, request_id=ids.new()),
        )

    @property
    def hidden(self) -> dict[str, uuid.UUID]:
        """Its ids that are no names."""
        return {"rated": self.rated.request_id, "waiting": self.waiting.request_id}


Call = Callable[[Transaction, Of], Awaitable[Any]]

SETTLED = ledger.Settlement(EndReason.COMPLETE, Usage(input=1), UsageSource.PROVIDER, None, None, 5)

CALLS: dict[str, Call] = {
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
    "erasures.add": lambda tx, of: erasures.add(tx, of["org"], "somebody", NOW),
    "terms.get": lambda tx, of: terms.get(tx),
    "terms.set_disconnect": lambda tx, of: terms.set_disconnect(tx, of["org"], "abort", None),
    "terms.set_retention": lambda tx, of: terms.set_retention(tx, of["org"], 400),
    "terms.set_store": lambda tx, of: terms.set_store(tx, of["org"], "open", "closed"),
    "token_factors.list_used": lambda tx, of: token_factors.list_used(tx),
    "usage.usage_by": lambda tx, of: usage.usage_by(tx, "key", of.filter),
}
"""Functions of a product's store, as the control server calls them."""


ELSEWHERE = {
    "held.Held.count": "budgets and limits: their endpoints",
    "held.Held.list_held": "budgets and limits: their endpoints",
    "held.Held.get": "budgets and limits: their endpoints",
    "held.Held.remove": "budgets and limits: their endpoints",
    "reconciliations.save": "test_questions.py posts exports",
    "reconciliations.find_by_content": "test_questions.py posts exports",
    "overrides.hold": "a lock by the caller's own organisation; no rows",
    "reading.get_mark": "test_streams.py follows it",
    "keys.get_watermark": "a transaction number of the database",
    "overrides.has_changed": "the gateway's: whether to ask again",
    "providers.has_changed": "the gateway's: whether to ask again",
    "rules.has_changed": "the gateway's: whether to ask again",
    "token_factors.load": "of no tenant (access.py says why)",
    "token_factors.add": "of no tenant (access.py says why)",
    "providers.list_sealed": "refused to the control server",
    "providers.save": "refused to the control server",
    "providers.disable_simulated": "refused to the control server",
    "ledger.insert": "refused to the control server",
    "ledger.stage": "refused to the control server",
    "ledger.insert_staged": "refused to the control server",
    "ledger.add_prices": "the price list is of no tenant",
    "ledger.ensure_partitions": "refused to the control server",
    "ledger.merge_rollups": "refused to the control server",
    "ledger.delete_expired": "refused to the control server",
    "erasures.work_off": "refused to the control server",
}
"""Those that need no row here, and why."""


def days() -> Filter:
    """The day that is over, whole."""
    return Filter(since=DAY, until=DAY + ONE_DAY)


def found(folder: str) -> Iterator[str]:
    """Every such function of the modules in a folder, as `module.function`."""
    for path in sorted((tree.SOURCE / folder).glob("*.py")):
        for name in _taking(ast.parse(path.read_text()), 0):
            yield f"{path.stem}.{name}"


def _taking(node: ast.Module | ast.ClassDef, skipped: int) -> Iterator[str]:
    for inner in node.body:
        if isinstance(inner, ast.ClassDef):
            yield from (f"{inner.name}.{name}" for name in _taking(inner, 1))
        elif isinstance(inner, ast.AsyncFunctionDef) and not inner.name.startswith("_"):
            first = inner.args.args[skipped : skipped + 1]
            if first and first[0].annotation and ast.unparse(first[0].annotation) in TAKEN:
                yield inner.name
