"""What the workers have to know. Pure memory; every change returns the message that tells them.

A key row becomes a `KeyEntry` while it may be used, and disappears when it is revoked or loses the
scope; expiry is left to the workers, who have the time at hand. Rows that say what is known
already make no message, so reading a row twice is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeVar

from dd0c.base.secrets import Secret
from dd0c.kernel.autonomy.brake import Brake
from dd0c.kernel.autonomy.states import Panic
from dd0c.products.route.gateway.saved import Saved
from dd0c.products.route.hotpath.snapshot import (
    Halted,
    KeyEntry,
    KeysChanged,
    OverridesChanged,
    Price,
    PricesChanged,
    Provider,
    ProvidersChanged,
    Rule,
    RulesChanged,
    Snapshot,
    SpoolFull,
    Stale,
    Terms,
    ToWorker,
)
from dd0c.products.route.store.keys import KeyRow
from dd0c.products.route.store.rules import RuleRow, TermsRow


class _Owned(Protocol):
    """What belongs to an organisation, or to all."""

    @property
    def org(self) -> bytes | None: ...


T = TypeVar("T", bound=_Owned)


class Configuration:
    """The current keys, providers, prices and rules, and what may not be relied on right now.

    In a panic the configuration of its organisation stays as it was when that began, but for keys:
    one that leaked must end, and its successor work, at such a time above all.

    `version` counts the changes, `loaded` says that the first complete set is here, `source` where
    it came from. `expired`: too old to let any key in.
    """

    def __init__(self, pepper: Secret):
        self.brake = Brake()
        self.behind = False  # what changed during a panic that is over was not taken in yet
        self.version = 0
        self.loaded = False
        self.source: Literal["database", "disk"] = "database"
        self.stale = False
        self.expired = False
        self.spool_full = False
        self._pepper = pepper
        self._keys: dict[bytes, KeyEntry] = {}
        self._providers: tuple[Provider, ...] = ()
        self._prices: dict[tuple[str, str], Price] = {}
        self._overrides: tuple[Price, ...] = ()
        self._rules: tuple[Rule, ...] = ()
        self._terms: tuple[Terms, ...] = ()

    def __repr__(self) -> str:
        return f"Configuration(version={self.version}, keys={len(self._keys)})"

    @property
    def key_count(self) -> int:
        """Keys that may use the gateway."""
        return len(self._keys)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Where requests may go."""
        return self._providers

    @property
    def price_count(self) -> int:
        """Names that have a price."""
        return len(self._prices)

    def snapshot(self) -> Snapshot:
        """Everything, for a worker that starts."""
        return Snapshot(
            version=self.version,
            pepper=self._pepper,
            keys=tuple(self._keys.values()),
            providers=self._providers,
            prices=tuple(self._prices.values()),
            rules=self._rules,
            terms=self._terms,
            overrides=self._overrides,
        )

    def greeting(self) -> list[ToWorker]:
        """What a worker that starts is told."""
        messages: list[ToWorker] = [self.halted(), self.snapshot()] if self.loaded else []
        if self.stale:
            messages.append(Stale(stale=True))
        if self.spool_full:
            messages.append(SpoolFull(full=True))
        return messages

    def restore(self, saved: Saved) -> list[ToWorker]:
        """Begin with what was kept on disk; changes since are missing."""
        self._keys = {entry.hash: entry for entry in saved.keys}
        self._providers = saved.providers
        self._prices = {(p.provider, p.model): p for p in saved.prices}
        self._overrides = saved.overrides
        self._rules, self._terms = saved.rules, saved.terms
        self.brake.restore(saved.panics)
        self.version += 1
        self.source = "disk"
        self.loaded = self.stale = True
        return self.greeting()

    def to_save(self, as_of_us: int) -> Saved:
        """What to keep on disk."""
        keys, prices = tuple(self._keys.values()), tuple(self._prices.values())
        return Saved(
            as_of_us,
            keys,
            self._providers,
            prices,
            self._rules,
            self._terms,
            self._overrides,
            tuple(self.brake.words()),
        )

    def expire(self) -> list[ToWorker]:
        """Let no key in until all were read again: those that we know may have been revoked."""
        self._keys = {}
        self.version += 1
        self.expired = self.stale = True
        return self.greeting()

    def confirm(self) -> None:
        """PostgreSQL has said everything there is."""
        self.source = "database"
        self.expired = False

    def halted(self) -> Halted:
        """Whose requests are refused."""
        halts = [scope for scope, panic in self.brake.panics().items() if panic is Panic.HALT]
        orgs = frozenset(scope.bytes for scope in halts if scope is not None)
        return Halted(orgs, everywhere=None in halts)

    def panic_changed(self) -> Halted:
        """The brake says something else: who was held before may have fallen behind."""
        self.version += 1
        self.behind = True
        return self.halted()

    def set_stale(self, stale: bool) -> Stale | None:
        """Whether changes may be missing; None when that was known."""
        if stale == self.stale:
            return None
        self.stale = stale
        return Stale(stale)

    def set_spool_full(self, full: bool) -> SpoolFull | None:
        """Whether new requests have to be refused; None when that was known."""
        if full == self.spool_full:
            return None
        self.spool_full = full
        return SpoolFull(full)

    def apply_keys(self, rows: Iterable[KeyRow]) -> KeysChanged | None:
        """Take in rows that may have changed; None when nothing did."""
        upsert: list[KeyEntry] = []
        remove: list[bytes] = []
        for row in rows:
            known = self._keys.get(row.hash)
            if not row.usable:
                if known is not None:
                    del self._keys[row.hash]
                    remove.append(row.hash)
            elif (entry := _entry(row)) != known:
                self._keys[row.hash] = entry
                upsert.append(entry)
        if not upsert and not remove:
            return None
        self.version += 1
        return KeysChanged(tuple(upsert), tuple(remove))

    def replace_keys(self, rows: Sequence[KeyRow]) -> KeysChanged | None:
        """Take in all rows there are: keys that have none any more go too."""
        gone = self._keys.keys() - {row.hash for row in rows}
        for key_hash in gone:
            del self._keys[key_hash]
        change = self.apply_keys(rows)
        if not gone:
            return change
        upsert, remove = (change.upsert, change.remove) if change else ((), ())
        self.version += 1
        return KeysChanged(upsert, (*remove, *gone))

    def replace_providers(self, providers: Sequence[Provider]) -> ProvidersChanged | None:
        """Take in the whole list; None when it is the one we have."""
        found = self._unless_held(providers, self._providers)
        if found == self._providers:
            return None
        self._providers = found
        self.version += 1
        return ProvidersChanged(self._providers)

    def replace_rules(
        self, rules: Iterable[RuleRow], terms: Iterable[TermsRow]
    ) -> RulesChanged | None:
        """Take in all rules and terms there are; None when they are those we have."""
        change = RulesChanged(
            self._unless_held(map(rule_of, rules), self._rules),
            self._unless_held(map(_terms, terms), self._terms),
        )
        if change == RulesChanged(self._rules, self._terms):
            return None
        self._rules, self._terms = change.rules, change.terms
        self.version += 1
        return change

    def add_prices(self, prices: Iterable[Price]) -> PricesChanged | None:
        """Add or replace prices; None when all are known."""
        new = [p for p in prices if self._prices.get((p.provider, p.model)) != p]
        if not new:
            return None
        self._prices.update({(p.provider, p.model): p for p in new})
        self.version += 1
        return PricesChanged(tuple(new))

    def replace_overrides(self, prices: Iterable[Price]) -> OverridesChanged | None:
        """Take in all prices that organisations have of their own; None when they are known."""
        if (found := self._unless_held(prices, self._overrides)) == self._overrides:
            return None
        self._overrides = found
        self.version += 1
        return OverridesChanged(found)

    def _unless_held(self, new: Iterable[T], old: tuple[T, ...]) -> tuple[T, ...]:
        """What is new, but of those in panic what there was, once there was anything."""
        panics = self.brake.panics() if self.loaded else {}
        if None in panics:
            return old
        held = {scope.bytes for scope in panics if scope is not None}
        if not held:
            return tuple(new)
        kept = [one for one in old if one.org in held]
        return (*(one for one in new if one.org not in held), *kept)


def _entry(row: KeyRow) -> KeyEntry:
    return KeyEntry(
        hash=row.hash,
        key_id=(row.first or row.id).bytes,
        org=row.org.bytes,
        expires_us=row.expires_us,
        models=None if row.models is None else tuple(row.models),
        team=None if row.team is None else row.team.bytes,
        networks=None if row.networks is None else tuple(row.networks),
        own_id=None if row.first is None else row.id.bytes,
    )


def rule_of(row: RuleRow) -> Rule:
    """A rule as workers hold it."""
    return Rule(
        id=row.counter,
        org=row.org.bytes,
        scope=row.scope,
        subject=row.subject,
        measure=row.measure,
        window=row.span,
        amount=row.amount,
        time_zone=row.time_zone,
        created_us=row.created_us,
    )


def _terms(row: TermsRow) -> Terms:
    return Terms(
        org=row.org.bytes,
        disconnect=row.disconnect,
        drain_pico=row.drain_pico,
        store_away=row.store_away,
        spool_full=row.spool_full,
    )
