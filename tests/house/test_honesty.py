"""Tests that prove what they claim: no patches of our own code, and every exemption counted."""

from __future__ import annotations

import re
import tomllib
from collections import Counter

from tests.house import tree

PATCHES = re.compile(
    r"patch(?:\.object|\.dict)?\(\s*[\"']?dd0c|monkeypatch\.setattr\(\s*[\"']?dd0c"
)
EXEMPTIONS = {
    "type: ignore": re.compile(r"#\s*type:\s*ignore"),
    "noqa": re.compile(r"#\s*noqa"),
    "no cover": re.compile(r"#\s*pragma:\s*no cover"),
    "skip": re.compile(r"pytest\.skip\(|mark\.skip|mark\.xfail|importorskip"),
}
LISTED = tree.ROOT / "tests" / "house" / "exemptions.toml"


def exemptions_in(text: str) -> Counter[str]:
    """How many exemptions of each kind a text holds."""
    return Counter({kind: n for kind, p in EXEMPTIONS.items() if (n := len(p.findall(text)))})


def test_no_test_patches_our_own_code() -> None:
    """Fakes stand at the edge only: nothing of dd0c is patched in a test."""
    found = [
        tree.shown(p)
        for p in tree.python_files(tree.TESTS)
        if p.name != "test_honesty.py" and PATCHES.search(p.read_text())
    ]
    assert found == []


def test_every_exemption_is_listed_with_its_reason() -> None:
    """Each `noqa`, `type: ignore` and skip is in exemptions.toml, with count and reason."""
    listed = tomllib.loads(LISTED.read_text())
    found: dict[str, dict[str, int]] = {}
    for path in tree.python_files():
        if path.name != "test_honesty.py" and (counts := exemptions_in(path.read_text())):
            found[tree.shown(path)] = dict(counts)
    stated = {
        path: {kind: entry["count"] for kind, entry in kinds.items()}
        for path, kinds in listed.items()
    }
    assert found == stated
    reasons = [entry["why"] for kinds in listed.values() for entry in kinds.values()]
    assert all(len(why) >= 20 for why in reasons)


def test_the_honesty_rules_can_fail() -> None:
    """Both rules see what they are for."""
    assert PATCHES.search('mock.patch("dd0c.base.clock.SystemClock")')
    assert PATCHES.search("monkeypatch.setattr(dd0c.base, 'x', 1)")
    assert exemptions_in("x = 1  # noqa: S101\ny = 2  # type: ignore[x]") == {
        "noqa": 1,
        "type: ignore": 1,
    }
