"""Questions made from routes, and answers that can be compared."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from tests.cli import terminal
from tests.isolation import rows
from tests.isolation.tenants import Names, Tenant
from tests.support.control import Served

JSON, HTML = "application/json", "text/html"
DESTRUCTIVE = ("GET", "PUT", "POST", "PATCH", "DELETE")
NAME = re.compile(r"\{[a-z_]+\}")
ENDS = ("/revoke", "/remove", "/end", "/organisation")


@dataclass(frozen=True, slots=True)
class Question:
    """One call with {…} where names stand. `route` is its method and path as the application
    writes them."""

    route: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    accept: str = JSON

    @property
    def method(self) -> str:
        """Its verb."""
        return self.route.partition(" ")[0]

    @property
    def is_page(self) -> bool:
        """Whether it is of the console, which knows its callers by their session."""
        return not self.path.startswith("/api/")

    @property
    def names_something(self) -> bool:
        """Whether it can be asked about what is another's."""
        return bool(NAME.search(str((self.path, self.query, self.body))))

    def said(self, names: Names) -> str:
        """What the question itself says: to be told that is no answer."""
        said = (self.path, self.query, self.body)
        return " ".join(str(filled(part, names)) for part in said)

    def ask(self, asker: Asker, names: Names) -> Answer:
        """Its answer, about what these names name."""
        return asker.call(self, names)

    def __str__(self) -> str:
        given = self.query | (self.body or {})
        form = " as HTML" if self.accept == HTML else ""
        return f"{self.method} {self.path}{form}{f' {given}' if given else ''}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: as it was, and without what differs from call to call anyway."""

    status: int
    text: str
    alike: str


def questions(app: FastAPI) -> tuple[list[Question], list[str]]:
    """All that the application can be asked, the harmless first; and what the table lacks."""
    found: list[Question] = []
    missing: list[str] = []
    for route in iter_route_contexts(app.routes):
        for method in sorted(route.methods or ()):
            name = f"{method} {route.path}"
            if name in rows.ELSEWHERE.keys() | rows.PUBLIC:
                continue
            try:
                found += _of(name, str(route.path), list(_flat(route.dependant)))
            except LookupError as lacking:
                missing.append(f"{name}: {lacking.args[0]} in tests/isolation/rows.py")
    return sorted(found, key=_risk), missing


def known(app: FastAPI) -> set[str]:
    """Every method and path that the application answers."""
    return {
        f"{method} {route.path}"
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }


def _risk(question: Question) -> tuple[int, bool, bool, str]:
    """What ends something comes last; what ends a key or team after what names it."""
    of_others = question.path.endswith(("{key}", "{team}", "{key}/revoke", "/organisation"))
    return (
        DESTRUCTIVE.index(question.method),
        question.path.endswith(ENDS),
        of_others,
        question.path,
    )


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _flat(inner)


def _of(route: str, path: str, parts: list[Dependant]) -> Iterator[Question]:
    """The questions of one route."""
    for name in {p.alias for part in parts for p in part.path_params}:
        place = _values(name, path)[0]
        path = re.sub(rf"{{{name}(:path)?}}", place, path)
    if not route.startswith("GET"):
        bodies = rows.BODIES.get(route, (None,))
        if bodies == (None,) and any(part.body_params for part in parts):
            raise LookupError(f'add "{route}": ({{…}},) to BODIES')
        for body in bodies:
            yield Question(route, path, body=body)
        return
    if path.startswith("/console"):
        yield Question(route, path, accept=HTML)
    yield Question(route, path)
    for name in sorted(_query_names(parts)):
        for value in _values(name, path):
            yield Question(route, path, {name: value})


def _query_names(parts: list[Dependant]) -> Iterator[str]:
    for part in parts:
        for param in part.query_params:
            model = param.field_info.annotation
            if isinstance(model, type) and issubclass(model, BaseModel):
                yield from model.model_fields.keys() & rows.PLACES.keys()
            else:
                yield param.alias


