"""Whether the gateways serve, their ledger rows arrive, and what they go by is fresh.

Every gateway of the installation says how it is in its row among the parts, on whatever machine it
runs. One on this machine is asked itself besides: a row is up to five seconds old, and an answer
shows that its event loop turns. Where no gateway is heard of, only `gateway` is red: what depends
on it is unknown.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from dd0c.base.errors import Timeout, Unavailable
from dd0c.base.outbound import Outbound, Policy, Request
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.parts import register
from dd0c.kernel.parts.part import Seen, State
from dd0c.kernel.web import dependencies
from dd0c.kernel.web.probes import WORST_FIRST, Probe, Verdict
from dd0c.kernel.web.resources import Resources

ANSWER_TIMEOUT_S = 2.0
ASKED_MAX = 16  # gateways of one machine
LAG_DEGRADED_S = 10.0
SNAPSHOT_DEGRADED_S = 10.0
UNKEPT_DEGRADED_S = 60.0  # it is saved within seconds
DISK_FREE_BYTES_MIN = 1_000_000_000

_START = "start `dd0c gateway`; with `dd0c up`, see log/gateway.log in the home"
_CRASHING = "the gateway's log says what its workers die of; report it"
_SHIPPING = "is the database slow or away? the gateway's log says what it answers"
_UNRECORDED = "nobody bills them: compare with the provider's export; a restart forgets the number"
_FOLLOWING = "the gateway's log says why it does not reach the database"
_KEEPING = "can it write its home? the gateway's log says why the snapshot is not saved"
_PRICES = "install a newer dd0c: new models have no price, changed prices are wrong"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway as it says it is. `mute`: it is on this machine and does not answer."""

    name: str
    state: State
    facts: dict[str, Any]
    mute: str = ""


Judge = Callable[[Gateway], Verdict]


def probes(use: Resources) -> Sequence[Probe]:
    """The probes of route."""

    stale_days = use.settings.prices_stale_days
    asking = _gateway_check(use.pool, Outbound(use.settings))

    def probe(name: str, judge: Judge) -> Probe:
        return Probe(name, _of_each_alive(use.pool, judge), rests_on=dependencies.DATABASE)

    return [
        Probe("gateway", asking, rests_on=dependencies.DATABASE),
        probe("spool", judge_spool),
        probe("snapshot", judge_snapshot),
        probe("prices", lambda gateway: judge_prices(gateway, use.clock.now(), stale_days)),
    ]


def _gateway_check(pool: Pool, outbound: Outbound) -> Callable[[], Awaitable[Verdict]]:
    async def check() -> Verdict:
        known = [one for one in await _list(pool) if one.state is not State.STOPPED]
        if not any(one.state is State.ALIVE for one in known):
            return Verdict("failing", "no gateway reports", _START)
        asked = await asyncio.gather(*(_ask(one, outbound) for one in known[:ASKED_MAX]))
        return _worst(map(judge_gateway, (*asked, *known[ASKED_MAX:])))

    return check


def _of_each_alive(pool: Pool, judge: Judge) -> Callable[[], Awaitable[Verdict]]:
    async def check() -> Verdict:
        alive = [one for one in await _list(pool) if one.state is State.ALIVE]
        return _worst(map(judge, alive)) if alive else Verdict("unknown", "no gateway reports")

    return check


async def _list(pool: Pool) -> list[Gateway]:
    async with tenancy.system(pool) as tx:
        seen = await register.list_parts(tx)
    return [_gateway(one) for one in seen if one.part.kind == "gateway"]


def _gateway(seen: Seen) -> Gateway:
    return Gateway(f"{seen.part.host}/{seen.part.pid}", seen.state, dict(seen.facts))


async def _ask(gateway: Gateway, outbound: Outbound) -> Gateway:
    """The gateway as it answers now, where it can be reached: its admin port is loopback only."""
    url = gateway.facts.get("admin_url")
    here = gateway.name.rpartition("/")[0] == socket.gethostname()
    if gateway.state is not State.ALIVE or not here or not url:
        return gateway
    try:
        answer = await outbound.send(
            Request("GET", f"{url}/readyz"), within_s=ANSWER_TIMEOUT_S, policy=Policy.CONFIGURED
        )
        return Gateway(gateway.name, gateway.state, gateway.facts | json.loads(answer.body))
    except (Unavailable, Timeout, ValueError, TypeError) as error:
        return Gateway(gateway.name, gateway.state, gateway.facts, mute=type(error).__name__)


