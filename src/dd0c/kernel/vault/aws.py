"""A key-encryption key that stays in AWS KMS: data keys are sent there to be wrapped and unwrapped.

botocore alone, without boto3, and imported at the first call: 20 MB that nobody else pays for. It
brings its own way out, so of `outbound` it has the breaker, the proxy, the CAs and a deadline. It
blocks, so calls run in threads, a few at a time. Credentials come from where AWS programs look for
them (environment, profile, role of the machine or the pod); dd0c keeps none.

A key is named by its ARN, not by an alias: an alias may point to another key tomorrow, and what was
wrapped under it would not open. The versions that AWS makes of a key keep its ARN, and it knows by
itself which one a ciphertext is of.
"""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from typing import Any

from dd0c.base import destinations
from dd0c.base.errors import SetupError, Unavailable
from dd0c.base.outbound import FAILING, UNGUARDED, Breaker, Outcome
from dd0c.base.settings import Settings

PREFIX = "aws-kms:"
DEADLINE_S = 6.0
ATTEMPTS = 2
AT_ONCE = 4
CONTEXT_NAME = "dd0c"
NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:key/[A-Za-z0-9-]+")


class AwsKey:
    """Wraps data keys under one key of AWS KMS; the context is its encryption context."""

    def __init__(
        self,
        arn: str,
        settings: Settings,
        breaker: Breaker = UNGUARDED,
        *,
        within_s: float = DEADLINE_S,
    ):
        found = _ARN.fullmatch(arn)
        if found is None:
            raise SetupError(
                f"DD0C_VAULT: {arn!r} is no ARN of a key",
                hint="aws-kms:arn:aws:kms:REGION:ACCOUNT:key/ID; an alias does not do",
            )
        self.name = PREFIX + arn
        self._arn = arn
        self._region = found[1]
        self._ca_bundle = settings.ca_bundle or None
        self._proxy = settings.proxy
        self._no_proxy = settings.no_proxy
        self._breaker = breaker
        self._within_s = within_s
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._making = threading.Lock()
        self._client: Any = None

    async def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """The data key encrypted by AWS; `context` must be given again to unwrap it."""
        answer = await self._call("encrypt", Plaintext=data_key, EncryptionContext=_named(context))
        return bytes(answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key; ValueError when AWS says that it is not of this key and context."""
        answer = await self._call(
            "decrypt", CiphertextBlob=wrapped, EncryptionContext=_named(context)
        )
        return bytes(answer["Plaintext"])

    async def renew(self) -> None:
        """AWS makes a new version of the key now; it allows 25 of them."""
        await self._call("rotate_key_on_demand")

    async def _call(self, operation: str, **arguments: Any) -> Any:
        async with self._breaker.attempt() as attempt:
            try:
                async with asyncio.timeout(self._within_s), self._slots:
                    answer = await asyncio.to_thread(self._send, operation, arguments)
            except (ValueError, _Refused):
                attempt.outcome = Outcome.SUCCESS  # it works, and says no
                raise
            except TimeoutError:
                attempt.outcome = Outcome.FAILURE
                raise Unavailable(f"AWS KMS in {self._region} does not answer in time") from None
            except Unavailable:
                attempt.outcome = Outcome.FAILURE
                raise
            attempt.outcome = Outcome.SUCCESS
            return answer

    def _send(self, operation: str, arguments: dict[str, Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._open(), operation)(KeyId=self._arn, **arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            if code in NOT_OURS:
                raise ValueError("AWS KMS does not decrypt it") from None
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise (Unavailable if status >= FAILING else _Refused)(
                f"AWS KMS refuses {operation}: {code}",
                hint=f"may this process use kms:Encrypt and kms:Decrypt on {self._arn}?",
            ) from None
        except BotoCoreError as error:
            raise Unavailable(
                f"AWS KMS in {self._region} cannot be asked: {type(error).__name__}",
                hint="network and credentials of AWS, as its programs find them",
            ) from None

    def _open(self) -> Any:
        from botocore.config import Config
        from botocore.session import get_session

        with self._making:
            if self._client is None:
                bounds = Config(
                    connect_timeout=self._within_s / ATTEMPTS,
                    read_timeout=self._within_s / ATTEMPTS,
                    retries={"total_max_attempts": ATTEMPTS},
                    proxies=self._proxies(),
                )
                self._client = get_session().create_client(
                    "kms", region_name=self._region, verify=self._ca_bundle, config=bounds
                )
            return self._client

    def _proxies(self) -> dict[str, str] | None:
        direct = destinations.goes_direct(f"kms.{self._region}.amazonaws.com", self._no_proxy)
        return {"https": self._proxy.reveal()} if self._proxy and not direct else None


class _Refused(Unavailable):
    """AWS KMS answers, and does not do it."""


def _named(context: bytes) -> dict[str, str]:
    return {CONTEXT_NAME: base64.b64encode(context).decode()}
