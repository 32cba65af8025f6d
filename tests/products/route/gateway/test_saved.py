"""The configuration on disk: sealed, whole, of this home, and young enough."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest

from dd0c.base import home as homes
from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.kernel.vault import local
from dd0c.products.route.gateway.saved import Saved, Shelf, Unusable
from dd0c.products.route.hotpath.snapshot import KeyEntry, Provider

DAY_S = 86_400.0
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECRET = "sk-canary-of-the-snapshot-4711"


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    moment: datetime = NOON

    def now(self) -> datetime:
        return self.moment

    def now_us(self) -> int:
        return int(self.moment.timestamp()) * 1_000_000


def saved() -> Saved:
    """A key and a provider, as of noon."""
    key = KeyEntry(b"h" * 32, uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes)
    provider = Provider(
        b"p" * 16, None, "openai", "openai", "https", "h", 443, "/v1", Secret(SECRET), "o"
    )
    return Saved(Clock().now_us(), (key,), (provider,), ())


def shelf(place: Home, clock: Clock | None = None) -> Shelf:
    """The home's shelf."""
    return Shelf(place, local.load(place), clock or Clock())


async def test_what_was_kept_comes_back_and_nobody_else_can_read_it(place: Home) -> None:
    """Keys and provider secrets are on disk sealed only, for the owner only (K-8, K-30)."""
    here = shelf(place)
    await here.put(saved())
    assert await shelf(place).take(DAY_S) == (saved(), 0.0)
    assert here.path.stat().st_mode & 0o777 == 0o600
    content = here.path.read_bytes()
    assert SECRET.encode() not in content
    assert b"h" * 32 not in content


class SavedBefore(msgspec.Struct):
    """What was kept before there were rules and teams."""

    as_of_us: int
    keys: tuple[tuple[bytes, bytes, bytes, None, None], ...]
    providers: tuple[()] = ()
    prices: tuple[()] = ()


async def test_what_an_older_gateway_kept_is_served_from(place: Home) -> None:
    """A key is in no team then, and there are no rules (K-7, K-8)."""
    key = (b"h" * 32, b"k" * 16, b"o" * 16, None, None)
    await shelf(place).put(cast(Saved, SavedBefore(Clock().now_us(), (key,))))
    found, _ = await shelf(place).take(DAY_S)
    assert found == Saved(Clock().now_us(), (KeyEntry(*key, team=None),), (), ())
    assert (found.rules, found.terms) == ((), ())


def changed(path: Path) -> None:
    """One bit, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another_format(path: Path) -> None:
    """As a later dd0c may write it."""
    content = bytearray(path.read_bytes())
    content[4] += 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (Path.unlink, "is not there"),
    "empty": (lambda path: os.truncate(path, 0), "empty or cut off"),
    "cut off": (lambda path: os.truncate(path, path.stat().st_size - 1), "does not open"),
    "only a head": (lambda path: os.truncate(path, 9), "does not open"),
    "changed": (changed, "does not open"),
    "something else": (lambda path: path.write_text("not ours at all"), "no document of dd0c"),
    "of another format": (of_another_format, "format 3, this dd0c reads 2"),
}


@pytest.mark.parametrize("how", DAMAGES)
async def test_a_damaged_file_is_named_and_left_alone(place: Home, how: str) -> None:
    """Whatever stands where the snapshot should be: one line, and nothing destroyed (K-8)."""
    here = shelf(place)
    await here.put(saved())
    damage, reason = DAMAGES[how]
    damage(here.path)
    before = here.path.read_bytes() if here.path.exists() else None
    with pytest.raises(Unusable, match=reason) as caught:
        await here.take(DAY_S)
    assert "\n" not in caught.value.message
    assert (here.path.read_bytes() if here.path.exists() else None) == before


async def test_another_key_or_installation_opens_nothing(place: Home, tmp_path: Path) -> None:
    """A file carried to another home, or beside another key, is of no use there (K-30)."""
    await shelf(place).put(saved())
    other = homes.create(tmp_path / "other")
    other_key = Shelf(place, local.ensure(other), Clock())
    other_home = Shelf(replace(place, installation="ins_other"), local.load(place), Clock())
    for stranger in (other_key, other_home):
        with pytest.raises(Unusable, match="does not open"):
            await stranger.take(DAY_S)


async def test_age_decides(place: Home) -> None:
    """Up to max_stale_s it serves, not a second longer; a clock set back is no harm (K-8)."""
    await shelf(place).put(saved())
    for seconds in (DAY_S, -3600.0):
        clock = Clock(NOON + timedelta(seconds=seconds))
        assert await shelf(place, clock).take(DAY_S) == (saved(), seconds)
    with pytest.raises(Unusable, match=r"24\.0 hours old, and max_stale_s allows 24\.0"):
        await shelf(place, Clock(NOON + timedelta(seconds=DAY_S + 1))).take(DAY_S)
