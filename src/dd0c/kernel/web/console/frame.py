"""The page frame: one template environment for the kernel's pages and every product's.

A product gives its template folder and its navigation entries; its pages call `Console.page`.
Undefined names are errors, everything is escaped, and each answer carries the strict content
policy, so a model name that is a script stays a name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic_core import to_json, to_jsonable_python

from dd0c.base.ids import Kind
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.web import brakes, twin
from dd0c.kernel.web.console import figures, forgery
from dd0c.kernel.web.console.assets import Assets
from dd0c.kernel.web.console.live import Stream, Topic

HERE = Path(__file__).parent
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; connect-src 'self'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the navigation: what it is called, where it is, and its letter after `g`.

    On a phone the bar at the bottom holds the entries that are `first`, its menu the others.
    """

    label: str
    path: str
    letter: str
    icon: str = "page"
    first: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that a search found: what it is, its name, and where it is."""

    kind: str
    name: str
    href: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks for what was typed, for those who hold the permission; at most a handful of hits."""

    permission: str
    find: Callable[[Transaction, str, datetime], Awaitable[Sequence[Hit]]]


@dataclass(frozen=True, slots=True)
class Related:
    """A link on the page of an object to what another product knows of it; `{}` is its id."""

    label: str
    path: str


@dataclass(frozen=True, slots=True)
class Section:
    """What a product, or the kernel, adds to the console."""

    templates: Path
    nav: tuple[Entry, ...]
    jumps: Mapping[Kind, str]  # kind of id -> path of its page, with `{}` for the id
    search: str = ""  # path with `{}` for a text that nothing else knows, and what it looks in
    search_label: str = "requests"
    title: str = ""  # over its entries in the navigation
    topics: tuple[Topic, ...] = ()
    finders: tuple[Finder, ...] = ()
    related: Mapping[Kind, tuple[Related, ...]] = field(default_factory=dict)


class Console:
    """Renders pages. One per control server, on `app.state.console`."""

    def __init__(self, sections: Sequence[Section]):
        self.assets = Assets(HERE / "static")
        self.sections = tuple(sections)
        self._templates = Environment(
            loader=FileSystemLoader([section.templates for section in sections]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals["asset"] = self.assets.path
        self._templates.filters |= {
            "amount": figures.amount,
            "count": figures.count,
            "duration": figures.duration,
            "exact": figures.exact,
            "moment": figures.moment,
            "short": figures.short,
            "size": figures.size,
            "ticked": figures.ticked,
        }

    def page(
        self,
        request: Request,
        who: Principal,
        template: str,
        data: Any,
        /,
        *,
        status: int = 200,
        live: Stream | None = None,
        csv: str = "",
        **names: Any,
    ) -> Response:
        """A page and its twin. `data` (a dataclass or model) is what the page says: the template
        has it as `page`, and a program gets it as JSON, so the numbers are the same by themselves.
        """
        if twin.is_wanted(request):
            panic = brakes.of(request, who)
            said = {"panic": panic} | to_jsonable_python(data) if panic else data
            return Response(to_json(said, indent=1), status, media_type="application/json")
        address = twin.address(request)
        as_data = {"json": address, "curl": twin.curl(request, address), "csv": csv}
        shown = names | {"page": data, "live": live, "as_data": as_data}
        return self.render(request, who, template, status, **shown)

    def render(
        self, request: Request, who: Principal, template: str, /, status: int = 200, **names: Any
    ) -> HTMLResponse:
        """A page inside the frame, for somebody who is signed in."""
        frame = {
            "who": who,
            "groups": [(section.title, section.nav) for section in self.sections],
            "nav": [entry for section in self.sections for entry in section.nav],
            "here": _place(self.sections, request.url.path),
            "csrf": forgery.token(request),
            "live": None,
            "as_data": None,
            "panic": brakes.of(request, who),
        }
        return self.render_alone(template, status, **(frame | names))

    def related(self, kind: Kind, identifier: str) -> list[tuple[str, str]]:
        """Labels and addresses of what products know of an object."""
        return [
            (each.label, each.path.format(identifier))
            for section in self.sections
            for each in section.related.get(kind, ())
        ]

    def fragment(self, template: str, /, **names: Any) -> str:
        """A part of a page that streams."""
        return self._templates.get_template(template).render(names)

    def render_alone(self, template: str, /, status: int = 200, **names: Any) -> HTMLResponse:
        """A page without the frame."""
        text = self._templates.get_template(template).render(names)
        return HTMLResponse(text, status, headers=HEADERS)


def _place(sections: Sequence[Section], path: str) -> str:
    """The entry that a path belongs to: its own, or the longest that it lies below."""
    entries = (entry.path for section in sections for entry in section.nav)
    above = [e for e in entries if path == e or (path.startswith(f"{e}/") and e != "/console/")]
    return max(above, key=len, default="")


def of(request: Request) -> Console:
    """The console of the application that serves this request."""
    return cast(Console, request.app.state.console)
