"""Which rules a request has to fit into."""

from __future__ import annotations

from dd0c.products.route.hotpath import rules
from dd0c.products.route.hotpath.rules import Rules, Traits
from tests.products.route.limits.made import ORG, rule

KEY, TEAM = bytes([7]) * 16, bytes([8]) * 16
TRAITS = Traits(KEY, TEAM, "fast", "gpt-5-mini", ("web", "beta"))


def names(table: Rules, traits: Traits = TRAITS) -> list[str]:
    """What the rules that match are about."""
    return sorted(f"{found.scope} {found.subject}" for found in table.match(ORG, traits))


def test_a_rule_holds_for_its_own_subject_only() -> None:
    """Each scope matches what it names, and neither a neighbour nor another scope (R-16)."""
    table = Rules(
        [
            rule("organisation"),
            rule("key", KEY.hex()),
            rule("key", TEAM.hex()),
            rule("team", TEAM.hex()),
            rule("team", KEY.hex()),
            rule("route", "fast"),
            rule("route", "gpt-5-mini"),
            rule("model", "gpt-5-mini"),
            rule("model", "fast"),
            rule("tag", "beta"),
            rule("tag", "fast"),
        ]
    )
    assert names(table) == [
        "key " + KEY.hex(),
        "model gpt-5-mini",
        "organisation ",
        "route fast",
        "tag beta",
        "team " + TEAM.hex(),
    ]
    assert names(table, Traits(KEY, None, "x", "y")) == ["key " + KEY.hex(), "organisation "]
    assert table.match(bytes(16), TRAITS) == ()


def test_a_tag_given_twice_is_counted_once() -> None:
    """A caller that repeats a tag is not charged twice to the tag's budget (R-16)."""
    table = Rules([rule("tag", "web")])
    assert names(table, TRAITS._replace(tags=("web", "web"))) == ["tag web"]


def test_names_invented_by_callers_take_no_memory() -> None:
    """Matches are remembered up to a bound, and stay right beyond it (R-16)."""
    table = Rules([rule("model", "m7")])
    for n in range(rules.KNOWN_MAX + 10):
        found = table.match(ORG, Traits(KEY, None, f"m{n}", f"m{n}"))
        assert bool(found) == (n == 7)
    (organisation,) = table._orgs.values()
    assert len(organisation.known) <= rules.KNOWN_MAX
