"""Escapes are undone, and it is known where what they stand for stood (K-40)."""

from __future__ import annotations

import html
import io
import json
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.base import escapes, redact
from dd0c.base.redact import scrub
from dd0c.base.secrets import Secret

SECRETS = st.text(string.ascii_letters + string.digits + '+/=-_.~"&<', min_size=8, max_size=60)
SPELLED = (
    lambda c: c,
    lambda c: f"\\u{ord(c):04x}",
    lambda c: f"\\u{ord(c):04X}",
    lambda c: f"\\x{ord(c):02x}",
    lambda c: f"%{ord(c):02X}",
    lambda c: f"%{ord(c):02x}",
    lambda c: f"&#{ord(c)};",
    lambda c: f"&#x{ord(c):x};",
)


def in_every_way(value: str) -> st.SearchStrategy[str]:
    """The value with each character spelled in some way of its own."""
    ways = st.lists(st.sampled_from(SPELLED), min_size=len(value), max_size=len(value))
    return ways.map(lambda chosen: "".join(way(c) for way, c in zip(chosen, value, strict=True)))


def quoted(text: str, times: int) -> str:
    """The text as JSON quotes it, and quotes what it quoted."""
    for _ in range(times):
        text = json.dumps(text)
    return text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("caf%C3%A9 %e2%82%ac!", "café €!"),
        ("100% of &amp; and &#8364;", "100% of & and €"),
        (r"C:\\new \"x\" \u00e9", 'C:\\new "x" é'),
    ],
)
def test_what_is_written_in_escapes_is_read(text: str, read: str) -> None:
    """K-40: and each character of it knows where it stood, the last one where it ended."""
    _, view, *_ = escapes.views(text)
    assert view.text == read
    assert view.origin(0, len(read)) == (0, len(text))
    at = read.index(read[-1])
    assert view.origin(at, at + 1)[1] == len(text)


@settings(deadline=None)
@given(SECRETS, st.integers(0, 2), st.data())
def test_no_mixture_of_spellings_hides_a_secret(
    value: str, layers: int, data: st.DataObject
) -> None:
    """K-40: JSON, \\u escapes, URL and page, character by character, quoted in JSON once more."""
    secret = Secret(value)
    marked = scrub(quoted(f" {data.draw(in_every_way(value))} ", layers))
    assert "[secret:" in marked
    assert [view for view in escapes.views(marked) if secret.reveal() in view.text] == []


@settings(deadline=None)
@given(SECRETS, st.sampled_from([json.dumps, quote, html.escape, ascii, repr]))
def test_what_writers_make_of_a_secret_is_found(value: str, write: Callable[[str], str]) -> None:
    """K-40: as the writers of the standard library spell it."""
    secret = Secret(value)
    marked = scrub(f"<{write(value)}>")
    assert value not in marked
    assert "[secret:" in marked
    del secret


@settings(deadline=None)
@given(SECRETS, st.text(string.ascii_lowercase + " \n%\\", max_size=60), st.data())
def test_no_border_of_pieces_lets_a_secret_pass(
    value: str, around: str, data: st.DataObject
) -> None:
    """K-40: however a writer cuts its text, what comes out is what one piece would have become."""
    secret = Secret(value)
    text = f"{around}{value}{around}\n{around}"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    out = io.StringIO()
    stream = redact.Masked(out)
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        stream.write(text[start:end])
    stream.finish()
    assert out.getvalue() == "".join(map(scrub, text.splitlines(keepends=True)))
    assert secret.reveal() not in out.getvalue()


def test_a_line_without_an_end_is_bounded_and_masked() -> None:
    """K-40: of a line that never ends the beginning passes, cut in no secret."""
    secret = Secret("on-the-border-of-two-pieces")
    out = io.StringIO()
    stream = redact.Masked(out)
    for _ in range(6000):
        stream.write(f"{'x' * 41} {secret.reveal()} ")
    assert len(out.getvalue()) > redact.HELD_MAX
    stream.finish()
    assert "border" not in out.getvalue()
    assert out.getvalue().count("[secret:") == 6000
    stream.write("-----BEGIN PRIVATE KEY-----\n" + "A" * 3 * redact.HELD_MAX)
    assert out.getvalue().count("[secret:") == 6001
