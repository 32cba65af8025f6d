"""The OpenAPI document says what the server does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.control import Served

PUBLIC = {("/livez", "get"), ("/readyz", "get"), ("/metrics", "get")}
ANY_KEY = {
    *(("/api/v1/me", "get"), ("/api/v1/org", "get"), ("/api/v1/roles", "get")),
    *(("/api/v1/admin/panic", "get"), ("/api/v1/admin/autonomy", "get")),
    ("/api/v1/plan", "get"),
    *(("/api/v1/sessions", "get"), ("/api/v1/sessions/{session_id}", "delete")),
}


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    """The document as a client gets it."""
    with served.client() as client:
        answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with its path and method."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    """Each has a name of its own, a summary, a description and the shape of its errors."""
    found = list(operations(document))
    names = [operation["operationId"] for _, _, operation in found]
    assert document["openapi"].startswith("3.1")
    assert len(found) > 10
    assert len(set(names)) == len(names)
    for path, method, operation in found:
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
        assert "422" not in operation["responses"], where
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                assert parameter["description"], f"{where} {parameter['name']}"


def test_every_operation_states_its_permission(document: dict[str, Any]) -> None:
    """Only the listed ones are public or open to any key; all others name a permission (K-10)."""
    public, any_key = set(), set()
    for path, method, operation in operations(document):
        if not operation["security"]:
            public.add((path, method))
        elif "x-dd0c-permission" not in operation:
            any_key.add((path, method))
    assert public == PUBLIC
    assert any_key == ANY_KEY


def test_what_is_private_refuses_strangers(served: Served, document: dict[str, Any]) -> None:
    """Each operation that claims to need a key does: 401 without one, 403 with a powerless one."""
    powerless = served.key(served.platform, roles=["platform"])
    nobody = served.key(served.acme, roles=["viewer"])
    checked = 0
    for path, method, operation in operations(document):
        if (path, method) in PUBLIC:
            continue
        place = path.replace("{key_id}", "key_" + "0" * 26)
        place = place.replace("{request_id}", "req_" + "0" * 26)
        with served.client() as client:
            assert client.request(method, place).status_code == 401, path
        if permission := operation.get("x-dd0c-permission"):
            of_both = permission.startswith(("platform", "keys", "people", "autonomy"))
            key = nobody if of_both else powerless
            with served.client(key) as client:
                refused = client.request(method, place, json={"name": "x"})
            assert refused.status_code == 403, path
            assert f"`{permission}`" in refused.json()["detail"]
            checked += 1
    assert checked >= 8


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    """Every $ref is defined, and no schema of the framework's is left over."""

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    assert len(found) > 5
    for reference in found:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    assert "HTTPValidationError" not in document["components"]["schemas"]
