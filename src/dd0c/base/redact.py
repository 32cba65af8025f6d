"""Takes secrets out of text: log lines, error answers, whatever libraries write to stderr (K-40).

Two nets, because one is not enough. Every secret that this process has loaded or holds is replaced
wherever it occurs, also as a URL, JSON or base64 spells it; and so is anything shaped like a
credential that we never had. Both are linear in the text: literal searches, and one expression
without nested repeats.

A mark takes the secret's place: `[secret:32+:9f1c2a]` had 32 characters or more (and fewer than
64); equal marks of one process were equal secrets. The digest is keyed with chance that dies with
the process, so a mark helps nobody to guess.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
from typing import TextIO

from dd0c.base import secrets

HELD_MAX = 65_536

_SHAPES = re.compile(
    r"""
    \b(?:
          (?P<word> [Bb]earer\s{1,4} | Basic\s{1,4}(?=\S*[0-9=])
            | (?i:(?:x-)?api-?key|authorization|aws_secret_access_key|(?:Account|SharedAccess)Key)
              ["']?\s{0,4}[:=]\s{0,4}["']?(?:Basic\s{1,4})?
          ) (?!\[secret) [A-Za-z0-9._~+/=-]{9,}
        | (?P<login> password=["']? ) (?!\[secret) [^\s@/"']{3,}
        | (?:dd0c_(?:sk|ses)_|sk-) [A-Za-z0-9_-]{8,}
        | (?:AKIA|ASIA)[0-9A-Z]{16}\b
        | (?:AIza|ya29\.) [A-Za-z0-9_-]{20,}
        | [A-Za-z0-9]{40,90}JQQJ99[A-Za-z0-9]{10,40}
        | (?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,}
        | hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{10,}
        | (?:gh[a-z]|github_pat)_[A-Za-z0-9_]{20,}
        | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
      )
    | (?P<url> [?&](?i:(?:api[_-]?)?key|(?:access_)?token|sig|signature|x-amz-signature)= )
      (?!\[secret) [A-Za-z0-9._~+/=%-]{8,}
    | (?P<userinfo> ://[^\s/:@]{0,200}: ) (?!\[secret) [^\s@/"']{3,} (?=@)
    | -----BEGIN\ [A-Z\ ]{0,40}PRIVATE\ KEY-----(?s:.*?)(?:-----END\ [A-Z\ ]{0,40}-----|\Z)
    """,
    re.VERBOSE,
)
"""Azure's keys hold the letters JQQJ99; the groups name what stays in front of a secret."""


def scrub(text: str) -> str:
    """The text with a mark in place of every secret known and everything shaped like one."""
    for form in secrets.known():
        if form in text:
            text = text.replace(form, _mark(form))
    return _SHAPES.sub(_marked, text)


def _marked(match: re.Match[str]) -> str:
    before = match[match.lastgroup] if match.lastgroup else ""
    return before + _mark(match[0][len(before) :])


@functools.lru_cache(maxsize=1)
def _chance() -> bytes:
    return os.urandom(16)


def _mark(found: str) -> str:
    raw = found.encode(errors="surrogatepass")
    digest = hashlib.blake2b(raw, digest_size=3, key=_chance()).hexdigest()
    return f"[secret:{1 << (len(found).bit_length() - 1)}+:{digest}]"


class Stderr(io.TextIOBase):
    """What stands in for `sys.stderr`: whole lines, without secrets.

    Writers cut their text where they like, and a secret with it. Lines are held back until they are
    complete, and again while a private key that spans lines is not over.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._held = ""

    def write(self, text: str) -> int:
        self._held += text
        complete, newline, rest = self._held.rpartition("\n")
        if len(self._held) > HELD_MAX:
            complete, newline, rest = self._held, "", ""
        elif (begun := complete.rfind("-----BEGIN ")) > complete.rfind("-----END "):
            complete, newline, rest = complete[:begun], "", self._held[begun:]
        self._held = rest
        if complete or newline:
            self._stream.write(scrub(complete) + newline)
            self._stream.flush()
        return len(text)

    def finish(self) -> None:
        """Write what is held back: nothing follows any more."""
        self._stream.write(scrub(self._held))
        self._stream.flush()
        self._held = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()
