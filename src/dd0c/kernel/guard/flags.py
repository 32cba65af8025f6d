"""The read view of flags: asked from memory, through OpenFeature, never waiting for anybody (K-62).

One task reads what is published in Valkey once a second; an evaluation only looks at what was read
last. So a source that is slow, away or full of nonsense costs no request any time, and what an
evaluation says then is known beforehand: the flag's safe value.

    the flag is not in flags.toml                    off
    nothing could be read for ten seconds            safe
    what was read is no document                     safe
    what it says of this flag is of the wrong type   safe
    it says nothing of this flag                     `initial` of flags.toml holds

OpenFeature's providers are global to a process: each view registers one under a name of its own.
What became of an evaluated flag is counted (`observe`) and told to Valkey by the same task, for the
rule that turns a flag off when errors rise with it (kernel/autonomy/flag_errors.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata
from valkey.exceptions import ValkeyError

from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as cache
from dd0c.kernel.cache.client import Client
from dd0c.kernel.guard import flagfile, rollout
from dd0c.kernel.guard.flagfile import Flagfile
from dd0c.kernel.guard.rollout import NOTHING_SAID, Setting

KEY = "dd0c:{flags}"
READ_EVERY_S = 1.0
READ_WITHIN_S = 1.0
STALE_AFTER_S = 10.0
BODY_BYTES_MAX = 4 * 2**20
MINUTE_S = 60
SEEN_KEPT_S = 3 * 3600

log = logging.getLogger(__name__)


def seen_key(name: str, minute: int) -> str:
    """Where it is counted what became of a flag in a minute since 1970."""
    return f"{KEY}:seen:{name}:{minute}"


class Flags:
    """What this process knows of flags. `now` is a clock that only goes forward, in seconds."""

    def __init__(self, declared: Flagfile | None = None, now: Callable[[], float] = time.monotonic):
        self.declared = flagfile.load() if declared is None else declared
        self._now = now
        self._settings: Mapping[str, Setting | None] = {}
        self._read_at: float | None = None
        self._seen: Counter[tuple[str, str]] = Counter()
        self.domain = f"dd0c.{uuid.uuid4().hex}"
        api.set_provider_and_wait(Provider(self), self.domain)
        self._client = api.get_client(self.domain)

    def is_on(self, name: str, org: uuid.UUID | None = None) -> bool:
        """Whether the flag is on for the organisation; None: for the installation as a whole."""
        declared = self.declared.get(name)
        safe = False if declared is None else declared.safe
        context = EvaluationContext(targeting_key="" if org is None else org.hex)
        return self._client.get_boolean_value(name, safe, context)

    def observe(self, name: str, org: uuid.UUID | None, *, ok: bool) -> None:
        """Count what became of something that the flag decides on, where it is on and where not."""
        setting = self._settings.get(name) or NOTHING_SAID
        arm = f"on:{setting.serial}" if self.is_on(name, org) else "off"
        self._seen[name, f"{arm}:{'ok' if ok else 'bad'}"] += 1

    def setting(self, name: str) -> Setting | None:
        """What was said of the flag; None: that cannot be told, so the safe value holds."""
        if self._read_at is None or self._now() - self._read_at > STALE_AFTER_S:
            return None
        return self._settings.get(name, NOTHING_SAID)

    def learn(self, body: bytes) -> None:
        """Take what was read. Empty: the source has lost it, and what was read before holds on."""
        if not body:
            return
        try:
            self._settings = rollout.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            if self._read_at is not None:
                log.warning("what is published of flags cannot be read: %s", error)
            self._read_at = None
        else:
            self._read_at = self._now()

    async def read(self, client: Client) -> None:
        """Read what is published, and tell what was seen, once."""
        async with asyncio.timeout(READ_WITHIN_S):
            self.learn(await client.getrange(KEY, 0, BODY_BYTES_MAX))
            seen, self._seen = self._seen, Counter()  # lost with a failure: rather than told twice
            if seen:
                await _tell(client, seen)


async def _tell(client: Client, seen: Counter[tuple[str, str]]) -> None:
    minute = int(time.time()) // MINUTE_S
    pipeline = client.pipeline(transaction=False)
    for (name, what), number in seen.items():
        key = seen_key(name, minute)
        pipeline.hincrby(key, what, number)
        pipeline.expire(key, SEEN_KEPT_S)
    await pipeline.execute()


class Provider(AbstractProvider):
    """What OpenFeature asks. All our flags are booleans."""

    def __init__(self, flags: Flags):
        super().__init__()
        self._flags = flags

    def get_metadata(self) -> Metadata:
        return Metadata("dd0c")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        declared = self._flags.declared.get(flag_key)
        if declared is None:
            return _refused(default_value, ErrorCode.FLAG_NOT_FOUND)
        setting = self._flags.setting(flag_key)
        if setting is None:
            return FlagResolutionDetails(declared.safe, reason=Reason.STALE)
        org = (evaluation_context.targeting_key if evaluation_context else None) or ""
        value = rollout.is_on(flag_key, declared, setting, org)
        return FlagResolutionDetails(value, reason=Reason.TARGETING_MATCH)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: Any = None
    ) -> FlagResolutionDetails[str]:
        return _refused(default_value, ErrorCode.TYPE_MISMATCH)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: Any = None
    ) -> FlagResolutionDetails[int]:
        return _refused(default_value, ErrorCode.TYPE_MISMATCH)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: Any = None
    ) -> FlagResolutionDetails[float]:
        return _refused(default_value, ErrorCode.TYPE_MISMATCH)

    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: Any = None
    ) -> FlagResolutionDetails[Any]:
        return _refused(default_value, ErrorCode.TYPE_MISMATCH)


def _refused(default: Any, code: ErrorCode) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(default, error_code=code, reason=Reason.ERROR)


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[Flags]:
    """A view that is kept fresh for the block. It begins with safe values, and nobody waits."""
    client = cache.open_client(settings, 1, within_s=READ_WITHIN_S)
    flags = Flags()
    reading = asyncio.create_task(_read_for_ever(flags, client), name="flags")
    try:
        yield flags
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await client.aclose()


async def _read_for_ever(flags: Flags, client: Client) -> None:
    while True:
        with contextlib.suppress(ValkeyError, OSError, TimeoutError):
            await flags.read(client)
        await asyncio.sleep(READ_EVERY_S)
