"""Senders of each kind, written from their documents and not from our code."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

from dd0c.kernel.hooks.schemes import Kind

Headers = dict[str, str]
Sign = Callable[[str, str, int, bytes], Headers]


def standard(secret: str, message: str, at_s: int, body: bytes) -> Headers:
    """github.com/standard-webhooks, spec/standard-webhooks.md."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message}.{at_s}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def slack(secret: str, message: str, at_s: int, body: bytes) -> Headers:
    """docs.slack.dev, Verifying requests from Slack."""
    digest = hmac.new(secret.encode(), f"v0:{at_s}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": str(at_s), "x-slack-signature": f"v0={digest}"}


def github(secret: str, message: str, at_s: int, body: bytes) -> Headers:
    """docs.github.com, Validating webhook deliveries."""
    return {"x-github-delivery": message, "x-hub-signature-256": _sha256(secret, body)}


def plain(secret: str, message: str, at_s: int, body: bytes) -> Headers:
    """What many others do."""
    return {"x-signature-256": _sha256(secret, body)}


def bearer(secret: str, message: str, at_s: int, body: bytes) -> Headers:
    """A shared word."""
    return {"authorization": f"Bearer {secret}"}


SENDERS: dict[Kind, Sign] = {
    Kind.STANDARD: standard,
    Kind.SLACK: slack,
    Kind.GITHUB: github,
    Kind.HMAC: plain,
    Kind.BEARER: bearer,
}


def _sha256(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
