"""The words of the counters: what is asked of them and what they answer. No I/O, no client."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dd0c.base.errors import Unavailable

LEASE_S = 3.0
"""A holder that has not renewed for this long is dead: its concurrency is free, its money lost."""
TICK_S = 0.5
"""How often a holder renews its lease."""
COUNT_S = 10.0
"""How long the count of a counter from the ledger may take."""
CALL_WITHIN_S = 0.5
"""The deadline of every call."""
AMOUNT_MAX = 2**53 - 1
"""Of a cap and of one amount: the script's numbers are doubles."""


class Superseded(Unavailable):
    """The counters do not know us in this epoch and generation: post what is held."""


class Kind(StrEnum):
    """What a counter counts.

    Money is spent and does not come back before its window ends; a rate comes back a minute after;
    concurrency comes back when it is given back.
    """

    MONEY = "money"
    RATE = "rate"
    CONCURRENCY = "concurrency"


class Counter(msgspec.Struct, frozen=True):
    """One rule in one of its windows. `cap` is what the caller believes it to be, at each call.

    `expires_s`: the end of the window in Unix seconds; None where there is none.
    """

    org: bytes
    rule: bytes
    kind: Kind
    cap: int
    window_from_s: int = 0
    expires_s: int | None = None

    @property
    def key(self) -> str:
        """Its key in Valkey; the organisation in braces keeps a request's keys on one node."""
        return f"{{{self.org.hex()}}}:g:{self.rule.hex()}:{self.window_from_s}"


class Ask(msgspec.Struct, frozen=True):
    """At least `need` is wanted of a counter, and as much as `want` where there is plenty."""

    counter: Counter
    need: int
    want: int


class Granted(msgspec.Struct, frozen=True):
    """All asks were granted, in their order.

    `tight`: so little remains that no more than the need was given, and what is idle is missed by
    others. What was granted of a rate may be used until `time.monotonic()` is `until_s`: the end
    of the server's second.
    """

    amounts: tuple[int, ...]
    remaining: tuple[int, ...]
    tight: tuple[bool, ...]
    second: int
    until_s: float


class Short(msgspec.Struct, frozen=True):
    """The ask at `index` does not fit; nothing was taken.

    `others` is what living holders besides us have of it: some of it may come back. `frees_in_s`:
    when the need fits a rate again; None for other kinds, and when it is above the cap.
    """

    index: int
    remaining: int
    others: int
    frees_in_s: float | None


class Uncounted(msgspec.Struct, frozen=True):
    """These asks are for money that must be counted from the ledger first; nothing was taken."""

    indexes: tuple[int, ...]


class Tick(msgspec.Struct, frozen=True):
    """What a holder learns when it renews its lease.

    `wanted`: keys of counters that somebody was short of while others held some. `superseded`: the
    counters do not know what we hold.
    """

    epoch: int
    epoch_age_s: float
    wanted: frozenset[str] = frozenset()
    superseded: bool = False


class State(msgspec.Struct, frozen=True):
    """A counter as it stands.

    `spent` is None until it was counted from the ledger, and for kinds that are not spent.
    `outstanding` is with living holders, `lost` was with dead ones and stays charged; `window` is
    the sum of a rate's last minute.
    """

    spent: int | None
    outstanding: int
    lost: int
    window: int
