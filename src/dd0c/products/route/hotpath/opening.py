"""The open record of requests that go the same way, packed once but for what differs. No I/O.

Of a record of thirty fields only the id, the moment, the trace and the money held differ between
two requests of a lane. The real encoder packs a record with marks in their place, and it is cut at
the marks: a change of the record changes this too.
"""

from __future__ import annotations

import struct

import msgspec

from dd0c.products.route.hotpath import spool
from dd0c.products.route.models import AttemptOpened

_ID, _TRACE = bytes.fromhex("e1d0" * 8), bytes.fromhex("7ace" * 8)
_MOMENT, _PICO = 0xFFE1_D0C0_B0A0_9080, 0xFFD0_C0B0_A090_8070  # both take eight bytes
_number = struct.Struct(">Q").pack


class Opening:
    """Frames of a lane. The record it is made of has no money held, or any."""

    __slots__ = ("_parts",)

    def __init__(self, record: AttemptOpened):
        marked = msgspec.structs.replace(
            record, request_id=_ID, started_us=_MOMENT, trace_id=_TRACE, reserved_pico=_PICO
        )
        rest = msgspec.msgpack.encode(marked)
        self._parts: list[bytes] = []
        for mark in (_ID, _number(_MOMENT), _TRACE, b"\xcf" + _number(_PICO)):
            part, found, rest = rest.partition(mark)
            assert found
            self._parts.append(part)
        self._parts.append(rest)

    def frame(
        self, request_id: bytes, started_us: int, trace_id: bytes, reserved_pico: int | None
    ) -> bytes:
        """The frame of one request's record."""
        a, b, c, d, e = self._parts
        held = b"\xc0" if reserved_pico is None else b"\xcf" + _number(reserved_pico)
        return spool.frame(
            b"".join((a, request_id, b, _number(started_us), c, trace_id, d, held, e))
        )
