"""W3C trace context: continue the caller's trace with our span as the provider's parent (R-34)."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NOTHING = (b"0" * 32, b"0" * 16)


class Trace(NamedTuple):
    """The trace of one attempt: its id (16 bytes), the header for the provider, whether we continue
    the caller's trace (then its `tracestate` travels on too)."""

    trace_id: bytes
    traceparent: bytes
    continued: bool


def begin(given: bytes | None) -> Trace:
    """A new span under the caller's `traceparent`; a new trace when there is none or it is broken.

    We do not sample: a new trace is marked so (00), a continued one keeps the caller's flags.
    """
    span = os.urandom(8).hex().encode()
    match = _TRACEPARENT.fullmatch(given) if given is not None else None
    if match is not None and _valid(match):
        trace, flags = match[2], match[4]
        return Trace(bytes.fromhex(trace.decode()), b"00-%b-%b-%b" % (trace, span, flags), True)
    trace_id = os.urandom(16)
    return Trace(trace_id, b"00-%b-%b-00" % (trace_id.hex().encode(), span), False)


def _valid(match: re.Match[bytes]) -> bool:
    version, trace, parent, _, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest is not None):
        return False
    return trace != _NOTHING[0] and parent != _NOTHING[1]
