"""Counters in Valkey that hold several gateways to one limit, exactly (K-60, R-16).

A gateway is a *holder*: it takes permission in chunks and spends it without asking. Valkey knows
what was spent and what each holder has out, and grants nothing that would bring the sum above the
cap. `counters.lua` decides; each call is one script over keys of one organisation, in the server's
time. Three numbers keep late and lost words harmless:

- The *epoch* names one life of Valkey's data. It changes when the data is gone or the server was
  started again, for it may have lost its last second; then every money counter is counted anew.
- The *generation* of a holder rises with every `post`, in which it says all that it holds. Calls
  of an older one are refused, whenever they arrive; answers to them are too.
- The *lease* of a holder runs for three seconds from each `tick`. When it has run out the holder is
  dead until it posts: its concurrency is free, its money stays charged as lost.

A call that fails is in doubt: it may have been done, or may be done later. `post` ends the doubt,
and nothing else is sent before it has succeeded.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, TypeAlias

import msgspec
from valkey.exceptions import ValkeyError

from dd0c.kernel.cache import fitness
from dd0c.kernel.cache.client import Client
from dd0c.kernel.cache.script import Call, Script
from dd0c.kernel.guard.limits import (
    AMOUNT_MAX,
    CALL_WITHIN_S,
    Ask,
    Counter,
    Granted,
    Kind,
    Short,
    State,
    Superseded,
    Tick,
    Uncounted,
)

Amounts: TypeAlias = Sequence[tuple[Counter, int]]

INSTALLATION = "dd0c:g"
SCRIPT = "counters.lua"
FORGET_MAX_S = 60.0  # every key that there is, is looked at
SCANNED_AT_ONCE = 1_000


class Counters:
    """The counters as one holder sees them. `holder`: letters, digits, `.`, `-` and `_`.

    Every method raises Unavailable when there is no answer within `within_s`, and Superseded when
    there is nothing but to `post`, which is the first call of a holder too; `read`, `recount` and
    `take_one` need no post. One task posts: of two posts at once the first raises Superseded.
    """

    def __init__(self, client: Client, holder: str, within_s: float = CALL_WITHIN_S):
        self._client = client
        self._holder = holder
        self._within_s = within_s
        self._script = Script(__package__, SCRIPT)
        self._epoch = 0
        self._generation = 0
        self._certain = False
        self._orgs: set[bytes] = set()
        self._tokens = itertools.count(1)

    async def post(self, held: Amounts) -> Tick:
        """Say all that is held of money and concurrency: nothing else is from now on."""
        self._certain = False
        self._generation += 1
        (reply,) = await self._run([self._tell_epoch()])
        self._epoch = reply[1]
        await self._join(dict.fromkeys(self._orgs, ()) | _by_org(held))
        self._certain = True
        return _tick(reply)

    async def tick(self) -> Tick:
        """Renew the lease and learn what changed."""
        calls = [self._call("renew", org) for org in self._orgs]
        *renewed, told = await self._run([*calls, self._tell_epoch()])
        known = self._certain and told[1] == self._epoch and [b"superseded"] not in renewed
        wanted = frozenset(key.decode() for reply in renewed for key in reply[1:])
        return msgspec.structs.replace(_tick(told), wanted=wanted, superseded=not known)

    async def take(self, asks: Sequence[Ask]) -> Granted | Short | Uncounted:
        """Take all that is asked, or nothing. All counters are of one organisation."""
        began = time.monotonic()
        reply = await self._on(
            "take",
            [ask.counter for ask in asks],
            *(_asked(ask.counter, ask.counter.cap, ask.need, ask.want) for ask in asks),
        )
        return _taken(reply, began)

    async def take_one(self, counter: Counter) -> Granted | Short:
        """Take one of a rate, whoever we are: what was taken of a rate is held by nobody."""
        assert counter.kind is Kind.RATE
        asked, began = _asked(counter, counter.cap, 1, 1), time.monotonic()
        (reply,) = await self._run([self._call("pass", counter.org, [counter], asked)])
        taken = _taken(reply, began)
        assert not isinstance(taken, Uncounted)
        return taken

    async def take_anyway(self, amounts: Amounts) -> None:
        """Take what was used without permission, whatever the caps are."""
        await self._on_each("take_anyway", amounts, lambda c, amount: _asked(c, 0, amount, amount))

    async def give_back(self, amounts: Amounts, second: int = 0) -> None:
        """Give back what was not used; of a rate with the `second` that it was granted in."""
        await self._on_each("give_back", amounts, lambda c, amount: (c.kind, amount), second)

    async def settle(self, org: bytes, number: int, xid: int, charges: Amounts) -> bool:
        """What was outstanding is spent: the rows are in the ledger since transaction `xid`.

        The holder numbers its settlements of an organisation upwards and has one at a time under
        way; one that failed is tried again under its number, after a `post` that still held the
        amounts, and counts once. False: a counter is being counted, try again soon.
        """
        counters, amounts = zip(*charges, strict=True)
        assert all(counter.org == org for counter in counters)
        reply = await self._on("settle", counters, (number, xid), amounts)
        return bool(reply[0] == b"ok")

    async def begin_count(self, counter: Counter) -> int | None:
        """A token for a count of the ledger that begins now; None when another is under way."""
        token = next(self._tokens)
        reply = await self._on("begin_count", [counter], (token, counter.expires_s or 0))
        return token if reply[0] == b"ok" else None

    async def end_count(self, counter: Counter, token: int, spent: int, snapshot: str) -> bool:
        """The ledger's sum and `pg_current_snapshot()` of its statement; False when too late."""
        values = (token, spent, snapshot, counter.expires_s or 0)
        reply = await self._on("end_count", [counter], values)
        return bool(reply[0] == b"ok")

    async def recount(self, counters: Sequence[Counter], gone: str = "") -> bool:
        """Have counters counted anew, because the ledger has become another.

        `gone`: how the names of holders begin whose spools are in the ledger now, so that nothing
        of theirs is lost any more. False: one of them still lives, try again soon.
        """
        calls = [
            self._call("recount", org, [c for c, _ in named], (gone,))
            for org, named in _by_org([(counter, 0) for counter in counters]).items()
        ]
        return all(reply == [b"ok"] for reply in await self._run(calls))

    async def read(self, counters: Sequence[Counter]) -> list[State]:
        """The counters as they stand, in their order."""
        groups = _by_org([(counter, at) for at, counter in enumerate(counters)])
        calls = [
            self._call("read", org, [c for c, _ in named], [c.kind for c, _ in named])
            for org, named in groups.items()
        ]
        found: dict[int, State] = {}
        for named, (_, *states) in zip(groups.values(), await self._run(calls), strict=True):
            for (_, at), (spent, *rest) in zip(named, states, strict=True):
                found[at] = State(None if spent < 0 else spent, *rest)
        return [found[at] for at in range(len(counters))]

    async def _on(
        self, operation: str, counters: Sequence[Counter], *values: Iterable[object]
    ) -> list[Any]:
        """One operation on counters of one organisation, which is joined before."""
        (org,) = {counter.org for counter in counters}
        await self._enter({org})
        (reply,) = _known(await self._run([self._call(operation, org, counters, *values)]))
        return reply

    async def _on_each(
        self,
        operation: str,
        amounts: Amounts,
        values: Callable[[Counter, int], Iterable[object]],
        *first: object,
    ) -> None:
        """One operation on counters of several organisations."""
        groups = _by_org(amounts)
        await self._enter(groups.keys())
        calls = [
            self._call(operation, org, [c for c, _ in named], first, *(values(*n) for n in named))
            for org, named in groups.items()
        ]
        _known(await self._run(calls))

    async def _enter(self, orgs: Set[bytes]) -> None:
        """Be known in these organisations, for what is to be asked of them."""
        if not self._certain:
            raise Superseded
        await self._join(dict.fromkeys(orgs - self._orgs, ()))

    async def _join(self, held: Mapping[bytes, Amounts]) -> None:
        """Be known in these organisations with what is held.

        The epoch is asked for afterwards: had the data been lost before, it would be another.
        """
        if not held:
            return
        calls = [
            self._call(
                "post",
                org,
                [c for c, _ in named],
                *((c.kind, amount, c.expires_s or 0) for c, amount in named),
            )
            for org, named in held.items()
        ]
        *joined, told = await self._run([*calls, self._tell_epoch()])
        _known(joined)
        if told[1] != self._epoch:
            raise Superseded
        self._orgs.update(held)

    def _tell_epoch(self) -> Call:
        return [INSTALLATION], ["epoch", self._epoch, self._holder, self._generation, self._epoch]

    def _call(
        self,
        operation: str,
        org: bytes,
        counters: Sequence[Counter] = (),
        *values: Iterable[object],
    ) -> Call:
        keys = [f"{{{org.hex()}}}:g", *(counter.key for counter in counters)]
        us = (self._epoch, self._holder, self._generation)
        return keys, [operation, *us, *itertools.chain.from_iterable(values)]

    async def _run(self, calls: Sequence[Call]) -> list[list[Any]]:
        """The replies to calls, sent together; Superseded when `post` was called meanwhile."""
        generation = self._generation
        try:
            async with asyncio.timeout(self._within_s):
                replies = await self._script.run(self._client, calls)
        except (ValkeyError, OSError, TimeoutError) as error:
            if generation == self._generation:
                self._certain = False
            raise fitness.explain(error) from error
        if generation != self._generation:
            raise Superseded
        return replies


