"""A caller's connection: bytes in, whole requests out, one at a time, all within bounds (R-33).

The parser is strict about lengths, transfer codings and line ends, but bounds nothing: sizes,
times, hosts and the number of waiting requests are counted here. A request may be refused as soon
as its head is known. Then its body is unread, and closing would make the kernel throw away the
answer that we just wrote; so we stop sending, read on and discard for a while (`_linger`).

A caller that shuts its sending side may still be reading, so that is no farewell. But one that has
closed looks the same until something is sent to it: `_check_peer` asks TCP, and sends bytes that
mean nothing.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import sys
from collections import deque
from typing import cast

import httptools

from dd0c.base import ids
from dd0c.products.route.hotpath import admission, dialects, heads, identity, keys
from dd0c.products.route.hotpath.delivery import TCP_CLOSE, TCP_CLOSE_WAIT, Standing, standing
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.express import Express
from dd0c.products.route.hotpath.plane import DataPlane
from dd0c.products.route.hotpath.relay import Relay
from dd0c.products.route.hotpath.request import NOTED_OR_TOLD, OWN, TOLD, Request

PIPELINE_MAX = 32  # requests waiting on one connection; what follows them is not read
WRITE_BUFFER_BYTES = 64 * 1024
SEND_BUFFER_BYTES = 128 * 1024  # set on the listener: a default socket takes 4 MB before it waits
KEEP_BODY_BYTES = 64 * 1024  # a refused request with a body up to this keeps its connection
KEY_WAIT_S = 0.5  # for the news of a key that may have been made just now
FRAMING_BYTES_MAX = 16 * 1024  # chunk extensions and trailers, beyond 32 bytes for each chunk
LINGER_S = 10.0
DISCARD_BYTES_MAX = 64 * 1024 * 1024

PROBE_AFTER_S = 0.3
PROBE_EVERY_S = 1.0
PROBES_MAX = 4  # interim responses; a client need not take any number of them

LOCAL = (b"/livez", b"/readyz")

_NOT_AT_ALL = struct.pack("ii", 1, 0)  # what the kernel still has would be delivered, unbooked
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_GET_ONLY = Refusal(405, "method_not_allowed", "Use GET here.", ((b"allow", b"GET, HEAD"),))
_NO_UPGRADE = Refusal(400, "no_upgrade", "This gateway upgrades and tunnels nothing.", close=True)
_BAD_VERSION = Refusal(505, "bad_version", "Speak HTTP/1.1 or HTTP/1.0 here.", close=True)
_NO_EXPECT = Refusal(417, "expectation", "Send Expect on an idle connection only.", close=True)
_STARTING = Refusal(
    503, "starting", "The gateway has no configuration yet. Try again.", ((b"retry-after", b"1"),)
)
_SPOOL_FULL = Refusal(
    503,
    "spool_full",
    "The gateway holds too many ledger records that the database has not taken. Try again later; "
    "an operator should look at the database.",
    ((b"retry-after", b"10"),),
)


class Caller(asyncio.Protocol):
    """One connection of a caller."""

    def __init__(self, plane: DataPlane):
        self.deadline = math.inf
        self._relay: Relay | None = None
        self._express: Express | None = None
        self._plane = plane
        self._parser = httptools.HttpRequestParser(self)
        self._parsing: Request | None = None
        self._in_body = False
        self._fed = 0  # bytes of the last read
        self._whole: bytes | None = None  # that read, where a request begins with it
        self._pipelined = False  # the last read brought the end of a request before
        self._raw_bytes = 0  # of the head, then of the body with its framing
        self._timed = False  # whether the unfinished part has its deadline
        self._chunks = 0
        self._waiting: deque[Request] = deque()
        self._serving: Request | None = None
        self._deaf = False  # what still comes is discarded
        self._discarded = 0
        self._lingering = False
        self._ended = False  # the caller sends no more
        self._full = False  # the caller reads slowly
        self._paused = False  # we read no more for now
        self._probes = 0
        self._unsent = sys.maxsize  # when a caller that is let go was last looked at
        self.written = 0  # bytes of this connection, with those that the kernel has not taken
        self._acked = -1  # of them, when a slow caller was last looked at
        self._patience = math.inf  # until when it has to take some more

    # -- the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.deadline = self._plane.now() + self._plane.idle_s
        others, most = len(self._plane.callers), self._plane.limits.connections_max
        self._plane.callers.add(self)
        if others >= 2 * most:
            self._transport.abort()  # even saying so takes a descriptor
        elif others >= most:
            self._reject(Refusal(503, "too_many_connections", "Too many connections. Try again."))

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._discard(len(data))
            return
        fresh = self._parsing is None and self._serving is None and not self._full
        if fresh:
            request = self._plane.known.recall(data)
            if request is not None and self._may_pass(request):
                self._serve(request)
                return
        self._fed = len(data)
        self._pipelined = False
        self._whole = data if fresh else None
        if self._parsing is not None:
            self._raw_bytes += self._fed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # refused when its head was complete
        except httptools.HttpParserCallbackError:
            raise  # a mistake of ours: logged, and this connection ends
        except httptools.HttpParserError as error:
            if not self._deaf:  # else this is what follows the last request that is answered
                told = f"This is not HTTP that we accept: {error}."
                self._reject(Refusal(400, "bad_http", told))
            return
        if self._parsing is not None:
            self._bound_unfinished(self._parsing)

    def eof_received(self) -> bool:
        self._ended = True
        if self._lingering or (self._serving is None and not self._waiting):
            return False
        self.deadline = self._plane.now() + PROBE_AFTER_S
        return True

    def pause_writing(self) -> None:
        self._full = True
        self.deadline = self._plane.now()
        if self.relay is not None:
            self.relay.pause()

    def resume_writing(self) -> None:
        self._full = False
        if self.relay is not None:
            watched = self._ended or self._paused or self.relay.lagging
            self.deadline = self._plane.now() + PROBE_AFTER_S if watched else math.inf
            self.relay.resume()
        elif not self._lingering:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._plane.callers.discard(self)
        self._plane.unsure.discard(self)
        self._deaf = True
        self._waiting.clear()
        relay, self._relay = self.relay, None
        if relay is not None:
            self._count(0)
            relay.caller_gone(self.acked())
        # The parser knows us and we know it: a cycle would keep the bodies until a collection.
        self._parsing = self._serving = None
        del self._parser

    # -- the parser

    def on_message_begin(self) -> None:
        if self._deaf:
            return
        if len(self._waiting) >= PIPELINE_MAX:
            self._waiting[-1].keep_alive = False
            self._deaf = True
            return
        self._parsing = Request()
        self._in_body = False
        self._raw_bytes = 0 if self._pipelined else self._fed
        self._chunks = 0
        self._timed = False

    def on_url(self, url: bytes) -> None:
        if self._parsing is not None:
            self._parsing.head.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._parsing
        if request is not None and not self._in_body:  # else it is a trailer
            name = name.lower()
            if name in NOTED_OR_TOLD or name[:7] == OWN:
                request.head.noted.append((name, value))
                if name not in TOLD:
                    return
            request.head.lines.append(b"%b: %b\r\n" % (name, value))

    def on_headers_complete(self) -> None:
        request = self._parsing
        if request is None:
            return
        self._in_body = True
        self._timed = False
        request.head.understand(self._parser.get_method().decode(), self._parser.get_http_version())
        request.refusal = self._refusal_of_head(request)
        self._raw_bytes = 0
        if request.refusal is None:
            if request.head.expects and not request.head.old:
                self.write(_CONTINUE)
        elif request.refusal.close or request.head.expects or self._is_long(request):
            self._turn_away(request)

    def on_body(self, body: bytes) -> None:
        request = self._parsing
        if request is None:
            return
        request.body_bytes += len(body)
        if request.refusal is None:
            request.add(body)
            if request.body_bytes > self._plane.limits.body_bytes_max:
                request.refusal = admission.too_large(self._plane.limits)
                self._turn_away(request)
        elif request.body_bytes > KEEP_BODY_BYTES:
            self._turn_away(request)
        elif request.refusal is keys.UNHEARD_OF:
            request.add(body)

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_message_complete(self) -> None:
        request, self._parsing = self._parsing, None
        self._pipelined = True
        if request is not None:
            request.keep_alive = self._parser.should_keep_alive() and not request.head.is_last()
            if self._whole is not None:
                self._plane.known.learn(self._whole, request)
                self._whole = None
            self._arrived(request)

    # -- what a relay does to us

    def write(self, data: bytes) -> bool:
        """Send bytes; a connection that is going swallows them. Whether they were taken."""
        if self._transport.is_closing():
            return False
        self.written += len(data)
        self._transport.write(data)
        return True

    def acked(self) -> int:
        """Bytes of this connection that the caller's TCP has; also when it is gone."""
        return self._standing().acked

    @property
    def relay(self) -> Relay | None:
        """What carries its request. Whoever asks has something to tell it that an express does not
        know of."""
        if self._express is not None:
            self._express.derail()
        return self._relay

    @property
    def busy(self) -> bool:
        """Whether a request of it is being carried."""
        return self._relay is not None or self._express is not None

    def carried_by(self, relay: Relay) -> None:
        """A relay goes on where an express was."""
        self._relay, self._express = relay, None

    @property
    def slow(self) -> bool:
        """Whether it has been sent more than it takes."""
        return self._full

    def lags(self) -> bool:
        """Whether the caller does not take what it was sent, or may be gone already. What it has
        not acknowledged yet is on its way, unless that takes too long, or it has stopped sending:
        then it may have closed."""
        now = self._standing()
        lags = (
            self._full
            or now.unsent > 0
            or now.state == TCP_CLOSE
            or now.overdue
            or (now.unacked > 0 and self._ended)
        )
        if lags:
            self.deadline = self._plane.now()  # look again
        return lags

    def connection_line(self, request: Request) -> bytes:
        """The header line about this connection, or nothing. What it says is kept to."""
        if self._plane.draining:
            request.keep_alive = False
        if self._ended or not request.keep_alive:
            return b"connection: close\r\n"
        return b"connection: keep-alive\r\n" if request.head.old else b""

    def refuse(self, refusal: Refusal, request: Request, request_id: str) -> None:
        """Answer with an error of our own in the caller's dialect."""
        body = dialects.error_body(request.head.dialect(), refusal, request_id)
        if refusal.close:
            request.keep_alive = False
        shown = b"x-dd0c-request-id: %b\r\n" % request_id.encode()
        head = heads.own(
            refusal.status, body, refusal.headers, shown + self.connection_line(request)
        )
        self.write(head if request.head.method == "HEAD" else head + body)
        self.done(refusal.status)

    def done(self, status: int) -> None:
        """The answer is out: on to the next request, or to the end."""
        request, self._serving = self._serving, None
        self._relay = self._express = None
        route = request.head.route if request is not None else None
        self._plane.metrics.requests[route.endpoint if route is not None else "none", status] += 1
        if request is None or not request.keep_alive or self._plane.ending:
            self._linger()
        elif self._waiting:
            self._next()
        elif self._ended:
            self._transport.close()
        elif not self._full:
            self._rest()

    def abort(self) -> None:
        """Cut the connection, so that the caller cannot take what it has for the whole answer."""
        self._count(0)
        self._relay = None
        self._transport.abort()

    # -- what the worker does to us

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self in self._plane.unsure:
            self.look_again(last=True)
        elif self._lingering:
            self._stop_unless_progress(now)
        elif self._full or (self.relay is not None and self.relay.lagging):
            self._await(now)
        elif self._serving is not None:
            self._check_peer(now)
        elif self._parsing is not None:
            what = "body" if self._in_body else "head"
            self._reject(Refusal(408, "too_slow", f"The request's {what} did not come in time."))
        else:
            self._transport.close()

    def drain(self) -> None:
        """Close when there is nothing to finish and nothing to wait for."""
        if self._serving is None and not self._waiting and self._parsing is None:
            if self._plane.ending:
                self._transport.close()
            else:
                self.deadline = min(self.deadline, self._plane.now() + self._plane.idle_s)

    def cut(self) -> None:
        """End what is being served and close."""
        if self.relay is not None:
            self.relay.cut()
        self._transport.close()

    def look_again(self, *, last: bool = False) -> None:
        """There is news of keys, or no more time to wait for it."""
        request = self._serving
        assert request is not None
        refusal = self._admit(request)
        if refusal is keys.UNHEARD_OF:
            if not last:
                return
            refusal = keys.UNKNOWN
        self._plane.unsure.discard(self)
        request.refusal = refusal
        self._serve(request)

    # -- requests

    def _refusal_of_head(self, request: Request) -> Refusal | None:
        limits = self._plane.limits
        fed = self._raw_bytes + self._fed  # at least the head; counting exactly is rarely needed
        if fed > limits.header_bytes_max and request.head.head_bytes() > limits.header_bytes_max:
            return self._too_long_head()
        if request.head.method == "CONNECT" or self._parser.should_upgrade():
            return _NO_UPGRADE
        if request.head.expects and self._serving is not None:
            return _NO_EXPECT
        if self._parser.get_http_version() not in ("1.1", "1.0"):  # it knows 0.9 and 2.0 too
            return _BAD_VERSION
        refusal = admission.check_framing(request)
        if refusal is None and request.head.path in LOCAL:
            return None if request.head.method in ("GET", "HEAD") else _GET_ONLY
        return refusal or self._admit(request)

    def _may_pass(self, request: Request) -> bool:
        """Whether what was found of its head before still holds, and for this body."""
        plane, entry = self._plane, request.head.entry
        assert entry is not None
        if request.body_bytes > plane.limits.body_bytes_max:
            return False
        if entry.expires_us is not None and entry.expires_us <= plane.clock.now_us():
            return False
        if plane.journal.full and not plane.journal.admits(entry.org):
            return False
        plane.keys.used.add(entry.own_id or entry.key_id)
        return True

    def _admit(self, request: Request) -> Refusal | None:
        limits = self._plane.limits
        refusal = admission.check_head(
            request, self._plane.keys, limits, self._plane.clock.now_us(), self._transport
        )
        if refusal is None and not self._plane.loaded:
            return _STARTING
        if (
            refusal is None
            and request.head.entry
            and not self._plane.journal.admits(request.head.entry.org)
        ):
            return _SPOOL_FULL
        return refusal

    def _too_long_head(self) -> Refusal:
        most = self._plane.limits.header_bytes_max
        told = f"Request line and headers are longer than {most} bytes. Send fewer or shorter ones."
        return Refusal(431, "headers_too_large", told, close=True)

    def _bound_unfinished(self, request: Request) -> None:
        """Bound a request of which more is to come, in time and in size."""
        limits = self._plane.limits
        if not self._timed and self._serving is None:
            self._timed = True
            wait_s = limits.body_timeout_s if self._in_body else limits.head_timeout_s
            self.deadline = self._plane.now() + wait_s
        if self._in_body:
            if self._raw_bytes - request.body_bytes > FRAMING_BYTES_MAX + 32 * self._chunks:
                told = "The body's chunks have too long extensions or trailers."
                self._reject(Refusal(400, "bad_chunks", told))
            return
        self._raw_bytes = max(self._raw_bytes, request.head.head_bytes())
        if self._raw_bytes > limits.header_bytes_max:
            self._reject(self._too_long_head())

    def _is_long(self, request: Request) -> bool:
        return request.head.length > KEEP_BODY_BYTES

    def _reject(self, refusal: Refusal) -> None:
        """Answer what cannot be read on, after all that came before it."""
        request = self._parsing or Request()
        request.refusal = refusal
        self._turn_away(request)

    def _turn_away(self, request: Request) -> None:
        """Answer without reading the rest of the request."""
        if request.refusal is keys.UNHEARD_OF:
            request.refusal = keys.UNKNOWN
        request.keep_alive = False
        self._deaf = True
        self._parsing = None
        self._arrived(request)

    def _arrived(self, request: Request) -> None:
        if self._serving is None and not self._full:
            self._serve(request)
            return
        self._waiting.append(request)
        if not self._deaf:
            self._paused = True
            self._transport.pause_reading()
            self.deadline = self._plane.now() + PROBE_AFTER_S  # its end would not be heard

    def _next(self) -> None:
        if self._waiting:
            self._serve(self._waiting.popleft())
        else:
            self._rest()

    def _rest(self) -> None:
        """Wait for the next request, or for the rest of it."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._parsing is not None:
            self._bound_unfinished(self._parsing)
        else:
            self.deadline = self._plane.now() + self._plane.idle_s

    def _serve(self, request: Request) -> None:
        self._serving = request
        watched = self._ended or self._paused
        self.deadline = self._plane.now() + PROBE_AFTER_S if watched else math.inf
        if request.refusal is keys.UNHEARD_OF:
            self._plane.unsure.add(self)
            self.deadline = self._plane.now() + KEY_WAIT_S
        elif request.refusal is not None:
            self.refuse(request.refusal, request, ids.text(ids.Kind.REQUEST, ids.new_bytes()))
        elif request.head.path in LOCAL:
            self._answer_locally(request)
        else:
            found = admission.find_lane(request) if request.head.lanes else None
            if found is not None:
                self._express = Express(self._plane, self, request, *found)
                if self._express.depart():
                    return
                self._express = None
            plan = admission.plan(request, self._plane.routes)
            if isinstance(plan, Refusal):
                self.refuse(plan, request, ids.text(ids.Kind.REQUEST, ids.new_bytes()))
                return
            now_us = self._plane.clock.now_us()
            who = identity.draw(self._plane.entropy, now_us, request.head.traceparent)
            self._relay = Relay(self._plane, self, request, plan, who)
            if admission.is_halted(request, self._plane.routes):
                self._relay.refused(admission.HALTED)
            else:
                plan.target.circuit.enter(self._relay)

    def _answer_locally(self, request: Request) -> None:
        fine = request.head.path == b"/livez" or self._plane.ready
        body = b'{"status":"ok"}' if fine else b'{"status":"not ready"}'
        status = 200 if fine else 503
        head = heads.own(status, body, (), self.connection_line(request))
        self.write(head if request.head.method == "HEAD" else head + body)
        self.done(status)

    def _count(self, status: int) -> None:
        route = self._serving.head.route if self._serving is not None else None
        self._plane.metrics.requests[route.endpoint if route is not None else "none", status] += 1

    # -- the end

    def _linger(self) -> None:
        if self._transport.is_closing():
            return
        if self._ended:
            self._transport.close()
            return
        self._deaf = self._lingering = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self.deadline = self._plane.now() + LINGER_S

    def _stop_unless_progress(self, now: float) -> None:
        unsent = self._transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self.deadline = now + LINGER_S
        else:
            self._transport.abort()

    def _await(self, now: float) -> None:
        """Give a slow caller time as long as it takes something at all; a stopped one is cut."""
        if self.relay is not None and self.relay.lagging and not self.lags():
            self.deadline = math.inf
            self.relay.caller_caught_up()
            return
        found = self._standing()
        if found.acked > self._acked:
            self._acked, self._patience = found.acked, now + self._plane.limits.stall_timeout_s
        if found.state == TCP_CLOSE or now >= self._patience:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOT_AT_ALL)
            self._transport.abort()
        else:
            self.deadline = now

    def _standing(self) -> Standing:
        return standing(self._transport.get_extra_info("socket"))

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > DISCARD_BYTES_MAX:
            self._transport.abort()

    def _check_peer(self, now: float) -> None:
        """Find out whether a caller that sends no more is still there."""
        state = self._standing().state
        if state == TCP_CLOSE:
            self._transport.abort()
            return
        self.deadline = now + PROBE_EVERY_S
        if state == TCP_CLOSE_WAIT and self.relay is not None and self._probes < PROBES_MAX:
            probe = self.relay.probe()
            if probe:
                self.write(probe)
                self._probes += not self.relay.head_sent
                self.deadline = now + PROBE_AFTER_S
