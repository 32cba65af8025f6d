"""Everything in a text that runs is met, wherever it stands, and known where it stands."""

from __future__ import annotations

import pytest

from dd0c.scan import shfmt, surface, walk
from dd0c.scan.reading import Reading
from dd0c.scan.shfmt import Parsed
from dd0c.scan.syntax import Expansion, Feed, Glob, Literal, Place, Substitution
from dd0c.scan.tree import ansi_c


def read(text: str) -> Reading:
    """What a text does."""
    joined = surface.inspect(text)[0]
    (tree,) = shfmt.parse([joined.text.encode()])
    assert isinstance(tree, Parsed), tree
    return walk.read(tree, joined.text, joined.source, Place())


INSIDE = [
    "echo $(X)",
    'echo "`X`"',
    "echo ${a:-$(X)}",
    "echo ${a/$(X)/y}",
    "echo ${a[$(X)]}",
    "echo ${a:$(X):1}",
    "echo $((1 + $(X)))",
    "((a[$(X)]++))",
    "let a=$(X)",
    "a=$(X)",
    "a[$(X)]=1",
    "a=([$(X)]=1 `X`)",
    "a=$(X) ls",
    "export a=$(X)",
    "declare -A a=([$(X)]=1)",
    "cat <<E\n$(X)\nE",
    "cat <<E\n`X` ${a:-`X`}\nE",
    "cat <<< $(X)",
    "ls > $(X)",
    "> $(X)",
    "{ ls; } > $(X)",
    "exec 3<&$(X)",
    "diff <(X) >(X)",
    "[[ -f $(X) && a == $(X) && b =~ $(X) && $(X) -eq 1 ]]",
    "case $(X) in $(X)) X;; esac",
    "for i in $(X); do X; done",
    "for ((i=$(X); i<$(X); i+=$(X))); do X; done",
    "select i in $(X); do X; done",
    "while X; do X; done",
    "if X; then X; elif X; then X; else X; fi",
    "f() { X; }",
    "function f { X; }",
    "(X)",
    "{ X; }",
    "! X",
    "time X",
    "coproc X",
    "coproc N { X; }",
    "X & X; X && X || X | X |& X",
    "a=1 >b X",
    "echo {a,$(X)}",
    "echo @(a|b)$(X)",
    'echo $"$(X)"',
    "r\\\nm; X",
]


@pytest.mark.parametrize("text", INSIDE)
def test_every_command_is_met(text: str) -> None:
    """As many commands as the text has, each at its place (N-11, N-13)."""
    found = [i for i in read(text).invocations if i.words[0].text == "X"]
    places = {(i.words[0].span.start, i.words[0].span.end) for i in found}
    assert len(found) == text.count("X")
    assert all(text[start:end] == "X" for start, end in places)
    assert len(places) == len(found)


@pytest.mark.parametrize(
    ("text", "feed", "said"),
    [
        ("sh", Feed.NOTHING, None),
        ("ls | sh", Feed.PIPE, None),
        ("echo a b | sh", Feed.TEXT, "a b"),
        ("echo -e a | sh", Feed.PIPE, None),
        ("echo 'a\\nb' | sh", Feed.PIPE, None),
        ("printf '%s\\n' 'a b' | sh", Feed.TEXT, "a b"),
        ("printf 'a\\nb' | sh", Feed.TEXT, "a\nb"),
        ("printf '%s%s' a b | sh", Feed.PIPE, None),
        ("echo $x | sh", Feed.PIPE, None),
        ("sh <<< 'a b'", Feed.TEXT, "a b"),
        ("sh <<E\na\nE", Feed.TEXT, "a\n"),
        ("sh <<'E'\n$a\\b\nE", Feed.TEXT, "$a\\b\n"),
        ("sh < f", Feed.FILE, None),
        ("sh < <(ls)", Feed.PIPE, None),
        ("ls | { cd x; sh; }", Feed.PIPE, None),
        ("ls | (sh)", Feed.PIPE, None),
        ("if true; then sh; fi < f", Feed.FILE, None),
        ("exec < f; sh", Feed.FILE, None),
        ("f() { sh; }", Feed.PIPE, None),
        ("tee >(sh)", Feed.PIPE, None),
        ("echo a | ls 3< f | sh", Feed.PIPE, None),
    ],
)
def test_what_a_command_reads_is_known(text: str, feed: Feed, said: str | None) -> None:
    """A shell at the end of a pipe, with a here-document, or within a group (N-13)."""
    place = next(i for i in read(text).invocations if i.words[0].text == "sh").place
    assert place.feed is feed
    assert (place.stdin_text.text if place.stdin_text else None) == said


