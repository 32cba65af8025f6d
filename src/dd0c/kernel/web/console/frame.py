"""The page frame: one template environment for the kernel's pages and every product's.

A product gives its template folder and its navigation entries; its pages call `Console.render`.
Undefined names are errors, everything is escaped, and each answer carries the strict content
policy, so a model name that is a script stays a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dd0c.base.ids import Kind
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web.console import figures, forgery
from dd0c.kernel.web.console.assets import Assets

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
    """A place in the navigation: what it is called, where it is, and its letter after `g`."""

    label: str
    path: str
    letter: str
    icon: str = "page"


@dataclass(frozen=True, slots=True)
class Section:
    """What a product adds to the console: templates, places, and where its ids lead."""

    templates: Path
    nav: tuple[Entry, ...]
    jumps: Mapping[Kind, str]  # kind of id -> path with `{}` for the id
    search: str  # path with `{}` for any other text


class Console:
    """Renders pages. One per control server, on `app.state.console`."""

    def __init__(self, sections: Sequence[Section]):
        self.assets = Assets(HERE / "static")
        self.sections = tuple(sections)
        folders = [HERE / "templates", *(section.templates for section in sections)]
        self._templates = Environment(
            loader=FileSystemLoader(folders),
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
        }

    def render(
        self, request: Request, who: Principal, template: str, /, status: int = 200, **names: Any
    ) -> HTMLResponse:
        """A page inside the frame, for somebody who is signed in."""
        frame = {
            "who": who,
            "nav": [entry for section in self.sections for entry in section.nav],
            "here": request.url.path,
            "csrf": forgery.token(request),
        }
        return self.render_alone(template, status, **frame, **names)

    def render_alone(self, template: str, /, status: int = 200, **names: Any) -> HTMLResponse:
        """A page without the frame."""
        text = self._templates.get_template(template).render(names)
        return HTMLResponse(text, status, headers=HEADERS)


def of(request: Request) -> Console:
    """The console of the application that serves this request."""
    return cast(Console, request.app.state.console)
