"""Documents point to what is there, and each can be found."""

from __future__ import annotations

import os

import pytest

from tests.support.documents import PAGES, ROOT, anchors, links

ALONE = {"CHANGELOG.md", "README.md", "STYLE.md"}


def inside(page: str) -> list[tuple[str, str]]:
    """The links of a page to this repository: path from its root, and anchor."""
    found = []
    for link in links(page):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = os.path.normpath(ROOT / page / ".." / path) if path else str(ROOT / page)
            found.append((os.path.relpath(target, ROOT), anchor))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str) -> None:
    """Each link to a file of the repository names one that exists, and a heading that it has."""
    for target, anchor in inside(page):
        assert (ROOT / target).exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(target), f"{page}: {target}#{anchor}"


def test_every_page_is_linked_from_another() -> None:
    """Nobody has to guess that a page exists."""
    linked = {target for page in PAGES for target, _ in inside(page) if target != page}
    folders = {target for target in linked if (ROOT / target).is_dir()}
    lost = [
        page
        for page in PAGES
        if page not in linked | ALONE and os.path.dirname(page) not in folders
    ]
    assert lost == []
