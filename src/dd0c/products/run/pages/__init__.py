"""run's pages: the list of runbooks, one with its versions, and paste-and-preview.

The edges (`listing`, `paste`, `kept`, `differences`) load and render; `sheets` streams a text with
its steps, `excerpts` is pure and says which part of the source stands beside which step.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from dd0c.base.ids import Kind
from dd0c.kernel.web.console.frame import Entry, Section
from dd0c.products.run.pages import differences, kept, listing, paste

SECTION = Section(
    templates=Path(__file__).parent / "templates",
    title="Run",
    nav=(Entry("Runbooks", paste.PATH, "u", "page", first=False),),
    jumps={Kind.RUNBOOK: f"{paste.PATH}/{{}}"},
)

router = APIRouter()
for part in (paste, listing, differences, kept):
    router.include_router(part.router)
