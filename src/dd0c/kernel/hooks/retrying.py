"""What becomes of a delivery after an attempt: a table, and how long to wait. No I/O (K-71).

    verdict     tries left   none left
    delivered   delivered    delivered
    failed      waiting      dead         no answer, or one that is not 2xx
    refused     dead         dead         may never go there, or will never be taken there
    gone        dead         dead         410: nothing more is wanted there, the endpoint is paused

Ten tries in about a day: 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, then every six hours, each up to a
fifth longer by chance, so that what failed together does not come back together. A receiver that
says when (`Retry-After`) is heard where that is later, up to a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

TRIES_MAX = 10
FIRST_S, FACTOR, WAIT_MAX_S = 5.0, 4.0, 6 * 3600.0
JITTER = 0.2
ASKED_MAX_S = 86_400.0
GONE = 410


class State(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class Verdict(StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"


TABLE: Mapping[tuple[Verdict, bool], State] = {
    (Verdict.DELIVERED, True): State.DELIVERED,
    (Verdict.DELIVERED, False): State.DELIVERED,
    (Verdict.FAILED, True): State.WAITING,
    (Verdict.FAILED, False): State.DEAD,
    (Verdict.REFUSED, True): State.DEAD,
    (Verdict.REFUSED, False): State.DEAD,
    (Verdict.GONE, True): State.DEAD,
    (Verdict.GONE, False): State.DEAD,
}
"""By verdict, and whether a try is left."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `status`: what was answered, of HTTP or SMTP; `said`: an excerpt."""

    verdict: Verdict
    status: int | None
    said: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What is to be done. `wait_s` counts where it waits."""

    state: State
    wait_s: float


def decide(outcome: Outcome, tries: int, chance: float) -> Next:
    """What follows the try of that number, the first being 1. `chance` lies between 0 and 1."""
    state = TABLE[outcome.verdict, tries < TRIES_MAX]
    wait_s = min(FIRST_S * FACTOR ** (tries - 1), WAIT_MAX_S) * (1 + JITTER * chance)
    return Next(state, max(wait_s, min(outcome.retry_after_s or 0.0, ASKED_MAX_S)))


def judge(status: int) -> Verdict:
    """What a status of HTTP means: only 2xx is taken for delivered, a redirect is not followed."""
    if status == GONE:
        return Verdict.GONE
    return Verdict.DELIVERED if 200 <= status < 300 else Verdict.FAILED


def read_retry_after(text: str, now: datetime) -> float | None:
    """Seconds that a receiver asks for, as a number or a date; None where it says neither."""
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else max(0.0, (at - now).total_seconds())
