"""Probes of what the kernel itself stands on: database, cache, job worker, audit log, disk, and
whether anything that is called from here is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import psycopg
from procrastinate.exceptions import ConnectorException

from dd0c.base.clock import Clock
from dd0c.base.errors import Error, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import chainer
from dd0c.kernel.cache import client, fitness
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.jobs import heartbeat
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import State
from dd0c.kernel.web.probes import Probe, Verdict

DATABASE = "database"
SILENT_MAX = timedelta(seconds=15)  # five heartbeats
UNCHAINED_MAX_S = 60.0
FREE_FAILING, FREE_DEGRADED = 0.01, 0.05
TRIED_BYTES = 4096

_DATABASE = "is PostgreSQL up? with `dd0c up`, see log/postgresql.log in the home"
_CACHE = "with `dd0c up`, see log/valkey.log in the home"
_WORKER = "start `dd0c worker`; with `dd0c up`, see log/worker.log in the home"
_AUDIT = "which job worker has secrets/audit.key? see its log, and `dd0c audit verify`"
_BREAKERS = "it failed too often; is it up? It is tried by itself, see DD0C_BREAKER_REST_S"
_DISK = "make room, or move the home: nothing is recorded on a full disk"


class Usage(Protocol):
    """Bytes of a file system."""

    @property
    def total(self) -> int:
        """All."""
        ...

    @property
    def free(self) -> int:
        """Those that we may still use."""
        ...


def database_probe(pool: Pool, *, writes: bool) -> Probe:
    """The database answers, knows us as the role that sees one tenant, and takes what we write."""

    async def check() -> Verdict:
        try:
            async with tenancy.system(pool) as tx:
                cursor = await tx.execute("SELECT current_user::text")
                row = await cursor.fetchone()
                if writes:
                    await register.write_and_remove(tx)
        except Unavailable as error:
            return Verdict("failing", error.message, _DATABASE)
        except psycopg.Error as error:
            cause = str(error).partition("\n")[0]
            return Verdict("failing", f"refuses: {cause}", "undo it, or run `dd0c migrate`")
        if row is None or row[0] != roles.APP:
            return Verdict("failing", "knows us as somebody else", "see DD0C_DATABASE_URL")
        return Verdict("ok", f"reads{' and writes' if writes else ''} as {roles.APP}")

    return Probe(DATABASE, check)


def cache_probe(cache: client.Client) -> Probe:
    """Valkey takes a value, gives it back, and forgets nothing that it was given."""

    async def check() -> Verdict:
        try:
            await client.write_and_read(cache)
        except Error as error:
            return Verdict("failing", error.message, f"{error.hint or 'is it up?'}; {_CACHE}")
        try:
            await fitness.judge(cache)
        except Error as error:
            return Verdict("degraded", error.message, error.hint)
        return Verdict("ok", "writes and reads")

    return Probe("cache", check)


def worker_probe(conninfo: Secret, clock: Clock) -> Probe:
    """A job that does nothing is done by some job worker. `conninfo`: as `dd0c_jobs`."""

    async def check() -> Verdict:
        try:
            took_s = await heartbeat.round_trip(conninfo)
            last = await heartbeat.find_last(conninfo) if took_s is None else clock.now()
        except (psycopg.OperationalError, ConnectorException):
            raise Unavailable("the job queue cannot be reached") from None
        if took_s is not None:
            return Verdict("ok", f"did a job in {took_s * 1000:.0f} ms")
        if last is None:
            return Verdict("failing", "no job worker has ever reported", _WORKER)
        silent = clock.now() - last
        if silent > SILENT_MAX:
            return Verdict(
                "failing", f"no job worker reported for {silent.total_seconds():.0f} s", _WORKER
            )
        return Verdict("degraded", "busy: a small job still waits", "start more job workers")

    return Probe("worker", check, rests_on=DATABASE)


def audit_probe(conninfo: Secret) -> Probe:
    """Events do not wait long until they are chained. `conninfo`: as `dd0c_chainer`."""

    async def check() -> Verdict:
        try:
            async with await psycopg.AsyncConnection.connect(conninfo.reveal()) as tx:
                backlog = await chainer.look(tx)
        except psycopg.OperationalError:
            raise Unavailable("the audit log cannot be reached") from None
        if not backlog.waiting:
            return Verdict("ok", "every event is chained")
        seen = f"{backlog.waiting:,} events wait, the oldest for {backlog.oldest_s:.0f} s"
        if backlog.oldest_s < UNCHAINED_MAX_S:
            return Verdict("ok", seen)
        return Verdict("failing", seen, _AUDIT)

    return Probe("audit log", check, rests_on="worker")


def disk_probe(folder: Path, measure: Callable[[Path], Usage] = shutil.disk_usage) -> Probe:
    """The disk of the home has room and takes what is written."""

    async def check() -> Verdict:
        try:
            usage = await asyncio.to_thread(_try_disk, folder, measure)
        except OSError as error:
            return Verdict("failing", f"{folder}: {error.strerror}", _DISK)
        share = usage.free / usage.total if usage.total else 0.0
        seen = f"{usage.free / 1e9:.1f} GB free, {share:.0%}"
        if share < FREE_FAILING:
            return Verdict("failing", seen, _DISK)
        return Verdict("degraded", seen, _DISK) if share < FREE_DEGRADED else Verdict("ok", seen)

    return Probe("disk", check)


def breakers_probe(pool: Pool, breakers: Breakers) -> Probe:
    """Nothing that is called from here has failed so often that it is left alone. A part may know
    more of it than its breaker's name."""

    async def check() -> Verdict:
        found = {one.name: one.name for one in await breakers.list_open()}
        async with tenancy.system(pool) as tx:
            parts = await register.list_parts(tx)
        for part in parts:
            if part.state is State.ALIVE:
                told = part.facts.get("breakers", ())
                found |= {one["name"]: f"{one['name']} ({one['provider']})" for one in told}
        if not found:
            return Verdict("ok", "none is open")
        return Verdict("degraded", f"left alone: {', '.join(sorted(found.values()))}", _BREAKERS)

    return Probe("breakers", check, rests_on=DATABASE)


def _try_disk(folder: Path, measure: Callable[[Path], Usage]) -> Usage:
    descriptor, path = tempfile.mkstemp(prefix=".health-", dir=folder)
    try:
        os.write(descriptor, bytes(TRIED_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(path)
    return measure(folder)
