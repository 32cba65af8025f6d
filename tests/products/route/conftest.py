"""Fixtures of route: pools as the roles that write what it keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool


@pytest.fixture
def shipper_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the role that adds ledger rows."""
    return pool_as(roles.SHIPPER)


@pytest.fixture
def owner_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the role that registers providers."""
    return pool_as(roles.OWNER)
