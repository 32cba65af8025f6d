"""Everything that is installed with dd0c may be installed with dd0c."""

from __future__ import annotations

import re
from importlib import metadata

from tests.house import tree

ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|MPL|PSF|Python Software Foundation|Unlicense|0BSD|PostgreSQL|CC0)\b",
    re.IGNORECASE,
)
USED_UNMODIFIED = {
    "psycopg": "LGPL-3.0-only, used unmodified as a library",
    "psycopg-binary": "LGPL-3.0-only, used unmodified as a library",
    "psycopg-pool": "LGPL-3.0-only, used unmodified as a library",
}
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def licence_of(name: str) -> str:
    """What a package says of its licence: expression, classifiers or text."""
    found = metadata.metadata(name)
    classifiers = [c for c in found.get_all("Classifier") or [] if c.startswith("License")]
    stated = [found[field] for field in ("License-Expression", "License") if field in found]
    return " ".join([*classifiers, *stated])[:400]


def _installed(lock: str) -> list[str]:
    names = LOCKED.findall((tree.ROOT / "requirements" / lock).read_text())
    here = {d.metadata["Name"].lower().replace("_", "-") for d in metadata.distributions()}
    return [n for n in names if n.lower().replace("_", "-") in here]


def test_every_locked_package_has_an_allowed_licence() -> None:
    """MIT, BSD, Apache, ISC, MPL, PSF or PostgreSQL; LGPL only as listed (house rules)."""
    packages = _installed("runtime.lock")
    assert len(packages) > 40
    refused = [
        f"{name}: {licence_of(name)[:80]}"
        for name in packages
        if name not in USED_UNMODIFIED and not ALLOWED.search(licence_of(name))
    ]
    assert refused == []


def test_locks_pin_with_hashes_and_name_no_index() -> None:
    """Each lock pins every package with hashes and holds no address."""
    for lock in ("runtime.lock", "dev.lock"):
        text = (tree.ROOT / "requirements" / lock).read_text()
        assert "://" not in text
        pinned = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]
        assert pinned
        assert [p.split("\n")[0] for p in pinned if "--hash=sha256:" not in p] == []


def test_the_licence_rule_can_fail() -> None:
    """A copyleft licence is not taken for an allowed one."""
    assert not ALLOWED.search("GPL-3.0-or-later")
    assert not ALLOWED.search("License :: OSI Approved :: GNU Affero General Public License v3")
    assert ALLOWED.search("License :: OSI Approved :: MIT License")