def judge_gateway(gateway: Gateway) -> Verdict:
    """It reports, answers, and each of its workers serves."""
    name, facts = gateway.name, gateway.facts
    if gateway.state is State.STALE:
        return Verdict(
            "degraded", f"{name} was killed, hangs, or lost the database: no report", _START
        )
    if gateway.mute:
        return Verdict("failing", f"{name} reports but does not answer: {gateway.mute}", _START)
    workers = facts.get("workers", [])
    ready = sum(bool(worker.get("ready")) for worker in workers)
    seen = f"{name}: {ready} of {len(workers)} workers ready"
    for worker in workers:
        if worker.get("crash_loop"):
            told = f"{seen}; worker {worker['slot']} crashes: {worker['crash_loop']}"
            return Verdict("degraded" if ready else "failing", told, _CRASHING)
    if not ready:
        return Verdict("failing", seen, _START)
    return Verdict("degraded" if ready < len(workers) else "ok", seen, _START)


def judge_spool(gateway: Gateway) -> Verdict:
    """What it saw reaches the ledger, and there is room for more."""
    spool = gateway.facts.get("spool", {})
    waiting, lag_s = spool.get("backlog_bytes", 0), spool.get("lag_s") or 0.0
    seen = f"{gateway.name}: {waiting} bytes wait for the ledger, for {lag_s:.0f} s"
    free = gateway.facts.get("disk_free_bytes")
    missed = spool.get("unrecorded", 0)
    if spool.get("full"):
        if missed:
            seen += f"; {missed} requests served without a record"
        return Verdict("failing", f"{seen}: it is full, requests are refused", _SHIPPING)
    if free is not None and free < DISK_FREE_BYTES_MIN:
        return Verdict("degraded", f"{gateway.name}: {free / 1e9:.1f} GB free", "make room there")
    if missed:
        told = f"{gateway.name}: {missed} requests served without a record since it started"
        return Verdict("degraded", told, _UNRECORDED)
    return Verdict("degraded" if lag_s > LAG_DEGRADED_S else "ok", seen, _SHIPPING)


def judge_snapshot(gateway: Gateway) -> Verdict:
    """It knows the keys and providers that there are."""
    snapshot = gateway.facts.get("snapshot", {})
    age_s = snapshot.get("age_s")
    if age_s is None:
        return Verdict("unknown", f"{gateway.name} has no configuration yet", _FOLLOWING)
    seen = f"{gateway.name}: {age_s:.0f} s old"
    if snapshot.get("expired"):
        return Verdict("failing", f"{seen}, too old to be served from", _FOLLOWING)
    if snapshot.get("source") == "disk":
        told = f"{seen}, from its disk: keys made or revoked since are not known to it"
        return Verdict("degraded", told, _FOLLOWING)
    if age_s > SNAPSHOT_DEGRADED_S:
        return Verdict("degraded", seen, _FOLLOWING)
    unkept_s = snapshot.get("unkept_s") or 0.0
    if unkept_s > UNKEPT_DEGRADED_S:
        told = f"{gateway.name}: not kept on its disk for {unkept_s:.0f} s"
        return Verdict("degraded", f"{told}, so a restart needs the database", _KEEPING)
    return Verdict("ok", seen, _FOLLOWING)


def judge_prices(gateway: Gateway, now: datetime, stale_days: int) -> Verdict:
    """Its price list is of these weeks."""
    as_of = gateway.facts.get("prices", {}).get("as_of")
    if as_of is None:
        return Verdict("unknown", f"{gateway.name} does not say of when its prices are", _PRICES)
    begun = datetime.combine(date.fromisoformat(as_of), datetime.min.time(), UTC)
    days = (now - begun).days
    seen = f"{gateway.name}: prices of {as_of}, {days} days ago"
    return Verdict("degraded" if days > stale_days else "ok", seen, _PRICES)


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst one; where all is well, what was seen of each, without a remedy."""
    ordered = sorted(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.status))
    if ordered[0].status != "ok":
        return ordered[0]
    return Verdict("ok", "; ".join(verdict.detail for verdict in ordered))
