"""The disk fills up under traffic and gets room again: refused in words, then on, nothing lost."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from dd0c.kernel.db import roles
from tests.chaos.traffic import Traffic, check_complete
from tests.support.disk import Disk, small_disk
from tests.support.product import Product, start, until

pytestmark = pytest.mark.chaos

SIZE_MB = 256


@pytest.fixture
def disk() -> Iterator[Disk]:
    """One that the product fits on."""
    with tempfile.TemporaryDirectory(prefix="dd0c-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)
        with small_disk(Path(folder), SIZE_MB) as one:
            yield one


@pytest.fixture
def cramped(disk: Disk) -> Iterator[Product]:
    """A dd0c on that disk."""
    outside = disk.outside / "home"
    one = start(outside, enter=disk.enter, DD0C_HOME=str(disk.inside / "home"))
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


def test_a_full_disk_stops_service_and_room_brings_it_back(cramped: Product, disk: Disk) -> None:
    """R-15, K-6: callers get a 503 that says why; PostgreSQL panics, and comes back when there is
    room; every whole answer has its one row, and a stop is a clean one."""
    _, key = cramped.new_org()
    with Traffic(cramped, key) as traffic:
        traffic.goes_on()
        disk.fill()
        error = first_refusal(cramped, key)
        assert error["code"] == "spool_unavailable"
        assert "disk space" in error["message"]
        panic(cramped)
        disk.make_room()
        traffic.goes_on(within_s=40)
    check_complete(cramped, key, traffic.answered)
    until(cramped.is_ready, "gateway and console are ready")
    assert cramped.stop() == 0, "\n".join(cramped.lines)


def first_refusal(product: Product, key: str) -> dict[str, str]:
    """What the first refused caller reads; the next may be served, when a shipped file went."""
    answers: list[httpx.Response] = []

    def refused() -> bool:
        answers.append(product.chat(key=key))
        return answers[-1].status_code == 503

    until(refused, "requests are refused")
    error: dict[str, str] = answers[-1].json()["error"]
    return error


def panic(product: Product) -> None:
    """Make PostgreSQL need a new segment of its log, which the full disk refuses."""
    passwords = json.loads((product.home / "secrets" / "database.json").read_text())
    with psycopg.connect(
        host=str(product.home / "sockets"),
        user=roles.ADMIN,
        password=passwords[roles.ADMIN],
        dbname=roles.DATABASE,
        autocommit=True,
    ) as connection:
        segments = "SELECT pg_logical_emit_message(false, 'x', 'y'), pg_switch_wal()"
        with pytest.raises(psycopg.OperationalError):
            connection.execute(";".join([segments] * 20))
    ended = "PostgreSQL ended with status 1; starting it again"
    until(lambda: any(line.startswith(ended) for line in product.lines), "PostgreSQL gives up")
