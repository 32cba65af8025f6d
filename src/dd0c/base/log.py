"""Logs: one line a record on stderr, and no secret in any of them.

    2026-11-21T09:10:11.123Z warning gateway worker died, restarting slot=1 status=-9

Time, level, process, message, then fields: what the caller gave as `extra={"slot": 1}`. An
exception adds `error` and `trace`. Text that holds spaces or quotes is written as JSON, so that a
line stays one line and can be split again.

Two nets keep secrets out, because one is not enough: every `Secret` that is alive in this process
is replaced wherever its text occurs, and so is anything shaped like a key. Both run over message,
fields and traceback alike, before these are escaped.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from types import TracebackType
from typing import TextIO

from dd0c.base import secrets
from dd0c.base.secrets import MASK

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"'=\\]+")
_SHAPES = re.compile(
    r"(?P<keep>\b(?:bearer|basic)\s+|[?&](?:key|api_key|token)=)[A-Za-z0-9._~+/=-]{8,}"
    r"|\bdd0c_(?:sk|ses)_[A-Za-z0-9_-]{8,}"
    r"|\bsk-[A-Za-z0-9_-]{8,}",
    re.IGNORECASE,
)
SECRET_LENGTH_MIN = 6  # shorter ones would blank out ordinary words


def configure(process: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream` (stderr), one masked line a record."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "procrastinate"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # who uses a connection tells once
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def scrub(text: str) -> str:
    """The text without any living secret and without anything shaped like a key."""
    for value in secrets.living():
        if len(value) >= SECRET_LENGTH_MIN and value in text:
            text = text.replace(value, MASK)
    return _SHAPES.sub(lambda match: (match["keep"] or "") + MASK, text)


class _Formatter(logging.Formatter):
    def __init__(self, process: str):
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = record.levelname.lower()
        message = scrub(record.getMessage()).replace("\n", "\\n")
        line = f"{moment}.{int(record.msecs):03d}Z {level} {self._process} {message}"
        given = {k: v for k, v in vars(record).items() if k not in _OWN}
        if record.exc_info and record.exc_info[1] is not None:
            given["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            given["trace"] = self.formatException(record.exc_info)
        return line + "".join(f" {name}={_shown(value)}" for name, value in given.items())


def _shown(value: object) -> str:
    text = scrub(str(value))
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("dd0c").critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
