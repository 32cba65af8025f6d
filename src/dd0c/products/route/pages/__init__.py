"""route's pages: Home, Requests, one request's whole story, Spend, Budgets, and Providers.

The edges (`home`, `listing`, `download`, `detail`, `spend`, `budgets`, `rule_forms`, `offer`,
`imports`) load and render; what is said is decided in pure modules: `words` names ends and reasons,
`money` keeps what is simulated apart, `comparison` and `movers` say what changed, `decisions` finds
what needs a person, `caps` says how full budgets are, `spending` and `burndown` draw, `bill` and
`breakdown` make lines that add up, `story` tells what happened. The twin of each page is what its
endpoint loaded.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter

from dd0c.base.ids import Kind
from dd0c.kernel.web.console.frame import Entry, Finder, Related, Section
from dd0c.kernel.web.console.live import Topic
from dd0c.products.route.pages import (
    budgets,
    caps,
    detail,
    download,
    home,
    imports,
    listing,
    offer,
    rows,
    rule_forms,
    spend,
)
from dd0c.products.route.store import reading

SECTION = Section(
    templates=Path(__file__).parent / "templates",
    nav=(
        Entry("Home", home.PATH, "h", "overview"),
        Entry("Requests", rows.PATH, "r", "list"),
        Entry("Spend", spend.PATH, "e", "money"),
        Entry("Budgets", caps.PATH, "b", "budget"),
        Entry("Providers", offer.PATH, "v", "provider", first=False),
    ),
    jumps={
        Kind.REQUEST: f"{rows.PATH}/{{}}",
        Kind.BUDGET: f"{caps.PATH}/{{}}",
        Kind.LIMIT: f"{budgets.LIMITS}/{{}}",
        Kind.RECONCILIATION: f"{imports.PATH}/{{}}",
    },
    related={
        Kind.KEY: (Related("Its requests", f"{rows.PATH}?key={{}}"),),
        Kind.TEAM: (
            Related("Its requests", f"{rows.PATH}?team={{}}"),
            Related("Budgets and limits", caps.PATH),
        ),
    },
    search=f"{rows.PATH}?range=30d&model={{}}",
    topics=(Topic(listing.TOPIC, "route:read", reading.get_mark),),
    finders=(Finder("route:read", rows.find),),
)

router = APIRouter()
for part in (home, download, listing, detail, spend, rule_forms, budgets, imports, offer):
    router.include_router(part.router)
