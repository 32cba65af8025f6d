"""How senders sign, as a table, and what of a request one of them vouches for. No I/O (K-70).

    scheme     level  header               signed                     fresh by
    standard   3      webhook-signature    id "." timestamp "." body  timestamp, id
    slack      3      x-slack-signature    "v0:" timestamp ":" body   timestamp, signature
    github     2      x-hub-signature-256  body                       –
    hmac       2      x-signature-256      body                       –
    bearer     1      authorization        –                          –
    url        0      –                    –                          –

A level says what is proven: 0 somebody knew the address; 1 they knew a secret; 2 they who know the
secret wrote this body; 3 they wrote it now, and it was not here before. GitHub names a delivery but
does not sign the name: by it a delivery that comes twice is kept once, but it proves nothing.

The headers of a scheme stand there exactly once: which of two would be signed is a guess that the
next proxy makes differently. A signature is compared as it is written, so that each has one
spelling. All secrets are tried and the whole body is hashed whatever is wrong, for a refusal must
not tell how far somebody got.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dd0c.base.errors import InvalidInput
from dd0c.base.secrets import Secret

WINDOW_S = 300
SIGNATURES_MAX = 8  # of one header: a sender that rotates writes two
STANDARD_PREFIX = "whsec_"
STANDARD_KEY_BYTES = range(24, 65)  # the specification's bounds
TEXT_CHARACTERS = range(16, 257)
FRESH = 3
_NONCE = re.compile(rb"[!-\-/-~]{1,256}")  # no full stop: what is signed could be cut elsewhere
_TIME = re.compile(rb"[0-9]{1,12}")

Headers = Sequence[tuple[bytes, bytes]]
"""As they came: names in lower case, repeated ones repeated."""


class Kind(StrEnum):
    """How a source signs."""

    STANDARD = "standard"
    SLACK = "slack"
    GITHUB = "github"
    HMAC = "hmac"
    BEARER = "bearer"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Scheme:
    """One row of the table. `lead` is signed in front of the body, with headers filled in."""

    level: int
    signature: bytes
    write: Callable[[bytes, bytes], bytes]  # key and digest -> as the header says it
    lead: bytes = b""
    time: bytes = b""
    nonce: bytes = b""
    lists_signatures: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request that its source vouches for. `nonce` names what arrived, where anything does."""

    level: int
    nonce: str | None


def _hex(mark: bytes) -> Callable[[bytes, bytes], bytes]:
    return lambda _, digest: mark + digest.hex().encode()


SCHEMES: Mapping[Kind, Scheme] = {
    Kind.STANDARD: Scheme(
        level=3,
        signature=b"webhook-signature",
        write=lambda _, digest: b"v1," + base64.b64encode(digest),
        lead=b"%(webhook-id)b.%(webhook-timestamp)b.",
        time=b"webhook-timestamp",
        nonce=b"webhook-id",
        lists_signatures=True,
    ),
    Kind.SLACK: Scheme(
        level=3,
        signature=b"x-slack-signature",
        write=_hex(b"v0="),
        lead=b"v0:%(x-slack-request-timestamp)b:",
        time=b"x-slack-request-timestamp",
        nonce=b"x-slack-signature",
    ),
    Kind.GITHUB: Scheme(
        level=2,
        signature=b"x-hub-signature-256",
        write=_hex(b"sha256="),
        nonce=b"x-github-delivery",
    ),
    Kind.HMAC: Scheme(level=2, signature=b"x-signature-256", write=_hex(b"sha256=")),
    Kind.BEARER: Scheme(level=1, signature=b"authorization", write=lambda key, _: b"Bearer " + key),
}


def accept(
    kind: Kind, headers: Headers, body: bytes, keys: Sequence[Secret], now_s: float
) -> Accepted | None:
    """What the request proves under one of the keys; None: nothing."""
    if kind is Kind.URL:
        return Accepted(0, None)
    scheme = SCHEMES[kind]
    found = {name: _once(headers, name) for name in (scheme.signature, scheme.time, scheme.nonce)}
    lead = scheme.lead % found
    signature = found[scheme.signature]
    given = signature.split(b" ")[:SIGNATURES_MAX] if scheme.lists_signatures else [signature]
    matches = 0
    for key in keys:
        raw = raw_key(kind, key)
        digest = hmac.new(raw, lead, hashlib.sha256)
        digest.update(body)
        expected = scheme.write(raw, digest.digest())
        matches += sum(hmac.compare_digest(expected, one) for one in given)
    if not matches or not (scheme.time == b"" or _is_timely(found[scheme.time], now_s)):
        return None
    named = _NONCE.fullmatch(found[scheme.nonce])
    if named is None and scheme.level == FRESH:
        return None
    return Accepted(scheme.level, named[0].decode() if named else None)


def level(kind: Kind) -> int:
    """How much such a source can prove."""
    return 0 if kind is Kind.URL else SCHEMES[kind].level


def raw_key(kind: Kind, key: Secret) -> bytes:
    """The bytes that a secret stands for; InvalidInput for one that is none of that kind."""
    text = key.reveal()
    if kind is not Kind.STANDARD:
        if len(text) not in TEXT_CHARACTERS or not text.isascii() or not text.isprintable():
            few, many = TEXT_CHARACTERS.start, TEXT_CHARACTERS.stop - 1
            raise InvalidInput(f"the secret must be {few} to {many} printable ASCII characters")
        return text.encode()
    try:
        raw = base64.b64decode(text.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(STANDARD_PREFIX) or len(raw) not in STANDARD_KEY_BYTES:
        raise InvalidInput("the secret must be `whsec_` and 24 to 64 bytes in base64")
    return raw


def new_key(kind: Kind) -> Secret:
    """A secret with 256 bits of chance, as its scheme writes one."""
    if kind is Kind.STANDARD:
        return Secret(STANDARD_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())
    return Secret(secrets.token_hex(32))


def sign(key: Secret, message: str, at_s: int, body: bytes) -> str:
    """The signature of a message of ours, after Standard Webhooks."""
    lead = f"{message}.{at_s}.".encode()
    digest = hmac.digest(raw_key(Kind.STANDARD, key), lead + body, "sha256")
    return SCHEMES[Kind.STANDARD].write(b"", digest).decode()


def _once(headers: Headers, name: bytes) -> bytes:
    """The header's value; of one that is not there exactly once nothing."""
    values = [value for known, value in headers if known == name]
    return values[0] if len(values) == 1 else b""


def _is_timely(text: bytes, now_s: float) -> bool:
    return _TIME.fullmatch(text) is not None and abs(now_s - int(text)) <= WINDOW_S
