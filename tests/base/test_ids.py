"""Ids: text and back, order, refusals."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.base import ids
from dd0c.base.errors import InvalidInput


def test_a_known_id_has_its_known_text() -> None:
    """The text form is 26 Crockford digits of the 128 bits (three literals by hand)."""
    assert ids.text(ids.Kind.REQUEST, uuid.UUID(int=0)) == "req_" + "0" * 26
    assert ids.text(ids.Kind.KEY, uuid.UUID(int=(1 << 128) - 1)) == "key_7" + "z" * 25
    assert ids.text(ids.Kind.ORGANISATION, uuid.UUID(int=33)) == "org_" + "0" * 24 + "11"


@given(st.uuids())
def test_text_and_back_is_the_same_id(value: uuid.UUID) -> None:
    """No id is changed by being written and read."""
    assert ids.parse(ids.Kind.REQUEST, ids.text(ids.Kind.REQUEST, value)) == value
    assert ids.text(ids.Kind.REQUEST, value.bytes) == ids.text(ids.Kind.REQUEST, value)


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 48) - 1))
def test_ids_sort_by_time_as_number_and_as_text(a: int, b: int) -> None:
    """An id of an earlier millisecond sorts before a later one's: partitions stand on it."""
    x, y = ids.new(a), ids.new(b)
    assert (x.version, x.variant) == (7, uuid.RFC_4122)
    assert ids.time_ms(x) == a
    assert ids.first_of(a) <= x
    if a < b:
        assert x < ids.first_of(b)
        assert ids.text(ids.Kind.REQUEST, x) < ids.text(ids.Kind.REQUEST, y)


@pytest.mark.parametrize(
    "bad",
    ["", "req_", "key_" + "0" * 26, "req_" + "0" * 25, "req_8" + "z" * 25, "req_" + "u" * 26, "☃"],
)
def test_what_is_no_id_is_refused_by_name(bad: str) -> None:
    """Wrong prefix, length, digit and overflow are InvalidInput, never another exception."""
    with pytest.raises(InvalidInput):
        ids.parse(ids.Kind.REQUEST, bad)


def test_ids_are_told_apart_within_a_millisecond() -> None:
    """Ten thousand ids of one millisecond are ten thousand ids."""
    assert len({ids.new_bytes(1) for _ in range(10_000)}) == 10_000
    assert re.fullmatch(r"req_[0-9a-hjkmnp-tv-z]{26}", ids.text(ids.Kind.REQUEST, ids.new()))