def test_a_pipe_says_what_stands_before() -> None:
    """The last command of a pipe knows all others (N-13)."""
    last = read("curl x | tee y | sudo sh").invocations[-1]
    assert [source.words[0].text for source in last.place.sources] == ["curl", "tee"]


def test_names_are_known_wherever_they_are_set() -> None:
    """By assignment, loop, builtin, expansion or expression, before or after (N-13)."""
    place = (
        read(
            "ls; a=1; for b in x; do :; done; read c; ((d=1)); : ${e:=1}; declare -i f;"
            " printf -v g x; alias h=ls; i() { :; }; j=1 ls"
        )
        .invocations[0]
        .place
    )
    assert set("abcdefgj") <= place.assigned
    assert place.functions == {"h", "i"}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("r''m", "rm"),
        ('r""m', "rm"),
        ("r\\m", "rm"),
        ("$'\\x72\\155'", "rm"),
        ("'a b'\\ c", "a b c"),
        ('"a\\$b\\c"', "a$b\\c"),
        ("a\\*", "a*"),
        ("[", "["),
        ("a{b", "a{b"),
        ("{}", "{}"),
        ("stash@{0}", "stash@{0}"),
        ("$x", None),
        ("*", None),
        ("[ab]", None),
        ("{a,b}", None),
        ("{1..3}", None),
        ("~/x", None),
        ("`ls`", None),
        ("@(a|b)", None),
    ],
)
def test_words_lose_their_quotes(word: str, text: str | None) -> None:
    """What a word says, exactly, or that it does not say (N-12)."""
    (invocation,) = [i for i in read(f"echo {word}").invocations if len(i.words) > 1]
    assert invocation.words[1].text == text


def test_parts_of_words_keep_their_kind_and_place() -> None:
    """A part knows what it is and where it stands in the source (N-10)."""
    text = "echo ~/a*\"$b\"$(ls)$((1))'c'"
    parts = read(text).invocations[-1].words[1].parts
    assert [type(part) for part in parts] == [
        *(Expansion, Literal, Glob, Expansion, Substitution, Expansion, Literal)
    ]
    assert [text[p.span.start : p.span.end] for p in parts] == [
        *("~", "/a", "*", "$b", "$(ls)", "$((1))", "c")
    ]


@pytest.mark.parametrize(
    ("text", "many"),
    [('"$x"', False), ("$x", True), ('"$@"', True), ('"${a[@]}"', True), ('"${!p@}"', True)],
)
def test_words_that_may_become_several_are_known(text: str, many: bool) -> None:
    """Quotes keep one word one, except where a list stands in them (N-12)."""
    assert read(f"echo {text}").invocations[0].words[1].splits is many


def test_ansi_c_quotes_are_resolved() -> None:
    """Every escape of `$'…'`, and the end at a NUL (N-13)."""
    assert ansi_c(r"\a\b\e\E\f\n\r\t\v\\\'\"\?") == "\a\b\x1b\x1b\f\n\r\t\v\\'\"?"
    assert ansi_c(r"\x72\155\u0041\U00000042\cA\z") == "rmAB\x01\\z"
    assert ansi_c(r"a\0b") == "a"
    assert ansi_c(r"a\x00b") == "a"
