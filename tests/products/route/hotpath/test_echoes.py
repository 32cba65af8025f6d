"""A provider that repeats its key, however it spells it (K-40, K-41)."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.base import escapes
from dd0c.base.secrets import Secret
from dd0c.products.route.hotpath.echoes import Forms
from tests.base.test_escapes import in_every_way, quoted

SECRETS = st.text(string.ascii_letters + string.digits + "+/=-_.~&", min_size=8, max_size=60)


@settings(deadline=None)
@given(SECRETS, st.integers(0, 2), st.data())
def test_no_spelling_of_the_key_passes(value: str, layers: int, data: st.DataObject) -> None:
    """K-40: in heads and bodies, character by character in any escape, quoted in JSON again."""
    spelled = quoted(f" {data.draw(in_every_way(value))} ", layers)
    masked = Forms(Secret(value)).scrub(spelled.encode()).decode()
    assert "[secret]" in masked
    assert [view for view in escapes.views(masked) if value in view.text] == []


@pytest.mark.parametrize(
    ("key", "spelled"),
    [
        ("canary/of", r"canary\/of"),  # PHP's JSON
        ("canary/of&x", r"canary\u002Fof\u0026x"),
        ("canary/of+x", r"canary%252fof%2bx"),
        ("canary&of=x", r"canary&amp;of&amp;#61;x"),
        ("canary-of", r"canary\x2dof"),
    ],
)
def test_a_few_escaped_characters_hide_no_key(key: str, spelled: str) -> None:
    """K-40: as writers do that escape a few characters only, or twice; what stands around stays."""
    around = rb'{"path": "C:\\new", "said": "%b"}'
    assert Forms(Secret(key)).scrub(around % spelled.encode()) == around % b"[secret]"
