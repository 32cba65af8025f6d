"""Recorded answers, sent byte for byte: the folder of `dd0c sim --replay`, one file each.

The file's ending says what it is: `.json` a body, `.sse` server-sent events, `.bin` a stream of
binary frames as Bedrock sends them. Streams go out event by event, so that pace and the faults of
streams apply; joined, the events are the file, whatever is in it.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Final

from dd0c.base.errors import InvalidInput
from dd0c.sim.faults import Faults, lacking
from dd0c.sim.http import JSON, Answer, Stream

FILE_BYTES_MAX: Final = 16 * 1024 * 1024
SSE: Final = b"text/event-stream"
EVENTSTREAM: Final = b"application/vnd.amazon.eventstream"
EVENT: Final = re.compile(rb".*?(?:\r\n\r\n|\n\n|\r\r|\Z)", re.DOTALL)
PRELUDE_BYTES: Final = 12  # total length, headers length, checksum of the two
ID_HEADER: Final = b"x-request-id"
BODY: Final = frozenset({"body", "1.1"})
EVENTS: Final = frozenset({"stream", "1.1"})


class Recordings:
    """The recordings of one folder; only what lies in it is ever read."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.resolve()
        if self._folder is not None and not self._folder.is_dir():
            raise InvalidInput(f"there is no folder {folder} to replay from")

    def list_names(self) -> list[str]:
        """The recordings that can be asked for."""
        if self._folder is None:
            return []
        return sorted(
            str(path.relative_to(self._folder))
            for path in self._folder.rglob("*")
            if path.suffix in (".json", ".sse", ".bin")
        )

    def get_answer(self, faults: Faults) -> Answer:
        """The recording the faults name, under status 200 or the one they ask for."""
        name = faults.replay or ""
        status = faults.status or 200
        body = self._read(name)
        refused = lacking(faults, BODY if name.endswith(".json") else EVENTS)
        if refused:
            raise InvalidInput(f"the recording {name} cannot show {refused[0].name}")
        match Path(name).suffix:
            case ".json":
                return Answer(status, b"", ID_HEADER, body, media_type=JSON)
            case ".sse":
                events = Stream(split_events(body))
                return Answer(status, b"", ID_HEADER, stream=events, media_type=SSE)
            case ".bin":
                frames = Stream(split_frames(body))
                return Answer(status, b"", ID_HEADER, stream=frames, media_type=EVENTSTREAM)
        raise InvalidInput(f"{name} is no .json, .sse or .bin")

    def _read(self, name: str) -> bytes:
        if self._folder is None:
            raise InvalidInput("nothing to replay", hint="start with dd0c sim --replay FOLDER")
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            hint = "GET /_sim/recordings lists them"
            raise InvalidInput(f"there is no recording {name!r}", hint=hint)
        if path.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput(f"{name} is larger than {FILE_BYTES_MAX} bytes")
        return path.read_bytes()


def split_events(body: bytes) -> tuple[bytes, ...]:
    """Server-sent events, each with the blank line that ends it; the last may lack one."""
    return tuple(filter(None, EVENT.findall(body)))


def split_frames(body: bytes) -> tuple[bytes, ...]:
    """Frames of AWS's event stream, by the length each begins with; what is torn stays whole."""
    frames = []
    start = 0
    while len(body) - start >= PRELUDE_BYTES:
        (size,) = struct.unpack_from(">I", body, start)
        if size < PRELUDE_BYTES:
            break
        frames.append(body[start : start + size])
        start += size
    return (*frames, body[start:]) if start < len(body) else tuple(frames)
