"""Bodies of every operation that takes one, found in the document: fields that nobody asked for,
values that no schema foresees, too much, too deep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from dd0c.kernel.db import roles
from dd0c.kernel.web.edge import BODY_BYTES_MAX
from dd0c.kernel.web.fields import FIELDS_MAX
from tests.isolation import rows
from tests.isolation.asking import filled
from tests.isolation.tenants import Books, Tenant
from tests.support.control import Served

FORBIDDEN = {
    "id": "key_00000000000000000000000000",
    "org": "globex",
    "org_id": "org_00000000000000000000000000",
    "person": "per_00000000000000000000000000",
    "platform": True,
    "roles": ["platform"],
    "scopes": ["console"],
    "created_by": "per_00000000000000000000000000",
    "hash": "00" * 32,
    "revoked_at": None,
    "__proto__": {"platform": True},
}
"""What a row holds and no caller may set, unless the document says so."""

ODD: list[Any] = [
    *("\x00", "é" * 5_000, "1e999999", "NaN", "9" * 400),
    *(-1, 10**400, 1e308, {}, [None], [[]] * 1_000),
]
"""Values for any field."""

ANSWER_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Write:
    """An operation that takes a body, who may send it, and a body that it is used to."""

    method: str
    path: str
    key: str
    schema: dict[str, Any]
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@pytest.fixture(scope="module")
def writes(served: Served, document: dict[str, Any], acme: Tenant) -> list[Write]:
    """Every one of the API."""
    found = []
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation:
                continue
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            name = f"{method.upper()} {template}"
            usual = next(body for body in rows.BODIES[name] if body)
            path = template
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    place = rows.PLACES[parameter["name"]][0]
                    path = path.replace(f"{{{parameter['name']}}}", filled(place, acme.names))
            body = filled(usual, acme.names)
            of_platform = operation["x-dd0c-permission"].startswith("platform:")
            key = served.platform if of_platform else acme.owner
            found.append(Write(method.upper(), path, key, _resolve(document, schema), body))
    assert len(found) >= 18
    return found


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """A caller who may do all."""
    with served.client() as client:
        yield client


def test_what_is_not_asked_for_is_refused(
    served: Served, acme: Tenant, client: httpx.Client, writes: list[Write]
) -> None:
    """A field that an operation does not know changes nothing and is named, whatever it is called:
    no body sets a tenant, an id, a maker or a right (mass assignment)."""
    with psycopg.connect(
        served.database.conninfo(roles.OWNER).reveal(), autocommit=True
    ) as connection:
        books = Books(connection)
        before = books.read(acme.org)
        for write in writes:
            for field, value in FORBIDDEN.items():
                if field in write.schema["properties"]:
                    continue
                answer = _send(client, write, json.dumps(write.body | {field: value}))
                assert answer.status_code == 400, (write.name, field, answer.text)
                assert f"body.{field}: Extra inputs" in answer.text, (write.name, field)
        assert books.read(acme.org) == before


def test_no_body_has_room_for_more(document: dict[str, Any], writes: list[Write]) -> None:
    """Inside of bodies too every object is closed and every list has an end: a list of 200,000
    wrong values took seven seconds to say what is wrong with each."""
    objects = lists = 0
    for write in writes:
        for shape in _shapes(document, write.schema):
            if "properties" in shape:
                assert shape.get("additionalProperties") is False, (write.name, shape)
                objects += 1
            if shape.get("type") == "array":
                assert shape["maxItems"] <= 1_000, (write.name, shape)
                lists += 1
    assert objects > len(writes)
    assert lists >= 5


def test_odd_values_are_answered(client: httpx.Client, writes: list[Write]) -> None:
    """In whatever field: a refusal or a row, never a bug of ours, and never all of it back."""
    for write in writes:
        for field in write.schema["properties"]:
            for value in ODD:
                body = json.dumps(write.body | {field: value})
                answer = _send(client, write, body)
                assert answer.status_code < 500, (write.name, field, value, answer.text)
                if answer.status_code >= 400:
                    assert len(answer.content) < ANSWER_BYTES_MAX, (write.name, field, value)


def test_large_and_deep_bodies_are_refused(client: httpx.Client, writes: list[Write]) -> None:
    """More than 1 MiB is 413, said or unsaid; what is deep or wide is 400, in a short answer; and
    the server goes on."""
    large = b'{"a":"' + b"x" * BODY_BYTES_MAX + b'"}'
    deep = (b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 400 + b"]" * 400 + b"}")
    wide = b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}"
    for write in writes:
        for content in (large, (large[n : n + 65_536] for n in range(0, len(large), 65_536))):
            assert _send(client, write, content).status_code == 413, write.name
        for content in (*deep, wide):
            answer = _send(client, write, content)
            assert answer.status_code == 400, (write.name, content[:20], answer.text)
            assert len(answer.content) < ANSWER_BYTES_MAX
        assert f"more than {FIELDS_MAX} fields" in answer.text, write.name
    assert client.get("/livez").status_code == 200


def _send(client: httpx.Client, write: Write, content: Any) -> httpx.Response:
    headers = {"content-type": "application/json", "authorization": f"Bearer {write.key}"}
    return client.request(write.method, write.path, content=content, headers=headers)


def _shapes(document: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema and all that is inside it."""
    schema = _resolve(document, schema)
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for each in (*inner, *([schema["items"]] if "items" in schema else ())):
        yield from _shapes(document, each)


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, not what refers to it."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
