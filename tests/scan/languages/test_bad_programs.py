"""Programs that are broken, hostile or too large: bounded, and never an exception (N-10, N-15)."""

from __future__ import annotations

import random

import pytest

from dd0c.scan import languages
from dd0c.scan.languages.facts import CHARS_MAX
from dd0c.scan.models import Risk, Span
from dd0c.scan.syntax import Expansion, Literal, Word
from dd0c.scan.verdicts import judge
from tests.scan.languages.reading import quoted, risk

READERS = [
    *((one, one) for one in ("awk", "dc", "ed", "gdb", "jq", "mongo", "python", "redis", "sed")),
    *((one, one) for one in ("socat", "ssh", "vim")),
    ("jq", "yq"),
    *(("sql", one) for one in ("postgres", "mysql", "sqlite", "clickhouse", "cql", "tsql")),
]
EVIL = {
    "nothing": "",
    "blank": " \n\t\n",
    "nul": "a\0b",
    "quote": "'",
    "quotes": "\"'`$$ \"'",
    "backslash": "\\",
    "slash": "/",
    "open": "select ({[" * 3,
    "close": ")]}" * 3,
    "deep": "(" * 1000 + "1" + ")" * 1000,
    "deep query": "select " + "(select " * 1000 + "1" + ")" * 1000,
    "deep list": "[" * 1000 + "]" * 1000,
    "deep blocks": "{" * 1000 + "}" * 1000,
    "nots": "select " + "not " * 800 + "1",
    "minus": "- " * 800 + "1",
    "cases": "select " + "case when " * 500,
    "stars": "/*" * 1500,
    "spaces": "grant select" + " " * 15_000 + "x",
    "copy": "copy t" + " (" * 1500,
    "letters": "a" * 4_000,
    "dots": "." * 4_000,
    "colons": "db" + ".x()" * 1000,
    "bidi": "select '\u202e' \u2066",
    "semicolons": ";" * 4_000,
    "strings": "''" * 2_000,
    "backslashes": "\\" * 4_001,
    "dollars": "$" * 4_001,
}


@pytest.mark.parametrize("name", EVIL)
def test_no_reader_fails_on_bad_text(name: str) -> None:
    """Whatever the text, a reader gives an answer; what is no program is not proven harmless."""
    for language, dialect in READERS:
        risk(language, EVIL[name], dialect)


def test_no_reader_fails_on_noise() -> None:
    """Texts made of the pieces of all languages are read to an end, the same ones every time."""
    pieces = (
        "select;'\"`\\!$$/*--\n#.shell|>;e s/a/b/w {}[]()@system getline print < db.find, rs :x "
        "\\g \\copy program update where set \\\\ $1 == /re/ if while config import lambda %! "
    )
    made = random.Random(8)
    cut = [pieces[n : n + made.randrange(1, 9)] for n in range(0, len(pieces), 2)]
    for _ in range(60):
        text = "".join(made.choice(cut) for _ in range(made.randrange(1, 40)))
        for language, dialect in READERS:
            risk(language, text, dialect)


def test_a_program_that_is_too_large_or_not_said_is_dangerous() -> None:
    """Nobody approves what fills ten screens, or what has a hole (N-10)."""
    hole = Word(
        (Literal("p;", Span(0, 2)), Expansion("X", Span(2, 4), quoted=True)),
        Span(0, 4),
    )
    span = Span(0, 4)

    for language in ("sed", "sql", "frob"):
        large = languages.read(language, quoted(" " * (CHARS_MAX + 1)), span, None)
        unsaid = languages.read(language, hole, span, None)
        assert [one.findings[0].risk for one in (large, unsaid)] == [Risk.DANGEROUS] * 2

    assert languages.read("jq", hole, span, None).findings == ()


def test_a_megabyte_in_a_command_is_an_answer() -> None:
    """A verdict on a program of a megabyte is given at once: blocked or dangerous (N-10)."""
    verdicts = judge([f"awk '{'x' * 1_000_000}'", f"psql -c '{'(' * 100_000}'"])

    assert all(one.risk >= Risk.DANGEROUS for one in verdicts)


def test_findings_stand_where_the_program_says_it() -> None:
    """A finding within a quoted program has the place of its characters in the command (N-10)."""
    texts = [
        "awk 'BEGIN{system(\"rm -rf /x\")}'",
        "psql -c '\\! rm -rf /x'",
        "sed -n '1e rm -rf /x' f",
        "ssh web1 'rm -rf /x'",
        "find . -exec rm -rf /x \\;",
    ]

    for verdict in judge(texts):
        worst = verdict.findings[0]
        shown = verdict.text[worst.span.start : worst.span.end]
        assert shown in ("/x", "rm -rf /x", "rm", "rm -rf"), (verdict.text, shown)
