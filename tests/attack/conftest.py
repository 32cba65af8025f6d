"""One control server to attack: acme has one of everything, under harmless names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.isolation import tenants
from tests.isolation.tenants import Tenant
from tests.support.control import Served, serving
from tests.support.database import Cluster


@pytest.fixture(scope="package")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server with the organisations default, acme and globex."""
    with serving(cluster) as served:
        yield served


@pytest.fixture(scope="package")
def acme(served: Served) -> Tenant:
    """An organisation with one of everything."""
    return tenants.fill(served, "acme", served.acme, unit=1, away="open")


@pytest.fixture(scope="package")
def document(served: Served) -> dict[str, Any]:
    """The OpenAPI document as an attacker reads it."""
    with served.client() as client:
        found: dict[str, Any] = client.get("/api/openapi.json").json()
    return found
