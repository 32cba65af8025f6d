"""What is seen of a text before it is parsed."""

from __future__ import annotations

import pytest

from dd0c.scan import surface


def rules(text: str) -> set[str]:
    """The rules that a text breaks on its face."""
    return {finding.rule for finding in surface.inspect(text)[1]}


@pytest.mark.parametrize(
    "text",
    [
        "cat <pod> -v",
        "kubectl delete pod <pod-name> -n <ns>",
        "curl https://<host>/healthz",
        "ssh <user>@<host>",
        "kubectl scale <kind/name> --replicas=2",
        "kubectl logs [pod-name]",
        "kubectl get pods ...",
        "rm \u2026",
        "echo \u201chi\u201d",
        "rm \u2013rf x",
        "ls \u2014all",
        "ls; cat <file>",
        'echo "$(cat <pod> -v)"',
        'echo "`cat <pod> -v`" x',
        'echo "a"; cat <pod> -v',
        "echo 'a'; cat <pod> -v",
        "echo a # b\ncat <pod> -v",
        "cat <<E\nx\nE\ncat <pod> -v",
    ],
)
def test_what_is_still_to_be_filled_in_is_found(text: str) -> None:
    """Placeholders, elisions and typography are refused before a shell could read them otherwise
    (N-1, N-10)."""
    assert "placeholder" in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "cat <file >out",
        "sort <in >out",
        "sort <in>out",
        "while read x; do echo; done <file 2>err",
        "diff <(ls a) <(ls b)",
        "[ -f x ] && [[ -d y ]]",
        "[ -f /etc/hosts ]",
        "ls [a-z]*",
        "ls [abc]",
        "git log a...b",
        "go test ./...",
        "echo 'wait ...'",
        'echo "a <b> c"',
        "grep '<title>' x",
        "cat <<E\n<pod> ... \u2026\nE",
        "# see <page>\nls",
        'echo "$(ls) <b> $(ls) ..."',
        "echo $'it\\'s <b>'",
        'echo "cost $\'5 <b>"',
        "echo caf\u00e9 \u041f\u0440\u0438\u0432\u0435\u0442 > /dev/null",
        "echo \u2714\ufe0f",
    ],
)
def test_what_only_looks_unfilled_is_left(text: str) -> None:
    """Redirections, tests, globs, ranges and text in quotes are no placeholders (N-10)."""
    assert rules(text) - {"look-alike"} == set()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("ls \u200b", "hidden-characters"),
        ("ls \u202e", "hidden-characters"),
        ("ls \x1b[2K", "hidden-characters"),
        ("ls \x00", "hidden-characters"),
        ("ls\r\n", "hidden-characters"),
        ("ls \udcff", "hidden-characters"),
        ("ls\u00a0-l", "hidden-characters"),
        ("c\u0430t x", "look-alike"),
        ("\uff4c\uff53", "look-alike"),
        ("echo a\uff1b ls", "look-alike"),
        ("echo a\u037e ls", "look-alike"),
    ],
)
def test_what_deceives_the_eye_is_found(text: str, rule: str) -> None:
    """Invisible, turning, controlling and look-alike characters are refused (N-13)."""
    assert rule in rules(text)


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("r\\\nm -rf \\\n  x", "rm -rf   x"),
        ('"a\\\nb"', '"ab"'),
        ("'a\\\nb'", "'a\\\nb'"),
        ("# a \\\nls", "# a  \nls"),
        ("cat <<'E'\na\\\nE\nls", "cat <<'E'\na\\\nE\nls"),
        ("cat <<E\na\\\nb\nE", "cat <<E\nab\nE"),
        ("a\\\\\nb", "a\\\\\nb"),
    ],
)
def test_lines_are_joined_where_a_shell_joins_them(text: str, joined: str) -> None:
    """A continuation is taken out, but not from quotes, comments or quoted here-documents
    (N-11)."""
    assert surface.inspect(text)[0].text == joined


def test_positions_lead_back_over_joined_lines() -> None:
    """Every character of the joined text knows where it stood (N-10)."""
    text = "a\\\nb 'c\\\nd' \\\n\\\ne"
    joined = surface.inspect(text)[0]
    assert [text[joined.source(at)] for at in range(len(joined.text))] == list(joined.text)


@pytest.mark.parametrize("opened", ["(", "$(", "{ ", "`x`$(", '"$(', "$((", "<(", "${a:-"])
def test_depth_and_length_have_bounds(opened: str) -> None:
    """Nesting beyond 64 and text beyond the limit are refused unparsed (N-10)."""
    assert rules(opened * 10) == set()
    assert rules(opened * (surface.LEVELS_MAX + 1)) == {"over-limit"}
    assert rules("a" * (surface.TEXT_CHARS_MAX + 1)) == {"over-limit"}


def test_brackets_in_quotes_and_comments_are_not_depth() -> None:
    """What only stands in text opens nothing (N-10)."""
    assert rules("echo '" + "(" * 100 + "' \"" + "{" * 100 + '" # ' + "(" * 100) == set()
