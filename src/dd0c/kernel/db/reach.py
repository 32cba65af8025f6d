"""Why PostgreSQL cannot be reached: something to mend, or something to wait for.

A wrong password stays wrong: SetupError. A server that starts, restarts or is full lets us in
later: Unavailable, which `patiently` tries again. The driver has no code for a refused connection,
only the server's words, so unknown words (another language) count as something to wait for.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from psycopg.conninfo import conninfo_to_dict

from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.db import roles

T = TypeVar("T")

PATIENCE_S = 60.0
AGAIN_S = 0.5
SAY_EVERY_S = 10.0

PREPARE = "run `dd0c migrate` with DD0C_DATABASE_ADMIN_URL, for this DD0C_DATABASE_URL"
ADDRESS = "check the address; special characters of a password are written %40, %2F, …"
HOME = "the home's secrets/database.json is not that of this database: restore both together"
POOLER = "connect to PostgreSQL itself: a pooler does not keep the role that a session was given"

_LASTING = (
    (r"password authentication failed|no password supplied|authentication failed", ADDRESS),
    (r'database "[^"]*" does not exist', "create it, empty: CREATE DATABASE …"),
    (r"permission denied to set role|role \"dd0c_\w+\" does not exist", PREPARE),
    (r"permission denied for database", "GRANT CONNECT ON DATABASE … to it, or " + PREPARE),
    (r"role \"[^\"]*\" (?:does not exist|is not permitted to log in)", ADDRESS),
    (r"no pg_hba\.conf entry", "allow this machine in pg_hba.conf, or use ?sslmode=require"),
    (r"unsupported startup parameter", POOLER),
    (
        r"does not support SSL|certificate|SSL error|sslmode|private key",
        "check sslmode and sslrootcert in the address",
    ),
    (r"invalid (?:port|integer|connection option|value|URI)", ADDRESS),
)


def explain(error: Exception, conninfo: Secret) -> SetupError | Unavailable:
    """What a failed connection means for whoever started us; never with a password in it."""
    parts = conninfo_to_dict(conninfo.reveal())
    account = parts.get("user") or "our account"
    where = f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}"
    text = _line(error)
    for pattern, hint in _LASTING:
        if re.search(pattern, text):
            ours = account in (*roles.ALL, roles.ADMIN) and hint is ADDRESS
            message = f"PostgreSQL at {where} does not let {account} in: {text}"
            return SetupError(message, hint=HOME if ours else hint)
    return Unavailable(
        f"PostgreSQL at {where} does not answer: {text}",
        hint="is it running, and is the address right? `dd0c doctor` looks further",
    )


async def patiently(
    work: Callable[[], Awaitable[T]], say: Callable[[str], None], within_s: float = PATIENCE_S
) -> T:
    """The result of `work`, which is done again while it is Unavailable; `say` is told so."""
    begun, said = time.monotonic(), -SAY_EVERY_S
    while True:
        waited = time.monotonic() - begun
        try:
            return await work()
        except Unavailable as error:
            if waited >= within_s:
                raise
            if waited - said >= SAY_EVERY_S:
                said = waited
                say(f"{error.message}; trying again for {within_s - waited:.0f} s")
        await asyncio.sleep(AGAIN_S)


def _line(error: Exception) -> str:
    """The server's words in one line; the last of several hosts or addresses speaks for all."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    lines = [line.strip(" -\t") for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "failed:" in line] or lines[:1] or [type(error).__name__]
    return re.sub(r"^.*failed: +(?:FATAL: +)?", "", told[-1])
