"""The parent's memory: every change makes exactly the message that brings a worker up to date."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.base.secrets import Secret
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.hotpath import frames, snapshot
from dd0c.products.route.hotpath.frames import Frames
from dd0c.products.route.hotpath.snapshot import (
    KeyEntry,
    KeysChanged,
    Price,
    Provider,
    ProvidersChanged,
    RulesChanged,
    Snapshot,
)
from dd0c.products.route.store.keys import KeyRow
from dd0c.products.route.store.rules import RuleRow, TermsRow

PEPPER = Secret("70" * 32)
ORG = uuid.UUID(int=7)

rows = st.builds(
    KeyRow,
    hash=st.integers(0, 5).map(lambda n: bytes([n]) * 32),
    id=st.just(uuid.UUID(int=1)),
    org=st.just(ORG),
    expires_us=st.none() | st.integers(1, 3),
    models=st.none() | st.lists(st.sampled_from(["a", "b"]), max_size=2),
    usable=st.booleans(),
)


def row(number: int, *, usable: bool = True) -> KeyRow:
    """A key row."""
    return KeyRow(bytes([number]) * 32, uuid.UUID(int=number), ORG, None, None, usable)


class Worker:
    """What a worker knows that took the first snapshot and every change."""

    def __init__(self, configuration: Configuration):
        self.keys = {entry.hash: entry for entry in configuration.snapshot().keys}

    def take(self, change: KeysChanged | None) -> None:
        """Apply a change as a worker does."""
        if change is not None:
            for key_hash in change.remove:
                self.keys.pop(key_hash, None)
            self.keys |= {entry.hash: entry for entry in change.upsert}


def known(configuration: Configuration) -> dict[bytes, KeyEntry]:
    """The keys of a worker that starts now."""
    return {entry.hash: entry for entry in configuration.snapshot().keys}


looks = st.lists(rows, max_size=6, unique_by=lambda found: found.hash)  # as the table has it


@given(st.lists(st.tuples(st.booleans(), looks), max_size=6))
def test_a_worker_told_of_changes_knows_what_a_new_one_knows(
    steps: Sequence[tuple[bool, list[KeyRow]]],
) -> None:
    """Whatever changes in whatever order, changes and a fresh snapshot agree (R-32)."""
    configuration = Configuration(PEPPER)
    worker = Worker(configuration)
    for whole, found in steps:
        if whole:
            worker.take(configuration.replace_keys(found))
            assert known(configuration).keys() == {r.hash for r in found if r.usable}
        else:
            worker.take(configuration.apply_keys(found))
        assert worker.keys == known(configuration)


def test_reading_a_row_again_tells_nobody() -> None:
    """A row that a late transaction brings twice makes one message (R-32)."""
    configuration = Configuration(PEPPER)
    assert configuration.apply_keys([row(1)]) is not None
    version = configuration.version
    assert configuration.apply_keys([row(1)]) is None
    assert configuration.apply_keys([row(2, usable=False)]) is None
    assert configuration.version == version


def test_a_revoked_key_is_named_for_removal() -> None:
    """A revocation is the hash alone: its cost does not depend on other keys (K-20)."""
    configuration = Configuration(PEPPER)
    configuration.apply_keys([row(n) for n in range(1, 100)])
    change = configuration.apply_keys([row(5, usable=False)])
    assert change == KeysChanged((), (bytes([5]) * 32,))


def test_a_starting_worker_is_greeted_with_all_there_is() -> None:
    """Nothing before the first load; then who is halted, the snapshot and what limits it (R-32)."""
    configuration = Configuration(PEPPER)
    assert configuration.greeting() == []
    configuration.loaded = True
    configuration.set_stale(True)
    configuration.set_spool_full(True)
    kinds = [type(message).__name__ for message in configuration.greeting()]
    assert kinds == ["Halted", "Snapshot", "Stale", "SpoolFull"]
    assert configuration.set_stale(True) is None


def test_rules_are_told_once_kept_and_brought_back() -> None:
    """What is known already makes no message; a gateway that starts from the disk holds everybody
    to the rules that held (R-16, K-8)."""
    rule = RuleRow(b"r" * 16, ORG, "tag", "eu", "usd", "day", 5, "UTC", 1)
    terms = TermsRow(ORG, "drain", None, "closed", "open")
    configuration, restored = Configuration(PEPPER), Configuration(PEPPER)
    change = configuration.replace_rules([rule], [terms])
    assert change is not None
    assert configuration.replace_rules([rule], [terms]) is None
    restored.restore(configuration.to_save(1))
    for one in (configuration.snapshot(), restored.snapshot()):
        assert (one.rules, one.terms) == (change.rules, change.terms)
    assert restored.replace_rules([], []) == RulesChanged((), ())


def test_nothing_secret_is_shown() -> None:
    """No repr, text, log line, JSON, msgpack or pickle of what is told to workers and kept on disk
    has the pepper or a provider's secret (K-32)."""
    configuration = Configuration(PEPPER)
    address = ("openai", "openai", "https", "h", 443, "/v1")
    provider = Provider(b"i", None, *address, Secret("sk-very-secret"), "openai")
    configuration.replace_providers([provider])
    configuration.add_prices([Price("openai", "m", "p", 0, ())])
    held = (configuration.snapshot(), configuration.to_save(1), ProvidersChanged((provider,)))
    fields = [msgspec.structs.asdict(one) for one in (*held, provider)]
    shown = f"{configuration} {held!r} {provider} {fields} {vars(configuration)}"
    assert "sk-very-secret" not in shown
    assert "7070" not in shown
    assert "ppp" not in shown
    for one in (*held, provider):
        for write in (msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps):
            with pytest.raises(TypeError):
                write(one)


def test_workers_and_the_sealed_file_get_what_is_secret() -> None:
    """Over the socketpair a secret comes out as it went in, and nothing else takes its place."""
    configuration = Configuration(PEPPER)
    (payload,) = Frames().feed(frames.encode(configuration.snapshot()))
    there = msgspec.msgpack.decode(payload, type=Snapshot, dec_hook=snapshot.conceal)
    assert there.pepper == PEPPER
    for wrong in (b"p" * 32, None, 7):
        with pytest.raises(TypeError):
            snapshot.conceal(Secret, wrong)
        with pytest.raises(TypeError):
            snapshot.reveal(wrong)
