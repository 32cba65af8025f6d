"""Logs: one line a record on stderr, and no secret in any of them.

    2026-11-21T09:10:11.123Z warning gateway worker died, restarting slot=1 status=-9

Time, level, process, message, then fields: what the caller gave as `extra={"slot": 1}`. An
exception adds `error` and `trace`. Text that holds spaces or quotes is written as JSON, so that a
line stays one line and can be split again. As JSON (`DD0C_LOG_FORMAT=json`) a line is one object
with the same names.

Secrets are taken out of message, fields and traceback before these are escaped, and out of all
that anybody prints besides: the hooks of exceptions that nobody caught end up here, `sys.stderr`
and `sys.stdout` are replaced.
"""

from __future__ import annotations

import atexit
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from dd0c.base import crashes, redact

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"'=\\]+")
TEXT_MAX = 20_000  # characters of a message or field; a trace of a deep recursion is longer
FORMATS = ("text", "json")


def configure(
    process: str, level: str = "info", stream: TextIO | None = None, *, form: str = "text"
) -> None:
    """Send all logging of this process to `stream`, one masked line a record.

    Without a stream this is a part whose stderr is its log: nobody prints past the mask then.
    """
    if stream is None:
        stream = sys.stderr
        _guard()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(process, _as_json if form == "json" else _as_text))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "procrastinate"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # who uses a connection tells once
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # it would print the values of a record past the mask
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _guard() -> None:
    """Let nobody print past the mask, nor leave a core file."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, redact.Masked):
            continue
        if name == "stderr":
            crashes.contain(stream)
        guarded = redact.Masked(stream)
        setattr(sys, name, guarded)
        atexit.register(guarded.finish)


class _Formatter(logging.Formatter):
    def __init__(self, process: str, write: Callable[[dict[str, Any]], str]):
        super().__init__()
        self._process = process
        self._write = write

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "message": _shown(_message(record)),
        }
        line |= {k: _shown(v) for k, v in vars(record).items() if k not in _OWN and k not in line}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = _shown(f"{type(error).__name__}: {error}")
            line["trace"] = _shown(self.formatException(record.exc_info))
        return self._write(line)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a mistake in the call costs no line
        return f"{record.msg} {record.args}"


def _shown(value: object) -> Any:
    """The value as a line may hold it; numbers and nothing stay what they are."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = redact.scrub(str(value))  # before it is cut, which could be inside a secret
    if len(text) <= TEXT_MAX:
        return text
    return f"{text[: TEXT_MAX // 2]} … {text[-TEXT_MAX // 2 :]}"


def _as_text(line: dict[str, Any]) -> str:
    head = [line.pop(name) for name in ("time", "level", "process", "message")]
    head[-1] = head[-1].replace("\n", "\\n")
    fields = (f"{name}={_quoted(str(value))}" for name, value in line.items())
    return " ".join((*head, *fields))


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _as_json(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("dd0c").critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        given = (args.exc_type, args.exc_value, args.exc_traceback)
        logging.getLogger("dd0c").error(args.err_msg or "ignored in a finalizer", exc_info=given)
