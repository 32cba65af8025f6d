"""Fixtures of route: pools as the roles that only route has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool


@pytest.fixture
def shipper_pool(pool_as: Callable[[str], Pool]) -> Pool:
    """A pool as the role that adds ledger rows."""
    return pool_as(roles.SHIPPER)
