"""A script that Valkey runs: many calls in one round trip, loaded where the server lacks it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any, TypeAlias

from valkey.exceptions import NoScriptError

from dd0c.kernel.cache.client import Client

Call: TypeAlias = tuple[Sequence[str], Sequence[Any]]
"""Keys and values."""


class Script:
    """The script in a file of a package."""

    def __init__(self, package: str, name: str):
        self._text = resources.files(package).joinpath(name).read_text()
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Client, calls: Sequence[Call]) -> list[list[Any]]:
        """The replies in order; the first error that there is, once all were done or refused."""
        replies = await self._send(client, calls)
        missing = [at for at, r in enumerate(replies) if isinstance(r, NoScriptError)]
        if missing:
            await client.script_load(self._text)
            again = await self._send(client, [calls[at] for at in missing])
            for at, reply in zip(missing, again, strict=True):
                replies[at] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _send(self, client: Client, calls: Sequence[Call]) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for keys, values in calls:
            pipeline.execute_command("EVALSHA", self._sha, len(keys), *keys, *values)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies
