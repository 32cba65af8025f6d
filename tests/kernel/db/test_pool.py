"""A pool gives out connections that somebody answers on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from dd0c.kernel.db import pool as pools
from dd0c.kernel.db import roles
from dd0c.kernel.db.pool import Pool


@pytest.fixture
def only(pool_as: Callable[..., Pool]) -> Pool:
    """A pool of one connection: whoever asks next gets the same one."""
    return pool_as(roles.APP, 1)


async def test_a_connection_that_fell_silent_is_replaced(only: Pool) -> None:
    """K-5: a server that hangs, or a network that swallows packets, costs the next request two
    seconds and no more: not its whole deadline, nor the time that a cancel would wait."""
    async with only.connection() as connection:
        silent = connection.info.backend_pid
    os.kill(silent, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        async with only.connection() as connection:
            assert connection.info.backend_pid != silent
        assert time.monotonic() - begun < pools.SILENT_MAX_S + pools.TAKE_TIMEOUT_S
    finally:
        os.kill(silent, signal.SIGCONT)
