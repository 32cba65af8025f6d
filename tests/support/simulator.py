"""The simulator in a process of its own, and what a test asks it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (
    "import sys; from pathlib import Path; from dd0c.sim import server;"
    " corpus = Path(sys.argv[2]);"
    " sys.exit(server.main('127.0.0.1', 0, faults=sys.argv[1], replay=corpus))"
)
CORPUS = Path(__file__).parents[1] / "corpus" / "llm"
STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator. `url` has no path."""

    url: str
    pid: int

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer of `/_sim/{path}`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=15) as answer:
            return json.load(answer)

    def stats(self) -> Any:
        """Counters and the last requests."""
        return self.ask("GET", "stats")

    def last(self) -> Any:
        """The record of the last request, with what was received."""
        return self.ask("GET", f"requests/{self.stats()['recent'][-1]['id']}")


@contextmanager
def running_simulator(faults: str = "", replay: Path = CORPUS) -> Iterator[Simulator]:
    """Starts a simulator on a free port, with standing faults and recordings, and ends it."""
    command = [sys.executable, "-c", COMMAND, faults, str(replay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().split()[-1]
        try:
            yield Simulator(url, child.pid)
        finally:
            child.terminate()
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
