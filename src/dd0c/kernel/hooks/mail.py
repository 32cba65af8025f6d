"""E-mail through the mail server that an administrator set up: DD0C_SMTP_URL (K-71).

    smtps://user:password@mail.example.com        TLS from the first byte, port 465
    smtp://user:password@mail.example.com:587     STARTTLS; with a password it must be offered

The standard library speaks SMTP and blocks: it does so in a thread, each step under a deadline.
"""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from dd0c.base.errors import InvalidInput, SetupError
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings

PORTS = {"smtp": 25, "smtps": 465}
STEP_S = 10.0
PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail goes."""

    host: str
    port: int
    user: str
    password: Secret
    is_tls: bool
    sender: str
    ca_bundle: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent. `id` names it, so that a mail program knows what came twice."""

    id: str
    to: str
    subject: str
    text: str


def read(settings: Settings) -> Server | None:
    """The server that is set; None: none is. SetupError for an address that is none."""
    if not settings.smtp_url:
        return None
    hint = "smtps://user:password@mail.example.com, and DD0C_MAIL_FROM=dd0c@example.com"
    try:
        url = urlsplit(settings.smtp_url.reveal())
        port = url.port or PORTS.get(url.scheme)
    except ValueError:
        raise SetupError("DD0C_SMTP_URL cannot be read", hint=hint) from None
    if port is None or not url.hostname or url.path not in ("", "/"):
        raise SetupError("DD0C_SMTP_URL must be smtp://… or smtps://…", hint=hint)
    if "@" not in settings.mail_from or not settings.mail_from.isprintable():
        raise SetupError("DD0C_MAIL_FROM must say who mail comes from", hint=hint)
    return Server(
        host=url.hostname,
        port=port,
        user=unquote(url.username or ""),
        password=Secret(unquote(url.password or "")),
        is_tls=url.scheme == "smtps",
        sender=settings.mail_from,
        ca_bundle=settings.ca_bundle,
    )


async def send(server: Server, letter: Letter) -> None:
    """The server took it; else what smtplib raises: SMTPException or OSError."""
    await asyncio.to_thread(_send, server, write(server, letter))


def write(server: Server, letter: Letter) -> EmailMessage:
    """The message; InvalidInput where a header would not stay one line."""
    message = EmailMessage()
    domain = server.sender.rpartition("@")[2].strip("> ")
    headers = {
        "From": server.sender,
        "To": letter.to,
        "Subject": letter.subject,
        "Date": formatdate(),
        "Message-ID": f"<{letter.id}@{domain}>",
        "Auto-Submitted": "auto-generated",
    }
    try:
        for name, value in headers.items():
            message[name] = value
    except ValueError:
        raise InvalidInput("a header of a mail must be one line") from None
    message.set_content(letter.text)
    return message


def _send(server: Server, message: EmailMessage) -> None:
    trust = ssl.create_default_context()
    if server.ca_bundle:
        trust.load_verify_locations(server.ca_bundle)
    name = socket.gethostname()
    with (
        smtplib.SMTP_SSL(server.host, server.port, name, timeout=STEP_S, context=trust)
        if server.is_tls
        else smtplib.SMTP(server.host, server.port, name, timeout=STEP_S)
    ) as connection:
        if not server.is_tls and (connection.ehlo()[0], connection.has_extn("starttls"))[1]:
            connection.starttls(context=trust)
        elif not server.is_tls and server.user:
            raise smtplib.SMTPNotSupportedError("no STARTTLS, so no password is told")
        if server.user:
            connection.login(server.user, server.password.reveal())
        connection.send_message(message)
