"""Spans of top-level values, against a slow reference that is plainly right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.products.route.hotpath.jsonspan import WANTED, Malformed, Splice, spans, splice

SPACES = st.sampled_from(["", " ", "\n", "\t \r\n"])
KEYS = st.one_of(
    st.sampled_from(["model", "stream", "a", 'q"uote', "back\\slash", "é", ""]), st.text()
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(['{"model":"x"}', '"model":"y"', "\\", '\\"', "}{", "][", "model"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, Any, int, int]]]:
    """The text of an object with arbitrary spaces and escapes, and where its values lie."""
    pairs = draw(st.lists(st.tuples(KEYS, VALUES), max_size=5, unique_by=lambda p: p[0]))
    text = draw(SPACES) + "{" + draw(SPACES)
    found = []
    for index, (key, value) in enumerate(pairs):
        ascii_only = draw(st.booleans())
        text += (draw(SPACES) + "," + draw(SPACES)) if index else ""
        text += json.dumps(key, ensure_ascii=ascii_only) + draw(SPACES) + ":" + draw(SPACES)
        start = len(text.encode())
        text += json.dumps(value, ensure_ascii=ascii_only)
        found.append((key, value, start, len(text.encode())))
    return (text + draw(SPACES) + "}" + draw(SPACES)).encode(), found


@given(objects())
def test_each_span_is_exactly_its_value(
    made: tuple[bytes, list[tuple[str, Any, int, int]]],
) -> None:
    """For any object the spans are those that were written (R-3, proofs 1)."""
    body, expected = made
    assert spans(body) == {key: (start, end) for key, _, start, end in expected}


@given(objects(), st.data())
def test_a_splice_changes_one_value_and_no_other_byte(
    made: tuple[bytes, list[tuple[str, Any, int, int]]], data: st.DataObject
) -> None:
    """After a splice the body differs in the one value only (R-3)."""
    body, expected = made
    if not expected:
        return
    key, _, start, end = data.draw(st.sampled_from(expected))
    spliced = b"".join(splice(body, [Splice(*spans(body)[key], b'"new"')]))
    assert spliced == body[:start] + b'"new"' + body[end:]
    assert json.loads(spliced)[key] == "new"


@given(objects(), st.data())
def test_a_second_spelling_of_a_key_is_refused(
    made: tuple[bytes, list[tuple[str, Any, int, int]]], data: st.DataObject
) -> None:
    """Any key given again, escaped, before or after, is an error (R-33)."""
    body, expected = made
    if not expected:
        return
    key, value, _, _ = data.draw(st.sampled_from(expected))
    again = "".join(rf"\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in key)
    value = data.draw(st.one_of(st.just(value), VALUES))
    member = f'"{again}":{json.dumps(value)}'.encode()
    inner = body.strip()[1:-1]
    for doubled in (b"{" + member + b"," + inner + b"}", b"{" + inner + b"," + member + b"}"):
        with pytest.raises(Malformed):
            spans(doubled)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","model":"a"}',
        b'{"model":1,"model":12}',
        b'{"model":12,"model":1}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"model":"a","x":{"model":"c"},"model":"a"}',
    ],
)
def test_two_models_are_refused(body: bytes) -> None:
    """No spelling smuggles a second model past the allow-list (R-33)."""
    with pytest.raises(Malformed, match="twice"):
        spans(body)


@pytest.mark.parametrize("key", ["Model", "MODEL", "Stream", "stream_Options"])
def test_a_key_that_only_looks_like_ours_is_refused(key: str) -> None:
    """A parser that ignores case cannot be shown another model than ours was (R-33)."""
    assert key.lower() in WANTED
    with pytest.raises(Malformed, match="write the key"):
        spans(b'{"model":"a","%b":"b"}' % key.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"a":1',
        b'{"a":1}x',
        b'{"a":01}',
        b"{'a':1}",
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":NaN}',
        b'{"a":"\n"}',
    ],
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """Anything but one well-formed UTF-8 object raises Malformed, never something else."""
    with pytest.raises(Malformed):
        spans(body)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_scanner(body: bytes) -> None:
    """Arbitrary bytes give spans or Malformed."""
    try:
        found = spans(body)
    except Malformed:
        return
    assert json.loads(body).keys() == found.keys()


def test_a_prompt_full_of_models_changes_nothing() -> None:
    """Text in a prompt that looks like keys is only text (proofs 1)."""
    prompt = '"model":"x", {"model":"y"} \\"model\\":"z" }] ' * 100
    body = json.dumps(
        {"messages": [{"model": prompt, "n": [{"model": 1}]}], "model": "real"}
    ).encode()
    start, end = spans(body)["model"]
    assert body[start:end] == b'"real"'
