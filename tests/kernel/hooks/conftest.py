"""One control server for the module's tests of webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.control import Served, serving
from tests.support.database import Cluster


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server with the organisations default, acme and globex."""
    with serving(cluster) as served:
        yield served


@pytest.fixture
def acme(served: Served) -> Iterator[httpx.Client]:
    """A client with acme's owner key."""
    with served.client(served.acme) as client:
        yield client


@pytest.fixture
def globex(served: Served) -> Iterator[httpx.Client]:
    """A client with globex's owner key."""
    with served.client(served.globex) as client:
        yield client


@pytest.fixture
def sender(served: Served) -> Iterator[httpx.Client]:
    """A client without any key: what sends webhooks."""
    with served.client() as client:
        yield client