def _values(name: str, path: str) -> tuple[str, ...]:
    own = rows.PLACES.get(f"{name} of {path}")
    found = own or rows.PLACES.get(name) or rows.HARMLESS.get(name)
    if found is None:
        raise LookupError(
            f"add its parameter {name!r} to PLACES, or to HARMLESS if it names nothing,"
        )
    return found


class Asker:
    """Asks as one caller: the API by key, the console as a browser does."""

    def __init__(self, served: Served, tenant: Tenant):
        self.tenant = tenant
        self._url = served.url
        self._api = served.client(tenant.owner)
        self._console = served.client()
        self._console.cookies.set("dd0c_session", tenant.session)
        self._console.headers["origin"] = served.url
        page = self._console.get("/console/keys/new").text
        self._csrf = re.findall(r'name="csrf" value="([0-9a-f]+)"', page)[0]

    def call(self, question: Question, names: Names) -> Answer:
        """The answer to the question about what these names name."""
        got = self.send(question, names)
        is_html = HTML in got.headers.get("content-type", "")
        return answer(got.status_code, got.text + got.headers.get("location", ""), names, is_html)

    def send(self, question: Question, names: Names) -> httpx.Response:
        """The same as it came."""
        path = question.path.format_map({n: quote(v, safe="") for n, v in names.items()})
        query, body = filled(question.query, names), filled(question.body, names)
        given: dict[str, Any] = {"headers": {"accept": question.accept}}
        client = self._api
        if question.is_page:
            client = self._console
            given["data"] = None if body is None else body | {"csrf": self._csrf}
        elif body is not None:
            given["json"] = body
        if query:
            given["params"] = query
        return client.request(question.method, path, **given)

    def run(self, words: Iterable[str], names: Names) -> Answer:
        """What a verb of the command line says and ends with."""
        env = {"DD0C_URL": self._url, "DD0C_KEY": self.tenant.owner}
        done = terminal.call(*(word.format_map(names) for word in words), env=env)
        return answer(done.returncode, done.stdout + done.stderr, names)

    def close(self) -> None:
        """Hang up."""
        self._api.close()
        self._console.close()


def filled(value: Any, names: Names) -> Any:
    """A value with names where {…} stands."""
    if isinstance(value, str):
        return value.format_map(names)
    if isinstance(value, dict):
        return {name: filled(inner, names) for name, inner in value.items()}
    return [filled(inner, names) for inner in value] if isinstance(value, list) else value


def answer(status: int, text: str, names: Names, is_html: bool = False) -> Answer:
    """The answer, compared without names, new ids and moments, and in pages without numbers: those
    say how long ago something was, and stand in the page's twin too."""
    alike = text
    for name, value in sorted(names.items(), key=lambda one: -len(one[1])):
        for written in {value, quote(value, safe=""), html.escape(value)}:
            alike = alike.replace(written, f"{{{name}}}")
    for odd, plain in VOLATILE:
        alike = odd.sub(plain, alike)
    return Answer(status, text, re.sub(r"\d+", "0", alike) if is_html else alike)


VOLATILE = (
    (re.compile(r"\b([a-z]{3,4})_[0-9a-hjkmnp-tv-z]{26}\b"), r"\1_…"),
    (re.compile(r"\bprc_[0-9a-f]{24}"), "prc_…"),
    (re.compile(r"dd0c_([a-z]{2,3})_[\w-]{4,43}"), r"dd0c_\1_…"),
    (re.compile(r"whsec_[\w+/]+=*|\b[0-9a-f]{64}\b"), "whsec_…"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"), "…"),
    (re.compile(r'name="csrf" value="[0-9a-f]+"'), ""),
    (re.compile(r'nonce[-="]+[\w+/=-]+'), ""),
)
"""What differs between two calls of the same: new ids, new keys, moments."""
