"""One control server for a module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.control import Served, serving
from tests.support.database import Cluster


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server with the organisations default, acme and globex."""
    with serving(cluster) as served:
        yield served
