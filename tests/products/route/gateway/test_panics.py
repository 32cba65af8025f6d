"""A panic in the gateway's parent: what its configuration keeps, and for how long."""

from __future__ import annotations

import uuid

import msgspec
import pytest

from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.kernel.autonomy.brake import Brake, Word
from dd0c.kernel.autonomy.states import Channel, Panic
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.hotpath.snapshot import Halted, KeysChanged, Price, Snapshot
from dd0c.products.route.store.rules import RuleRow, TermsRow
from tests.products.route.gateway.tenant import Tenant
from tests.products.route.gateway.test_configuration import PEPPER, row
from tests.products.route.gateway.test_feed import following
from tests.products.route.gateway.test_rules_feed import says, set_budget
from tests.support.database import Database
from tests.support.worker import price, provider

ACME, GLOBEX = uuid.UUID(int=1), uuid.UUID(int=2)


def rule(org: uuid.UUID, amount: int) -> RuleRow:
    return RuleRow(
        counter=org.bytes,
        org=org,
        scope="organisation",
        subject="",
        measure="requests",
        span="minute",
        amount=amount,
        time_zone="UTC",
        created_us=0,
    )


def terms(org: uuid.UUID, spool_full: str) -> TermsRow:
    return TermsRow(org, "abort", None, "open", spool_full)


def own_price(org: uuid.UUID, identity: str) -> Price:
    return price(org=org.bytes, price_id=identity)


def take(configuration: Configuration, number: int) -> None:
    """Both organisations, and everybody, get everything anew."""
    made = [provider(number, org=org and org.bytes) for org in (None, ACME, GLOBEX)]
    configuration.replace_providers(made)
    configuration.replace_rules(
        [rule(ACME, number), rule(GLOBEX, number)],
        [terms(ACME, str(number)), terms(GLOBEX, str(number))],
    )
    configuration.replace_overrides([own_price(ACME, str(number)), own_price(GLOBEX, str(number))])


def held_at(snapshot: Snapshot, org: uuid.UUID | None) -> set[int]:
    """The numbers of all that an organisation, or everybody, has."""
    mark = org and org.bytes
    return {
        *(one.port for one in snapshot.providers if one.org == mark),
        *(one.amount for one in snapshot.rules if one.org == mark),
        *(int(one.spool_full) for one in snapshot.terms if one.org == mark),
        *(int(one.price_id) for one in snapshot.overrides if one.org == mark),
    }


@pytest.mark.parametrize("panic", Panic)
@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("scope", [ACME, None])
def test_what_began_the_panic_is_what_is_kept(
    panic: Panic, channel: Channel, scope: uuid.UUID | None
) -> None:
    """K-63: providers, rules, terms and prices of who is in panic stay; others change; keys end and
    come all the same; afterwards everything is taken in."""
    configuration = Configuration(PEPPER)
    take(configuration, 1)
    configuration.apply_keys([row(1), row(2)])
    configuration.loaded = True
    configuration.brake.hear(channel, {scope: panic})
    take(configuration, 2)
    revoked = configuration.apply_keys([row(1, usable=False), row(3)])
    snapshot = configuration.snapshot()
    others = 1 if scope is None else 2
    assert [held_at(snapshot, org) for org in (ACME, GLOBEX, None)] == [{1}, {others}, {others}]
    assert revoked is not None
    assert (len(revoked.upsert), len(revoked.remove)) == (1, 1)
    configuration.brake.hear(channel, {scope: None})
    take(configuration, 2)
    assert [held_at(configuration.snapshot(), org) for org in (ACME, GLOBEX, None)] == [{2}] * 3


def test_who_is_halted_is_kept_on_disk_and_told_first() -> None:
    """K-63: a worker that starts hears of halts before anything opens; the disk has every word."""
    configuration, next_one = Configuration(PEPPER), Configuration(PEPPER)
    configuration.loaded = True
    configuration.brake.hear(Channel.CACHE, {ACME: Panic.HALT, GLOBEX: Panic.PASSTHROUGH})
    assert configuration.greeting()[0] == Halted(frozenset({ACME.bytes}))
    next_one.restore(configuration.to_save(0))
    assert next_one.halted() == Halted(frozenset({ACME.bytes}))
    next_one.brake.hear(Channel.CACHE, {None: Panic.HALT})
    assert next_one.halted().everywhere


async def test_what_changed_in_a_panic_is_taken_in_after_it(
    database: Database, place: Home, acme: Tenant
) -> None:
    """K-63: a budget that somebody slipped in meanwhile reaches workers when it is over; a key that
    is revoked ends at once."""
    configuration = Configuration(Secret("00" * 32))

    def changed() -> None:
        configuration.panic_changed()

    configuration.brake = Brake(changed)
    async with following(database, place, configuration) as told:
        made = await acme.create()
        await told.until(lambda t: t.of(KeysChanged), within_s=20)
        configuration.brake.hear(Channel.CACHE, {acme.org: Panic.PASSTHROUGH})
        budget = await set_budget(acme)
        await acme.revoke(made.key)
        await told.until(lambda t: t.removed(made.hash), within_s=20)
        known = says(lambda rule: rule.id == budget.counter)
        assert not known(told)
        configuration.brake.hear(Channel.CACHE, {acme.org: None})
        await told.until(known, within_s=20)


def test_a_word_is_kept_as_it_was_said() -> None:
    """K-8: what is kept of a channel comes back the same."""
    words = (Word(Channel.FILE, None, Panic.HALT), Word(Channel.DATABASE, ACME, None))
    packed = msgspec.msgpack.encode(words)
    assert msgspec.msgpack.decode(packed, type=tuple[Word, ...]) == words