async def forget(client: Client, org: bytes) -> None:
    """Remove what is counted of an organisation that is gone; Unavailable. Who of the gateways knew
    it stays until it expires: they would say it again."""
    counted = f"{{{org.hex()}}}:g:*"
    try:
        async with asyncio.timeout(FORGET_MAX_S):
            async for key in client.scan_iter(match=counted, count=SCANNED_AT_ONCE):
                await client.unlink(key)
    except (ValkeyError, OSError, TimeoutError) as error:
        raise fitness.explain(error) from error


def _asked(counter: Counter, cap: int, need: int, want: int) -> tuple[object, ...]:
    assert 0 <= need <= want <= AMOUNT_MAX
    assert 0 <= cap <= AMOUNT_MAX
    return counter.kind, cap, need, want, counter.expires_s or 0


def _taken(reply: list[Any], began: float) -> Granted | Short | Uncounted:
    """What a take came to, which was asked for at `began`."""
    match reply:
        case b"uncounted", *indexes:
            return Uncounted(tuple(indexes))
        case b"short", index, remaining, others, frees_in_ms:
            frees_in_s = None if frees_in_ms < 0 else frees_in_ms / 1000
            return Short(index, remaining, others, frees_in_s)
    _, second, left_ms, *granted = reply
    return Granted(
        amounts=tuple(granted[0::3]),
        remaining=tuple(granted[1::3]),
        tight=tuple(map(bool, granted[2::3])),
        second=second,
        until_s=began + left_ms / 1000,
    )


def _by_org(amounts: Amounts) -> dict[bytes, Amounts]:
    found: dict[bytes, list[tuple[Counter, int]]] = {}
    for counter, amount in amounts:
        assert 0 <= amount <= AMOUNT_MAX
        found.setdefault(counter.org, []).append((counter, amount))
    return dict(found)


def _known(replies: list[list[Any]]) -> list[list[Any]]:
    if [b"superseded"] in replies:
        raise Superseded
    return replies


def _tick(reply: list[Any]) -> Tick:
    _, epoch, age_ms = reply
    return Tick(epoch=epoch, epoch_age_s=age_ms / 1000)
