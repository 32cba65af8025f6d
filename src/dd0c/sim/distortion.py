"""Faults of the answer itself: another type, another body, another encoding. Pure.

What changes from event to event, and when bytes go out, is delivery's business.
"""

from __future__ import annotations

import gzip
from typing import Final

from msgspec import structs

from dd0c.sim.faults import Faults
from dd0c.sim.http import Answer, Stream

PLAIN: Final = b"text/plain; charset=utf-8"
HTML: Final = b"text/html; charset=UTF-8"
PAGE: Final = (
    b"<html>\r\n<head><title>%d %b</title></head>\r\n<body>\r\n<center><h1>%d %b</h1></center>\r\n"
    b"<hr><center>simulated proxy</center>\r\n</body>\r\n</html>\r\n"
)
SAID: Final = {200: b"OK", 400: b"Bad Request", 502: b"Bad Gateway", 503: b"Service Unavailable"}


def distort(answer: Answer, faults: Faults) -> Answer:
    """The answer with the faults that its bytes alone can show."""
    if faults.html:
        said = SAID.get(answer.status, b"Error")
        page = PAGE % (answer.status, said, answer.status, said)
        answer = structs.replace(answer, body=page, stream=None, media_type=HTML)
    if faults.empty_body:
        stream = None if answer.stream is None else Stream(())
        answer = structs.replace(answer, body=b"", stream=stream)
    if faults.malformed_json:
        answer = structs.replace(answer, body=answer.body[: len(answer.body) * 2 // 3])
    if faults.wrong_type:
        answer = structs.replace(answer, media_type=PLAIN)
    if faults.gzip:
        lines = answer.headers + b"content-encoding: gzip\r\nvary: accept-encoding\r\n"
        body = gzip.compress(answer.body, mtime=0) if answer.stream is None else b""
        answer = structs.replace(answer, headers=lines, body=body)
    if faults.odd_chunks:
        answer = structs.replace(answer, chunked=True)
    return answer
