"""Who a request is: its id and its place in a trace, made when it is begun."""

from __future__ import annotations

import msgspec

from dd0c.base import ids
from dd0c.products.route.hotpath import trace
from dd0c.products.route.hotpath.entropy import Entropy
from dd0c.products.route.hotpath.trace import Trace

_CHANCE_BYTES = 10 + trace.CHANCE_BYTES


class Identity(msgspec.Struct, frozen=True, gc=False):
    """`id` is 16 bytes, `text` what people see of it; `begun_us` the Unix time in it and more."""

    id: bytes
    text: str
    begun_us: int
    trace: Trace


def draw(entropy: Entropy, now_us: int, traceparent: bytes | None) -> Identity:
    """A new one, in the trace of the caller if it tells one."""
    chance = entropy.take(_CHANCE_BYTES)
    made = ids.new_bytes(now_us // 1000, chance[:10])
    span = trace.begin(traceparent, chance[10:])
    return Identity(made, ids.text(ids.Kind.REQUEST, made), now_us, span)
