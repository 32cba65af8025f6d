"""Events as CSV. Without disclosed texts it is the same for ever: that is why a hash of it means
something."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

from dd0c.kernel.web import csvlines
from dd0c.kernel.web.audit import rows
from dd0c.kernel.web.audit.rows import Page, Selection

COLUMNS = ("sequence", "id", "at", "event", "actor", "subject", "facts", "private_sha256")
DISCLOSED = ("actor_name", "subject_name", "private")


async def lines(selected: Selection) -> AsyncIterator[str]:
    """The head, then a line an event, oldest first, in pieces."""
    yield head(selected)
    async for page in rows.pages(selected):
        yield "".join(write(page, selected))


def head(selected: Selection) -> str:
    """The first line."""
    return csvlines.line((*COLUMNS, *(DISCLOSED if selected.disclose else ())))


def write(page: Page, selected: Selection) -> Iterator[str]:
    """The lines of a page."""
    for entry in page.entries:
        said = entry.read()
        known = page.disclosed.get(entry.sequence)
        beside = (
            page.names.get(said["actor"]),
            page.names.get(said["subject"]),
            None if known is None else _text(known.private),
        )
        yield csvlines.line(
            (
                *(said[name] for name in ("sequence", "id", "at", "event", "actor", "subject")),
                _text(said["facts"]),
                said.get("private"),
                *(beside if selected.disclose else ()),
            )
        )


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
