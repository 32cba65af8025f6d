"""The documents of the repository as tests read them: pages, links, and fenced blocks.

What stands behind the opening of a fence says what the block is for:

    sh, python          run, in order, in one shell for the page
    toml outage.toml    a file of that name beside the commands
    ini deploy/x.conf   a copy of that file of the repository: the two must be the same
    console, text       shown only: needs another machine, or is an answer
    sh start            shown only: starts what stays in the foreground
    python tried        run by hand, with versions that the page names: needs what we do not install
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
)
RUN = frozenset({"sh", "python"})
SHOWN = frozenset({("text", ""), ("console", ""), ("sh", "start"), ("python", "tried")})

_BLOCK = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block; `name` is the second word of its fence."""

    language: str
    name: str
    text: str

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not self.name

    @property
    def is_file(self) -> bool:
        return "." in self.name or "/" in self.name


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [Block(*found) for found in _BLOCK.findall((ROOT / page).read_text())]


def prose(page: str) -> str:
    """The page without its blocks."""
    return _BLOCK.sub("", (ROOT / page).read_text())


def links(page: str) -> list[str]:
    """Where the page points to, as written."""
    return _LINK.findall(prose(page))


def anchors(page: str) -> set[str]:
    """What can follow a `#` in a link to the page."""
    marked = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(prose(page)))
    return {title.strip().replace(" ", "-") for title in marked}
