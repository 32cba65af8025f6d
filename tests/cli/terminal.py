"""The command line on a terminal of a given width, and in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping

from click.testing import CliRunner

from dd0c.cli import main

WITHIN_S = 30.0
NOTHING: Mapping[str, str] = {}


def environment(env: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """This environment without what changes how a verb behaves, with what is given."""
    foreign = ("DD0C_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TZ")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "TERM": "xterm", "TZ": "UTC", "XDG_CONFIG_HOME": "/nonexistent", **env}


def argv(*words: str) -> list[str]:
    """A command line of dd0c."""
    return [sys.executable, "-m", "dd0c.cli.main", *words]


def run(
    *words: str, given: str | None = None, env: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[str]:
    """A verb with its output in pipes and `given` on its standard input."""
    return subprocess.run(
        argv(*words),
        env=environment(env),
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def call(
    *words: str, given: str | None = None, env: Mapping[str, str] = NOTHING
) -> subprocess.CompletedProcess[str]:
    """As `run`, in this process: a tenth of the time, for tests of many verbs."""
    kept = environment(env)
    away = dict.fromkeys(os.environ.keys() - kept)
    with CliRunner().isolation(given, env={**away, **kept}) as (out, err, _):
        status = main.main(words)
        said = [stream.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(words, status, *said)


def show(*words: str, columns: int = 80, typed: str = "", env: Mapping[str, str] = NOTHING) -> str:
    """What a terminal of that width gets to show; `typed` answers the first question."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = ["setsid", "--ctty", *argv(*words)]  # a password is asked for on /dev/tty
    with subprocess.Popen(
        command, env=environment(env), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b"".join(_pieces(ours, typed))
        os.close(ours)
        process.kill()
    return shown.decode().replace("\r\n", "\n")


def _pieces(terminal: int, typed: str) -> Iterator[bytes]:
    deadline = time.monotonic() + WITHIN_S
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # nobody holds the other end any more
            return
        yield piece
        if typed and piece.rstrip().endswith(b":"):
            os.write(terminal, typed.encode())
            typed = ""
