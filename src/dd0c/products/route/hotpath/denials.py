"""What a caller is told about limits: refusals, and how much is left. Pure.

A refusal names the rule that it is for and when there is room again. An SDK tries again by itself
after `retry-after`; where that is longer than it should wait it is told not to.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from dd0c.base import ids
from dd0c.products.route.hotpath.allowances import RATES, Account
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.snapshot import Rule, Short
from dd0c.products.route.models import Dialect, dollars_text

WORTH_WAITING_S = 60
MINUTE_S = 60

STORE_AWAY = Refusal(
    503,
    "limits_unavailable",
    "The limits of this organisation cannot be checked right now, and its terms say that nothing "
    "is sent then. Try again shortly.",
    ((b"retry-after", b"2"),),
)


Least = dict[str, tuple[int, int]]
"""By what is measured: what is left, and the limit."""


def refuse(rule: Rule, short: Short, need: int, now_s: float) -> Refusal:
    """The refusal of a request that needs more than a rule has left."""
    frees_in_s = short.frees_in_s
    if rule.measure == "usd":
        code = "budget_exceeded"
        reached = f"The budget of ${dollars_text(rule.amount)} {_window(rule)} {_subject(rule)}"
        told = f"{reached} has ${dollars_text(max(0, short.remaining))} left"
        if short.held:
            held = f"${dollars_text(short.held)}"
            told += f" while requests under way hold {held}, which comes back as far as unused"
        told += f", and this request may cost up to ${dollars_text(need)}."
    else:
        code = "rate_limit_exceeded"
        what = {
            "requests": f"{rule.amount} requests a minute",
            "tokens": f"{rule.amount} tokens a minute",
            "concurrency": f"{rule.amount} requests at a time",
        }[rule.measure]
        told = f"The limit of {what} {_subject(rule)} is reached."
    if frees_in_s is None:
        told += " It has no room for this request at any time: ask for less at once, or raise it."
        return Refusal(429, code, told, ((b"x-should-retry", b"false"),))
    after_s = max(1, math.ceil(frees_in_s))
    headers: tuple[tuple[bytes, bytes], ...] = ((b"retry-after", b"%d" % after_s),)
    if after_s > WORTH_WAITING_S:
        zone = ZoneInfo(rule.time_zone)
        frees_at = datetime.fromtimestamp(round(now_s + frees_in_s), UTC).astimezone(zone)
        told += f" It begins anew at {frees_at.isoformat()}."
        headers += ((b"x-should-retry", b"false"),)
    else:
        told += f" Try again in {after_s} s."
    return Refusal(429, code, told, headers)


def no_price(rule: Rule, model: str) -> Refusal:
    """The refusal of a request whose cost cannot be bounded, so that no budget could be kept."""
    return Refusal(
        403,
        "no_price",
        f"The budget {_window(rule)} {_subject(rule)} is a hard one, and what {model!r:.120} costs "
        "is not known. Set a price with `dd0c route prices set`, or use another model.",
    )


def least(accounts: Iterable[Account]) -> Least:
    """What is left of requests and of tokens a minute, from accounts of these: of several limits
    the one of which least is left."""
    found: Least = {}
    for account in accounts:
        left = (account.remaining or 0) + account.free
        if account.measure not in found or left < found[account.measure][0]:
            found[account.measure] = left, account.rule.amount
    return found


def headers(dialect: Dialect, left: Least, now_s: float) -> bytes:
    """Header lines about that."""
    lines = b""
    for what, (number, limit) in left.items():
        lines += _lines(dialect, what, number, limit, now_s)
    return lines


def refused_headers(dialect: Dialect, rule: Rule, now_s: float) -> tuple[tuple[bytes, bytes], ...]:
    """The same for a refusal, as headers."""
    if rule.measure not in RATES:
        return ()
    lines = _lines(dialect, rule.measure, 0, rule.amount, now_s).split(b"\r\n")[:-1]
    return tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))


def _lines(dialect: Dialect, measure: str, left: int, limit: int, now_s: float) -> bytes:
    anthropic = dialect is Dialect.ANTHROPIC
    before, after = frame(measure, limit, anthropic=anthropic)
    if anthropic:
        return before + b"%d" % left + after + _reset(int(now_s) + MINUTE_S)
    return before + b"%d" % left + after


@lru_cache(1000)
def frame(measure: str, limit: int, *, anthropic: bool = False) -> tuple[bytes, bytes]:
    """What stands before and behind the number that is left."""
    what = measure.encode()
    if anthropic:
        start = b"anthropic-ratelimit-%b-" % what
        before = b"%blimit: %d\r\n%bremaining: " % (start, limit, start)
        return before, b"\r\n%breset: " % start
    before = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: " % (what, limit, what)
    return before, b"\r\nx-ratelimit-reset-%b: 1m0s\r\n" % what


@lru_cache(1)
def _reset(at_s: int) -> bytes:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ\r\n").encode()


def _window(rule: Rule) -> str:
    if rule.window == "total":
        return "in total"
    return "an hour" if rule.window == "hour" else f"a {rule.window}"


def _subject(rule: Rule) -> str:
    match rule.scope:
        case "organisation":
            return "for this organisation"
        case "key":
            return f"for the key {ids.text(ids.Kind.KEY, uuid.UUID(hex=rule.subject))}"
        case "team":
            return f"for the team {ids.text(ids.Kind.TEAM, uuid.UUID(hex=rule.subject))}"
    return f"for the {rule.scope} {rule.subject!r}"
