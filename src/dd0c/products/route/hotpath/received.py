"""What has come of one attempt's answer, and what can be told of it when it is over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from dd0c.products.route.hotpath import bill, delivery
from dd0c.products.route.hotpath.answers import Reading, Stream
from dd0c.products.route.hotpath.bill import Bill, Rate
from dd0c.products.route.hotpath.delivery import Delivery, Text
from dd0c.products.route.hotpath.routes import Target
from dd0c.products.route.hotpath.snapshot import Counted, CountWanted
from dd0c.products.route.models import FREE_ENDPOINTS, NO_USAGE, Endpoint, EndReason

BODY_BYTES_MAX = 1024 * 1024
"""Of a request that is counted. A larger one is sent with its long base64 cut short, which still
tells the size of an image; if that does not help, its input is not counted."""
ENCODED_BYTES_KEPT = 64 * 1024
BYTES_A_TOKEN = 3  # at least, of what people write; for bounds that need no exact number

_NOTHING: Mapping[bytes, bytes] = {}
_UNCOUNTED = Counted(0)
_ENCODED = re.compile(rb"[A-Za-z0-9+/=]{%d,}" % (ENCODED_BYTES_KEPT + 1))


class Received:
    """What has come of an attempt's answer."""

    __slots__ = (
        *("body", "carry", "delivery", "endpoint", "free", "held", "held_bytes", "known", "large"),
        *("last", "lines", "over", "readable", "reading", "said", "sent", "status", "stream"),
        *("uncounted", "usage"),
    )

    def __init__(self, reading: Reading, endpoint: Endpoint):
        self.reading = reading
        self.endpoint = endpoint
        self.sent = False
        self.status = 0
        self.lines: Sequence[bytes] = ()
        self.said: Mapping[bytes, bytes] = _NOTHING
        self.stream: Stream | None = None
        self.delivery: Delivery | None = None
        self.large = False  # an answer without events that is not held
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.body = b""
        self.carry = b""  # the end of an event passed on in pieces: a secret may begin in it
        self.last = b""  # what waits for the close record
        self.usage = NO_USAGE
        self.known = False  # that usage is the provider's last word
        self.free = False
        self.readable = False  # all text of it is known
        self.over = False  # the provider has said everything
        self.uncounted = _UNCOUNTED  # what holds if nothing is counted

    def hold(self, chunk: bytes) -> None:
        """Keep a piece of an answer that is given whole."""
        self.held.append(chunk)
        self.held_bytes += len(chunk)

    def gather(self) -> bytes:
        """All that is held, once."""
        held, self.held = self.held, []
        return held[0] if len(held) == 1 else b"".join(held)

    def own_id(self, target: Target) -> str | None:
        """What the provider calls the request."""
        told = self.said.get(b"x-request-id") or self.said.get(b"request-id")
        return target.scrub(told)[:200].decode("latin-1") if told else None

    def scrub_run(self, run: bytes, target: Target) -> bytes:
        """What may pass of a run: whole events hold a secret whole, of an event in pieces the last
        bytes are kept back."""
        joined = target.scrub(self.carry + run)
        in_event = self.stream is not None and self.stream.in_event
        passed = max(0, len(joined) - target.secret_bytes_max) if in_event else len(joined)
        self.carry = joined[passed:]
        return joined[:passed]

    def conclude(self, end: EndReason, *, refused: bool) -> None:
        """Read what the provider said of usage. `refused`: it answered with an error, or not."""
        self.usage = self.reading.usage()
        told = self.usage.output is not None or self.endpoint is Endpoint.EMBEDDINGS
        last = end is EndReason.COMPLETE or self.reading.final
        self.known = last and told and self.usage.input is not None
        self.free = (
            not self.sent
            or self.status >= 300
            or self.endpoint in FREE_ENDPOINTS
            or (refused and self.usage == NO_USAGE and not self.text())
        )

    def text(self) -> Text | None:
        """What can be read of the answer; None when that is not known."""
        if self.delivery is not None:
            return self.delivery.text()
        return delivery.of_whole(self.endpoint, self.body) if self.body else None

    def question(
        self, wanted: CountWanted, request: bytes, *, left: bool, head_sent: bool
    ) -> CountWanted | None:
        """What has to be counted for the bill; None when nothing has to, or can. `left`: the caller
        before the end, `head_sent`: it has got anything."""
        text = self.text()
        self.readable = text is not None
        self.uncounted = Counted(
            0,
            received=0 if text is not None and not text.received else None,
            delivered=0 if not head_sent or (text is not None and not text.delivered) else None,
        )
        body = _countable(request) if self.usage.input is None else None
        of_text = text is not None and (text.delivered if self.known else text.received)
        if body is None and not of_text:
            return None
        return msgspec.structs.replace(
            wanted,
            body=body,
            received=text.received.encode() if text else b"",
            delivered_chars=text.delivered if text and left else None,
        )

    def bill(self, rate: Rate, counted: Counted | None, *, whole: bool, upstream: bool) -> Bill:
        """What the attempt used and costs. `whole`: all that came was delivered; `upstream`: its
        organisation pays for what the provider made."""
        if self.free:
            return bill.FREE
        if self.known and whole:
            return bill.told(self.usage, rate(self.usage))
        merged, known = self.merge(counted), self.known
        return bill.settle(self.usage, merged, rate, known=known, whole=whole, upstream=upstream)

    def likely_cost(self, rate: Rate, sent_bytes: int) -> int | None:
        """About what the attempt has cost so far, in pico-dollars, without a count."""
        came = self.delivery.size() if self.delivery is not None else 0
        sent_tokens, came_tokens = sent_bytes // BYTES_A_TOKEN, came // BYTES_A_TOKEN
        made = bill.completed(self.reading.usage(), sent_tokens, came_tokens)
        return None if made is None else rate(made).cost_pico

    def merge(self, counted: Counted | None) -> Counted:
        """The count, where it is one: what was not there to be counted is not known."""
        known = self.uncounted
        if counted is None:
            return known
        return Counted(
            0,
            input=counted.input,
            received=counted.received if self.readable else None,
            delivered=known.delivered if known.delivered is not None else counted.delivered,
            error=counted.error,
        )


def _countable(request: bytes) -> bytes | None:
    if len(request) > BODY_BYTES_MAX:
        request = _ENCODED.sub(lambda found: found[0][:ENCODED_BYTES_KEPT], request)
    return request if len(request) <= BODY_BYTES_MAX else None
