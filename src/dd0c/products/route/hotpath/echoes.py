r"""A provider's key in what the provider answers: masked, however it is spelled or cut. No I/O.

`Forms` takes it out of bytes: of heads, bodies and events. As it is, in base64 and hex it is looked
for literally; only where something is escaped at all an expression follows that knows every
spelling of each of its characters (`-`, `\u002d`, `%2D`, `&#45;`, nested, mixed).

`Told` takes it out of text that is told piece by piece: a provider's error as the words of a model,
say, three characters an event. Texts are joined by what they belong to, as a caller joins them.
Once `SHOWN_MAX` characters of the key were told, or half of it, events wait until it is clear
whether the rest follows. What has passed by then is the beginning, which names the vendor; what
waits is bounded, and what cannot be decided any more is masked.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from dd0c.base import secrets
from dd0c.base.secrets import Secret

MASK = b"[secret]"
SHOWN_MAX = 16
HELD_BYTES_MAX = 64 * 1024
STRANDS_MAX = 128  # of one answer; more are not joined

_TEXT = re.compile(
    rb'"(index|output_index|content|text|delta|refusal|thinking|reasoning|reasoning_content'
    rb'|partial_json|arguments|input|code)"\s*:\s*(?:"(?P<said>(?:[^"\\]|\\.)*)"|(?P<index>\d+))'
)

Strand = tuple[bytes, bytes]
"""Which choice or item, and what of it."""


class Forms:
    """One key in every spelling that an echo could give it."""

    __slots__ = ("_escapable", "_literal", "_secret", "_spelled", "bytes_max")

    def __init__(self, secret: Secret):
        self._secret = secret
        self._literal = tuple(form.encode() for form in secrets.spellings(secret))
        self._escapable = bool(self._literal) and secret.reveal().isascii()  # as headers are
        self._spelled: re.Pattern[bytes] | None = None  # a few ms to make, and seldom needed
        self.bytes_max = 6 * max(map(len, self._literal), default=0)

    def scrub(self, data: bytes) -> bytes:
        """The data with a mask in place of the key."""
        for form in self._literal:
            if form in data:
                data = data.replace(form, MASK)
        escaped = (
            b"%" in data or b"&" in data or b"\\u00" in data or b"\\/" in data or b"\\x" in data
        )
        if escaped and self._escapable:
            if self._spelled is None:
                self._spelled = re.compile(b"".join(map(_spellings, self._secret.reveal())))
            data = self._spelled.sub(MASK, data)
        return data


def _spellings(character: str) -> bytes:
    """An expression for one character of ASCII in all its spellings."""
    code, number = f"{ord(character):02x}", ord(character)
    plain = re.escape(character)
    if character in '/"\\':
        plain = rf"\\*{plain}"
    named = {"&": "|&amp;", "<": "|&lt;", ">": "|&gt;", '"': "|&quot;"}.get(character, "")
    escaped = rf"\\+(?:u00|x){code}|%(?:25)*{code}|&(?:amp;)*\#(?:0*{number}|x0*{code});"
    return f"(?:{plain}|(?i:{escaped}){named})".encode()


class _Piece(NamedTuple):
    """A text in an event: where it stands, and what it says."""

    strand: Strand
    start: int
    end: int
    said: str


class _Span(NamedTuple):
    """A part of a text."""

    start: int
    end: int
    whole: bool = True


class Told:
    """The events of one answer, of which some wait."""

    __slots__ = ("_begun", "_held", "_key", "_tails")

    def __init__(self, secret: Secret):
        self._key = secret.reveal()
        self._begun = self._key[: min(SHOWN_MAX, len(self._key) // 2)]
        self._tails: dict[Strand, str] = {}  # the end of what was told before what is held
        self._held = b""

    def feed(self, run: bytes) -> bytes:
        """What may pass now that these whole events came."""
        if not self._begun:
            return run
        if self._held:
            self._held += run
            return self._judge(last=len(self._held) > HELD_BYTES_MAX)
        tails = self._tails.copy()
        for piece in _pieces(run):
            joined = tails.get(piece.strand, "") + piece.said
            if self._begun in joined:
                self._held = run
                return self._judge(last=False)
            self._remember(tails, piece.strand, joined)
        self._tails = tails
        return run

    def end(self) -> bytes:
        """What is left when no event follows; a key that was not told to its end is masked."""
        return self._judge(last=True) if self._held else b""

    def _judge(self, *, last: bool) -> bytes:
        """Release what is held, without the key, unless more of it may follow."""
        pieces = _pieces(self._held)
        joined = dict(self._tails)
        for piece in pieces:
            joined[piece.strand] = joined.get(piece.strand, "") + piece.said
        spans = {strand: self._find(text) for strand, text in joined.items()}
        if not last and any(not span.whole for found in spans.values() for span in found):
            return b""
        released = self._cut(pieces, spans)
        for strand, text in joined.items():
            self._remember(self._tails, strand, "" if last else text)
        self._held = b""
        return released

    def _find(self, text: str) -> list[_Span]:
        """Where the key stands, whole or, at the end of the text, its beginning."""
        found, at = [], text.find(self._begun)
        while at >= 0:
            told = text[at : at + len(self._key)]
            if self._key.startswith(told):
                found.append(_Span(at, at + len(told), told == self._key))
            at = text.find(self._begun, at + 1)
        return found

    def _cut(self, pieces: list[_Piece], spans: dict[Strand, list[_Span]]) -> bytes:
        """What is held, its texts without what lies in the spans of their strands."""
        passed: list[bytes] = []
        at = 0
        told = {strand: len(text) for strand, text in self._tails.items()}
        shown = told.copy()
        for piece in pieces:
            begin = told.get(piece.strand, 0)
            told[piece.strand] = begin + len(piece.said)
            hidden = [
                _Span(max(span.start, shown.get(piece.strand, 0)) - begin, span.end - begin)
                for span in spans[piece.strand]
            ]
            left = _without(piece.said, hidden)
            if left != piece.said:
                passed += (self._held[at : piece.start], json.dumps(left)[1:-1].encode())
                at = piece.end
        return b"".join((*passed, self._held[at:]))

    def _remember(self, tails: dict[Strand, str], strand: Strand, text: str) -> None:
        if strand in tails or len(tails) < STRANDS_MAX:
            tails[strand] = text[1 - len(self._key) :]


def _pieces(run: bytes) -> list[_Piece]:
    index, found = b"", []
    for match in _TEXT.finditer(run):
        if match["index"] is not None:
            index = match["index"]
            continue
        said = match["said"]
        text = said.decode(errors="replace")
        if b"\\" in said:
            text = _unquoted(text)
        found.append(_Piece((index, match[1]), *match.span("said"), text))
    return found


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def _without(said: str, hidden: list[_Span]) -> str:
    """A piece without these parts, some of which begin before it or end behind it; the mask is
    where one begins."""
    left, at = "", 0
    for start, end, _ in hidden:
        first, behind = max(start, 0), min(end, len(said))
        if first < behind:
            left += said[at:first] + (MASK.decode() if start >= 0 else "")
            at = behind
    return left + said[at:]
