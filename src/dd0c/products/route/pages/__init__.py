"""route's pages: Overview, Requests, and one request's whole story.

The edges (`overview`, `listing`, `detail`) load and render; what is said is decided in pure
modules: `words` names ends and reasons, `bill` makes the lines that add up to the cost, `story`
tells what happened, `board` turns sums into a chart and decisions. Every page has a JSON twin in
the API.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from dd0c.base.ids import Kind
from dd0c.kernel.web.console.frame import Entry, Related, Section
from dd0c.products.route.pages import detail, listing, overview, rows

SECTION = Section(
    templates=Path(__file__).parent / "templates",
    nav=(
        Entry("Overview", overview.PATH, "o", "overview"),
        Entry("Requests", rows.PATH, "r", "list"),
    ),
    jumps={Kind.REQUEST: f"{rows.PATH}/{{}}"},
    related={Kind.KEY: (Related("Its requests", f"{rows.PATH}?key={{}}"),)},
    search=f"{rows.PATH}?range=30d&model={{}}",
)

router = APIRouter()
for part in (overview, listing, detail):
    router.include_router(part.router)
