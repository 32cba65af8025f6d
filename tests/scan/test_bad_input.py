"""Input that nobody wrote in good faith: a verdict within bounds, never an exception."""

from __future__ import annotations

import shlex

import pytest

from dd0c.scan import verdicts
from dd0c.scan.models import Risk
from dd0c.scan.verdicts import judge


def nested(text: str, levels: int) -> str:
    """A shell in a shell in a shell."""
    for _ in range(levels):
        text = f"sh -c {shlex.quote(text)}"
    return text


HOSTILE = {
    "a line of a megabyte": ("a" * 1_000_000, "over-limit"),
    "a hundred thousand words": ("a " * 100_000, "over-limit"),
    "quotes a thousand deep": ('"$(echo ' * 1000 + "x" + ')"' * 1000, "over-limit"),
    "substitutions that never end": ("$(" * 16_000, "over-limit"),
    "subshells": ("(" * 32_000, "over-limit"),
    "a chain": ("ls && " * 400 + "ls", "over-limit"),
    "shells in shells": (nested("ls", 9), "over-limit"),
    "a thousand single quotes": ("'" * 1001, "parse-error"),
    "half a quote": ('"' * 1001, "parse-error"),
    "here-documents that never end": ("cat <<E\n" * 500, "parse-error"),
    "NUL": ("ls \x00; rm x", "hidden-characters"),
    "invalid UTF-8": (b"ls \xff\xfe".decode(errors="surrogateescape"), "hidden-characters"),
    "right to left": ("ls \u202e x", "hidden-characters"),
    "a hundred functions in a ring": (
        "".join(f"f{n}() {{ f{(n + 1) % 100} | f{n}; }}; " for n in range(100)),
        "fork-bomb",
    ),
}


def test_hostile_texts_have_their_verdict() -> None:
    """Too much is blocked, torn is dangerous, hidden is blocked; all in one call (N-10)."""
    found = {
        name: {finding.rule for finding in verdict.findings}
        for name, verdict in zip(HOSTILE, judge([t for t, _ in HOSTILE.values()]), strict=True)
    }
    assert [name for name, (_, rule) in HOSTILE.items() if rule not in found[name]] == []


def test_what_is_empty_is_safe() -> None:
    """No text, blanks and comments do nothing (N-12)."""
    assert {v.risk for v in judge(["", " \n\t", "# nothing", "\\\n"])} == {Risk.SAFE}
    assert judge([]) == ()


@pytest.mark.parametrize(
    ("text", "most"), [("sh -c ls; ", verdicts.TEXTS_MAX), ("a;", verdicts.INVOCATIONS_MAX)]
)
def test_the_work_for_one_text_is_bounded(text: str, most: int) -> None:
    """More texts within, or more commands, than anybody will look at is refused (N-10)."""
    few, many = judge([text * 9, text * (most + 1)])
    assert few.risk < Risk.BLOCKED
    assert "over-limit" in {finding.rule for finding in many.findings}
