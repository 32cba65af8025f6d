"""Query parameters that an endpoint does not know are refused: a misspelt filter is no filter."""

from __future__ import annotations

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.routing import BaseRoute

from dd0c.base.errors import InvalidInput

SHOWN_CHARACTERS_MAX = 40


async def refuse_unknown(request: Request) -> None:
    """InvalidInput for a query parameter that is unknown to this endpoint, or given twice."""
    known: frozenset[str] = request.app.state.query_names[request.scope["route"].path]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        shown = name[:SHOWN_CHARACTERS_MAX]
        if name not in known:
            takes = ", ".join(sorted(known)) or "none"
            raise InvalidInput(f"query.{shown}: there is no such parameter; this takes: {takes}")
        if given.count(name) > 1:
            raise InvalidInput(f"query.{shown}: is given more than once")


def names(routes: list[BaseRoute]) -> dict[str, frozenset[str]]:
    """The query parameters of each path: those of all its methods."""
    found: dict[str, frozenset[str]] = {}
    for route in iter_route_contexts(routes):
        if route.path is not None:
            found[route.path] = found.get(route.path, frozenset()) | _of(route.dependant)
    return found


def _of(dependant: Dependant) -> frozenset[str]:
    """Its own, and those of what it depends on."""
    own = frozenset(field.alias for field in dependant.query_params)
    return own.union(*map(_of, dependant.dependencies))
