"""Documents point to what is there, and each can be found."""

from __future__ import annotations

import os
import re

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


def test_documents_name_settings_and_metrics_that_there_are() -> None:
    """What the pages tell to set or to watch is in the reference, which is made from the code."""
    told = {
        name
        for page in PAGES
        if page != "CHANGELOG.md" and "decisions/" not in page
        for name in re.findall(r"`(DD0C_[A-Z_]+|dd0c_[a-z]+_[a-z_]+)\b", (ROOT / page).read_text())
    }
    listed = "".join(
        (ROOT / "docs/reference" / page).read_text()
        for page in ("settings.md", "metrics.md", "cli.md")
    )
    unknown = {name for name in told if name not in listed}
    assert unknown <= {"DD0C_URL", "DD0C_KEY", "DD0C_PROFILE", "dd0c_sk_", "DD0C_CHROMIUM"}
    assert len(told) > 20
