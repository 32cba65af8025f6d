"""How many bytes of a request are the base64 of images, which says nothing about tokens. Pure.

Only what stands where a provider takes an image is one (R-16). The input of a tool, the schema of
another or a text may look like an image letter by letter, and is text that costs by its length. So
messages are decoded as what they are, and nothing is searched for. What is not understood holds no
image: then too much is held for it, and never too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from dd0c.products.route.models import Endpoint

_BASE64 = bytes(set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_DATA_URL = re.compile(r"data:image/[^,]*;base64,")
_MESSAGES = {
    Endpoint.CHAT: "messages",
    Endpoint.MESSAGES: "messages",
    Endpoint.RESPONSES: "input",
}


class _Part(msgspec.Struct):
    """A message, a part of one, what a tool put out, or what an image is made of."""

    type: str | None = None
    content: list[_Part | str] | str | None = None
    output: list[_Part | str] | _Part | str | None = None
    source: _Part | str | None = None
    image_url: _Part | str | None = None
    url: str | None = None
    data: str | None = None


_decoder: msgspec.json.Decoder[list[_Part | str]] = msgspec.json.Decoder(list[_Part | str])


def measure(body: bytes, found: dict[str, tuple[int, int]], endpoint: Endpoint) -> int:
    """The bytes of base64 of all images in a body whose top-level values are at `found`."""
    key = _MESSAGES.get(endpoint)
    if key is None or key not in found or b"base64" not in body:
        return 0
    try:
        messages = _decoder.decode(body[slice(*found[key])])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return 0
    return _sum(messages)


def _sum(parts: Iterable[_Part | str]) -> int:
    return sum(_size(part) for part in parts if isinstance(part, _Part))


def _size(part: _Part) -> int:
    source, url = part.source, part.image_url
    if part.type == "image":
        return _length(source.data) if isinstance(source, _Part) else 0
    if part.type in ("image_url", "input_image"):
        if isinstance(url, _Part):
            url = url.url
        start = _DATA_URL.match(url) if url is not None else None
        return 0 if url is None or start is None else _length(url[start.end() :])
    return sum(
        _sum(inner if isinstance(inner, list) else [inner])
        for inner in (part.content, part.output, part.source)
        if inner is not None
    )


def _length(text: str | None) -> int:
    """Of what is base64 to its end; anything else is text."""
    return 0 if text is None or text.encode().translate(None, _BASE64) else len(text)
