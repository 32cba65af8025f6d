"""W3C trace context: continue the caller's trace with our span as the provider's parent (R-34)."""

from __future__ import annotations

import re
from binascii import hexlify

import msgspec

CHANCE_BYTES = 24

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NOTHING = (b"0" * 32, b"0" * 16)


class Trace(msgspec.Struct, frozen=True, gc=False):
    """The trace of one request: its id (16 bytes), the header for the provider, whether we continue
    the caller's trace (then its `tracestate` travels on too)."""

    trace_id: bytes
    traceparent: bytes
    continued: bool


def begin(given: bytes | None, chance: bytes) -> Trace:
    """A new span under the caller's `traceparent`; a new trace when there is none or it is broken.

    `chance` are CHANCE_BYTES random bytes. We do not sample: a new trace is marked so (00), a
    continued one keeps the caller's flags.
    """
    fresh = hexlify(chance)
    span = fresh[32:]
    if given is None:
        return Trace(chance[:16], b"00-%b-%b-00" % (fresh[:32], span), False)
    if (match := _TRACEPARENT.fullmatch(given)) and _valid(match):
        trace, flags = match[2], match[4]
        return Trace(bytes.fromhex(trace.decode()), b"00-%b-%b-%b" % (trace, span, flags), True)
    return Trace(chance[:16], b"00-%b-%b-00" % (fresh[:32], span), False)


def _valid(match: re.Match[bytes]) -> bool:
    version, trace, parent, _, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest is not None):
        return False
    return trace != _NOTHING[0] and parent != _NOTHING[1]
