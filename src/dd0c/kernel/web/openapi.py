"""The OpenAPI 3.1 document, with what the framework does not know: permissions and problems."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts

import dd0c
from dd0c.base import ids
from dd0c.kernel.web import problems
from dd0c.kernel.web.problems import Problem
from dd0c.kernel.web.requires import Requires

DESCRIPTION = """\
The control API of dd0c. Send `Authorization: Bearer dd0c_sk_…` with a key that has the scope `api`.

Lists are paged: take `next_cursor` as `cursor` until it is null. Money is a decimal text in US
dollars; null means unknown, never zero. Times are RFC 3339, in UTC. Every error is a
`application/problem+json` that says what is wrong and what to do; another organisation's ids are
404. Unknown query parameters and fields are refused with 400.
"""


def requirement(route: RouteContext) -> Requires | None:
    """What the endpoint asks of its caller; None: it is public."""
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, Requires):
            return dependency.call
    return None


def describe(app: FastAPI) -> dict[str, Any]:
    """The document."""
    document = get_openapi(
        title="dd0c",
        version=dd0c.__version__,
        summary="Self-hosted control plane for teams that run software and AI",
        description=DESCRIPTION,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    components["responses"] = {"Problem": _PROBLEM}
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, scope `api`."},
        "session": {"type": "apiKey", "in": "cookie", "name": "dd0c_session"},
    }
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None:
                _complete(operation, requirement(route))
    return document


_PROBLEM = {
    "description": "What is wrong and what to do.",
    "content": {
        problems.MEDIA_TYPE: {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": {
                "type": "urn:dd0c:problem:not_found",
                "title": "Not Found",
                "status": 404,
                "code": "not_found",
                "detail": "there is no such key",
                "hint": "",
                "request_id": "req_01jcq8z5m3t7v9x2b4d6f8g0hj",
            },
        }
    },
}


def _complete(operation: dict[str, Any], needed: Requires | None) -> None:
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    operation["security"] = [] if needed is None else [{"key": []}, {"session": []}]
    if needed is not None and needed.permission is not None:
        operation["x-dd0c-permission"] = needed.permission
        operation["description"] += f"\n\nNeeds the permission `{needed.permission}`."
    for parameter in operation.get("parameters", ()):
        kind = parameter["name"].removesuffix("_id").upper()
        if parameter["in"] == "path" and kind in ids.Kind.__members__:
            parameter["schema"].setdefault("pattern", ids.pattern(ids.Kind[kind]))
