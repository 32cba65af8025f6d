"""A way to a server's unix socket that can be let through, held up, or cut.

    with Passage(behind, to) as way:
        way.state = State.PAUSED

Paused, connections stand and nothing passes, as with a host that hangs; dead, they are cut and new
ones refused, as with one that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

PIECE = 65_536
WITHIN_S = 10.0


class State(StrEnum):
    """How the server behind it seems to be."""

    UP = "up"
    PAUSED = "paused"
    DEAD = "dead"


class Passage:
    """Listens at `path` and passes on to the socket at `to`, in a thread of its own."""

    def __init__(self, path: Path, to: Path):
        self._path = path
        self._to = to
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="passage", daemon=True)
        self._open = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.set(State.UP)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.set(State.DEAD)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN_S)
        self._loop.close()

    def set(self, state: State) -> None:
        """From now on."""
        asyncio.run_coroutine_threadsafe(self._set(state), self._loop).result(WITHIN_S)

    async def _set(self, state: State) -> None:
        if state is State.UP:
            self._open.set()
        else:
            self._open.clear()
        if state is State.DEAD:
            await self._cut()
        elif self._server is None:
            self._server = await asyncio.start_unix_server(self._enter, self._path)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            beyond, onward = await asyncio.open_unix_connection(self._to)
            self._writers.add(onward)
            for way in (self._pass(reader, onward), self._pass(beyond, writer)):
                task = asyncio.ensure_future(way)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while piece := await reader.read(PIECE):
                await self._open.wait()
                writer.write(piece)
                await writer.drain()
            writer.close()
