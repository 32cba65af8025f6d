"""Who a request is: its id and its place in a trace, made when it is begun."""

from __future__ import annotations

import msgspec

from dd0c.base import ids
from dd0c.products.route.hotpath import trace
from dd0c.products.route.hotpath.entropy import Entropy
from dd0c.products.route.hotpath.trace import Trace

_PREFIX = f"{ids.Kind.REQUEST}_"


class Identity(msgspec.Struct, frozen=True, gc=False):
    """`id` is 16 bytes, `text` what people see of it; `begun_us` the Unix time in it and more."""

    id: bytes
    text: str
    begun_us: int
    trace: Trace


def draw(entropy: Entropy, now_us: int, traceparent: bytes | None) -> Identity:
    """A new one, in the trace of the caller if it tells one."""
    digits, chance = entropy.take(16, trace.CHANCE_BYTES)
    made, text = ids.draw(now_us // 1000, digits)
    return Identity(made, _PREFIX + text, now_us, trace.begin(traceparent, chance))
