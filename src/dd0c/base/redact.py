"""Takes secrets out of text: log lines, error answers, whatever libraries write (K-40).

Two nets, because one is not enough. Every secret that this process has loaded or holds is found
wherever it occurs, also as base64 and hex spell it; and so is anything shaped like a credential
that we never had. Both look at the text as it is and at what it reads as without its escapes
(`escapes`), which is where what JSON, URLs and pages spell in their own ways is plain. All of it is
linear in the text: literal searches, and one expression without nested repeats.

A mark takes the secret's place: `[secret:39:9f1c2a]` had 39 characters; equal marks of one process
were equal texts. The digest is keyed with chance that dies with the process, so a mark helps nobody
to guess.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
from collections.abc import Iterator
from typing import TextIO

from dd0c.base import escapes, secrets

HELD_MAX = 65_536
KEPT_BACK = 16_384  # of a line that is longer than that: no secret is

Span = tuple[int, int]

_SHAPES = re.compile(
    r"""
    \b(?:
          (?P<word> [Bb]earer\s{1,4} | Basic\s{1,4}(?=\S*[0-9=])
            | (?i:(?:x-)?api-?key|authorization|aws_?secret_?access_?key|aws_?session_?token
                |(?:Account|SharedAccess)Key)
              ["']?\s{0,4}[:=]\s{0,4}["']?(?:Basic\s{1,4})?
          ) (?!\[secret) [A-Za-z0-9._~+/=-]{9,}
        | (?P<login> password=["']? ) (?!\[secret) [^\s@/"']{3,}
        | (?:dd0c_(?:sk|ses|inv)_|sk-) [A-Za-z0-9_-]{8,}
        | (?:AKIA|ASIA)[0-9A-Z]{16}\b
        | (?:AIza|ya29\.|GOCSPX-|1//0) [A-Za-z0-9_-]{20,}
        | hv[sbr]\.[A-Za-z0-9_-]{20,}
        | [A-Za-z0-9]{40,90}JQQJ99[A-Za-z0-9]{10,40}
        | (?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,}
        | hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{10,}
        | (?:gh[a-z]|github_pat)_[A-Za-z0-9_]{20,}
        | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
      )
    | (?P<named> ["'](?i:password|secret|client_secret|(?:access|refresh|id)_token)["']
          \s{0,4}:\s{0,4}["'] ) (?!\[secret) [^"'\s]{3,}
    | (?P<url> [?&\#](?i:(?:api[_-]?)?key|(?:(?:access|refresh|id)_)?token|(?:client_)?secret
          |password|code|sig|signature|x-amz-(?:signature|security-token))= )
      (?!\[secret) [A-Za-z0-9._~+/=%-]{8,}
    | (?P<userinfo> ://[^\s/:@]{0,200}: ) (?!\[secret) [^\s@/"']{3,} (?=@)
    | -----BEGIN\ [A-Z\ ]{0,40}PRIVATE\ KEY-----(?s:.*?)(?:-----END\ [A-Z\ ]{0,40}-----|\Z)
    """,
    re.VERBOSE,
)
"""Azure's keys hold the letters JQQJ99; the groups name what stays in front of a secret."""


def scrub(text: str) -> str:
    """The text with a mark in place of every secret known and everything shaped like one."""
    return _marked(text, find(text))


def find(text: str) -> list[Span]:
    """Where secrets stand, in order; what overlaps is one."""
    found: list[Span] = []
    for view in escapes.views(text):
        found += (view.origin(*span) for span in _find_plain(view.text))
    merged: list[Span] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _find_plain(text: str) -> Iterator[Span]:
    for form in secrets.known():
        start = text.find(form)
        while start >= 0:
            yield start, start + len(form)
            start = text.find(form, start + len(form))
    for match in _SHAPES.finditer(text):
        yield match.end(match.lastgroup) if match.lastgroup else match.start(), match.end()


def _marked(text: str, spans: list[Span]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += (text[at:start], _mark(text[start:end]))
        at = end
    return "".join((*pieces, text[at:]))


@functools.lru_cache(maxsize=1)
def _chance() -> bytes:
    return os.urandom(16)


def _mark(found: str) -> str:
    raw = found.encode(errors="surrogatepass")
    digest = hashlib.blake2b(raw, digest_size=3, key=_chance()).hexdigest()
    return f"[secret:{len(found)}:{digest}]"


class Masked(io.TextIOBase):
    """What stands in for `sys.stderr` and `sys.stdout`: whole lines, without secrets.

    Writers cut their text where they like, and a secret with it. Lines are held back until they are
    complete, and again while a private key that spans lines is not over. A line that is too long to
    be held passes but for its end, in which a secret may begin.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._held = ""

    def write(self, text: str) -> int:
        self._held += text
        size = self._held.rfind("\n") + 1
        if (begun := self._held.rfind("-----BEGIN ", 0, size)) > self._held.rfind("-----END "):
            size = begun
        if len(self._held) > HELD_MAX:
            size = max(size, len(self._held) - KEPT_BACK)
        if size:
            self._pass(size)
        return len(text)

    def finish(self) -> None:
        """Write what is held back: nothing follows any more."""
        self._pass(len(self._held))

    def _pass(self, size: int) -> None:
        """Write about so much of what is held: where that ends in a secret, what is before it."""
        spans = find(self._held)
        if len(self._held) <= 2 * HELD_MAX:  # else something shaped like a key that never ends
            size = min((start for start, end in spans if start < size < end), default=size)
        else:
            size = len(self._held)
        self._stream.write(_marked(self._held[:size], [one for one in spans if one[1] <= size]))
        self._stream.flush()
        self._held = self._held[size:]

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()
