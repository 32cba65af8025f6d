r"""A provider's key in what the provider answers: masked, however it is spelled. No I/O.

As it is, in base64 and hex it is looked for literally; only where something is escaped at all an
expression follows that knows every spelling of each of its characters (`-`, `\u002d`, `%2D`,
`&#45;`, nested, mixed). A key that a model tells piece by piece, some letters an event, is not
found here.
"""

from __future__ import annotations

import re

from dd0c.base import secrets
from dd0c.base.secrets import Secret

MASK = b"[secret]"
_COMMON = b"etaoinsrhldcumfpgwybvk,.xj-_0123456789qzETAOINSRHLDCUMFPGWYBVKXJQZ"[::-1]
"""Bytes of texts, the rarest first; what is not here is rarer still."""
_ESCAPED = re.compile(rb"%[0-9A-Fa-f]{2}|&(?:#|amp;)|\\(?:u00|x|/)")


class Forms:
    """One key in every spelling that an echo could give it."""

    __slots__ = ("_escapable", "_literal", "_secret", "_spelled", "bytes_max")

    def __init__(self, secret: Secret):
        self._secret = secret
        forms = [form.encode() for form in secrets.spellings(secret)]
        self._literal = [(min(form, key=_COMMON.find), form) for form in forms]
        self._escapable = bool(forms) and secret.reveal().isascii()  # as headers are
        self._spelled: re.Pattern[bytes] | None = None  # a few ms to make, and seldom needed
        self.bytes_max = 6 * max(map(len, forms), default=0)

    def scrub(self, data: bytes) -> bytes:
        """The data with a mask in place of the key."""
        find = data.find  # by callgrind `in` takes twice as long
        for rare, form in self._literal:
            if find(rare) >= 0 and find(form) >= 0:
                data = data.replace(form, MASK)
        if (find(b"%") >= 0 or find(b"&") >= 0 or find(b"\\") >= 0) and self._escapable:
            return self._unescape(data)
        return data

    def _unescape(self, data: bytes) -> bytes:
        if _ESCAPED.search(data) is None:
            return data
        if self._spelled is None:
            self._spelled = re.compile(b"".join(map(_spellings, self._secret.reveal())))
        return self._spelled.sub(MASK, data)


def _spellings(character: str) -> bytes:
    """An expression for one character of ASCII in all its spellings."""
    code, number = f"{ord(character):02x}", ord(character)
    plain = re.escape(character)
    if character in '/"\\':
        plain = rf"\\*{plain}"
    named = {"&": "|&amp;", "<": "|&lt;", ">": "|&gt;", '"': "|&quot;"}.get(character, "")
    escaped = rf"\\+(?:u00|x){code}|%(?:25)*{code}|&(?:amp;)*\#(?:0*{number}|x0*{code});"
    return f"(?:{plain}|(?i:{escaped}){named})".encode()
