"""Streams: the portions in which an answer's bytes come make no difference (R-3, R-13).

What passes, what waits for the close record, how the stream ended and what was read of model and
usage are the same for the bytes at once and for any other portions; events say what they say read
line by line. With nothing left out, what
passes and waits is what came, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from dd0c.products.route.hotpath import sse
from dd0c.products.route.hotpath.answers import Reading, Stream
from dd0c.products.route.models import Dialect, Endpoint, Usage
from tests.fuzz.reference import Mismatch
from tests.fuzz.requests import cut

_EVENT = re.compile(rb".*?(?:\r\n|\n|\r)(?:\r\n|\n|\r)", re.DOTALL)
_BLANK = re.compile(rb"[\r\n]*(?:\r\n|\n|\r)(?:\r\n|\n|\r)")
_ENDS = b"\r\n"
KINDS = (
    (Dialect.OPENAI, Endpoint.CHAT),
    (Dialect.ANTHROPIC, Endpoint.MESSAGES),
    (Dialect.OPENAI, Endpoint.RESPONSES),
    (Dialect.OPENAI, Endpoint.COMPLETIONS),
)


class Passed(NamedTuple):
    """What came of a stream."""

    forward: bytes
    held: bytes
    ended: bool
    failed: bool
    named: bool  # whether its model is known; one that changes amid a stream is nobody's
    usage: Usage


def check(sent: bytes) -> None:
    """Raise Mismatch where portions make a difference; the first byte says of which kind it is."""
    if not sent:
        return
    kind, strip, data = sent[0] % 4, sent[0] & 4 != 0, sent[1:]
    run = sse.Events().feed(data)
    ours = [told for raw in sse.split(run) if (told := sse.read(raw).data)]
    if ours != _told(run):
        raise Mismatch(f"the events say {_told(run)}, we read {ours}")
    whole = _pass(kind, [data], strip=strip)
    for chunks in (cut(data), [data[at : at + 1] for at in range(len(data))]):
        portions = _pass(kind, chunks, strip=strip)
        if _to_the_end(portions) != _to_the_end(whole):
            raise Mismatch(f"portions make a difference: {whole} and {portions}")
    if not (strip or data.startswith(whole.forward + whole.held)):
        raise Mismatch(f"{data!r} became {whole}")


def _told(run: bytes) -> list[bytes]:
    """What the events of a run say, read line by line as the specification has it."""
    told: list[bytes] = []
    lines: list[bytes] = []
    for line in run.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
        elif not line:
            told.append(b"\n".join(lines))
            lines = []
    return [one for one in told if one]


def _to_the_end(passed: Passed) -> Passed:
    """Without what follows the terminal event, of which a relay passes on what came in the same
    read; an empty line more or less between two is none."""
    first = _EVENT.match(passed.held.lstrip(_ENDS))
    held = first[0] if first else passed.held
    forward = _BLANK.sub(b"\n\n", passed.forward).strip(_ENDS)
    return passed._replace(held=held.strip(_ENDS), forward=forward)


def _pass(kind: int, chunks: Sequence[bytes], *, strip: bool) -> Passed:
    dialect, endpoint = KINDS[kind]
    reading = Reading(dialect, endpoint)
    stream = Stream(dialect, reading, strip_usage=strip and dialect is Dialect.OPENAI)
    forward, held = b"", b""
    ended = failed = False
    for number in range(len(chunks) + 1):
        if ended:
            break
        passage = stream.feed(chunks[number]) if number < len(chunks) else stream.end()
        forward += passage.forward
        held += passage.held
        ended, failed = passage.ended, passage.failed
    return Passed(forward, held, ended, failed, reading.model is not None, reading.usage())
