"""A key-encryption key that stays in HashiCorp Vault (or OpenBao), in its transit engine.

The context is sent twice: as `associated_data`, which binds every ciphertext of an AEAD key to it,
and as `context`, which a key that derives wants and any other ignores. The token lies in a file
that a Vault agent may renew at any time, so it is read for each call.

Vault keeps the versions of a key and says in the ciphertext which one it is of (`vault:v2:…`).
"""

from __future__ import annotations

import base64
import ipaddress
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dd0c.base.errors import SetupError, Timeout, Unavailable
from dd0c.base.outbound import UNGUARDED, Breaker, Outbound, Policy, Request
from dd0c.kernel.vault import keyfile

PREFIX = "vault-transit:"
DEADLINE_S = 6.0
HINT = "vault-transit:https://vault.example:8200/transit/dd0c: address, mount, name of the key"


class TransitKey:
    """Wraps data keys under one key of a transit engine."""

    def __init__(
        self,
        address: str,
        token_file: str,
        outbound: Outbound,
        breaker: Breaker = UNGUARDED,
        *,
        within_s: float = DEADLINE_S,
    ):
        self.name = PREFIX + address
        self._base, self._mount, self._key = _parse(address)
        if not token_file:
            raise SetupError(
                "DD0C_VAULT names a Vault, and there is no token for it",
                hint="set DD0C_VAULT_TOKEN_FILE to the file that holds it",
            )
        self._token_file = Path(token_file).expanduser()
        self._outbound = outbound
        self._breaker = breaker
        self._within_s = within_s

    async def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """The data key encrypted by Vault; `context` must be given again to unwrap it."""
        body = {"plaintext": _base64(data_key), **_bound(context)}
        said = await self._call(f"encrypt/{self._key}", body)
        return str(said["ciphertext"]).encode()

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key; ValueError when Vault says that it is not of this key and context."""
        body = {"ciphertext": wrapped.decode("ascii"), **_bound(context)}
        said = await self._call(f"decrypt/{self._key}", body)
        return base64.b64decode(said["plaintext"], validate=True)

    async def renew(self) -> None:
        """Vault makes a new version of the key; the token must be allowed to."""
        await self._call(f"keys/{self._key}/rotate", {})

    async def _call(self, path: str, body: dict[str, str]) -> Any:
        path = f"{self._mount}/{path}"
        token = keyfile.read(self._token_file, remedy="a Vault agent or an administrator writes it")
        headers = {"X-Vault-Token": token.reveal(), "X-Vault-Request": "true"}
        try:
            answer = await self._outbound.send(
                Request("POST", f"{self._base}/v1/{path}", headers, json.dumps(body).encode()),
                within_s=self._within_s,
                policy=Policy.CONFIGURED,
                breaker=self._breaker,
            )
        except (Unavailable, Timeout) as error:
            raise Unavailable(
                f"Vault at {self._base} does not answer: {error.message}",
                hint="is it running, reachable and trusted (DD0C_CA_BUNDLE)?",
                retry_after_s=error.retry_after_s,
            ) from None
        if 200 <= answer.status < 300:
            return json.loads(answer.body)["data"] if answer.body else {}
        if answer.status == 400:
            raise ValueError("Vault does not take it: it is of another key or context")
        raise Unavailable(
            f"Vault at {self._base} refuses {path}: status {answer.status}",
            hint="403: the token is over, or lacks `update` on that path; 503: sealed",
        )


def _parse(address: str) -> tuple[str, str, str]:
    """Base, mount and name of the key; SetupError when it is no such address."""
    url = urlsplit(address)
    mount, _, key = url.path.strip("/").rpartition("/")
    if url.scheme not in ("http", "https") or not url.hostname or not mount or url.query:
        raise SetupError(f"DD0C_VAULT: {address!r} is no key of a transit engine", hint=HINT)
    if url.username is not None or (url.scheme == "http" and not _is_loopback(url.hostname)):
        raise SetupError(
            f"DD0C_VAULT: {url.scheme}://…{url.hostname} would send keys and token in the clear",
            hint="use https://, and DD0C_VAULT_TOKEN_FILE for the token",
        )
    return f"{url.scheme}://{url.netloc}", mount, key


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(context: bytes) -> dict[str, str]:
    text = _base64(context)
    return {"context": text, "associated_data": text}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
