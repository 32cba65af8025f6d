"""What a manifest says about a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from dd0c.base.clock import Clock
from dd0c.base.settings import Settings


@dataclass(frozen=True, slots=True)
class Work:
    """What every run of a job is given. The pool speaks as `dd0c_jobs`; `subject` is what this run
    is about, where it was put into the queue for one."""

    settings: Settings
    pool: AsyncConnectionPool[AsyncConnection[Any]]
    clock: Clock
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of background work. It may run twice, so `run` must be idempotent.

    `name` is `product.verb`. `cron` has five fields in UTC, or six with the seconds last; None:
    only other code starts it. `at_start` runs it once more when a job worker starts. What fails is
    tried up to `attempts` times, after pauses of `pause_s`, its square, its cube; a worker that
    died at it has used up one.
    """

    name: str
    run: Callable[[Work], Awaitable[None]]
    cron: str | None = None
    at_start: bool = False
    timeout_s: float = 600.0
    attempts: int = 3
    pause_s: int = 5
