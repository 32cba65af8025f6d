"""A gateway worker in a process of its own, with us in the place of its parent."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec
from splintr import AnyTokenizer, Tokenizer

from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import frames, limits, spool
from dd0c.products.route.hotpath.snapshot import (
    Counted,
    CountWanted,
    FromWorker,
    KeyEntry,
    Price,
    Provider,
    Snapshot,
    Tier,
    ToWorker,
    WorkerReady,
    WorkerStats,
)
from dd0c.products.route.models import AttemptClosed, AttemptOpened, SpoolRecord

PEPPER = bytes(range(32))
ORG = bytes.fromhex("0197a0c0a0a07000800000000000000a")
KEY_ID = bytes.fromhex("0197a0c0a0a07000800000000000000b")
PROVIDER_ID = bytes.fromhex("0197a0c0a0a07000800000000000000c")
KEY = "dd0c_sk_" + "k" * 43
SECRET = "sk-provider-secret/+=with-odd-bytes-1234567890"

PROMPT_TOKENS = 100

PRICE = Price(
    "openai",
    "gpt-5-mini",
    "prc_test",
    0,
    (Tier(0, 250_000, 25_000, None, None, 2_000_000, reasoning=2_000_000),),
)
CLAUDE_PRICE = Price(
    "anthropic",
    "claude-sonnet-4-5",
    "prc_claude",
    0,
    (Tier(0, 3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000, reasoning=15_000_000),),
)


def key_entry(text: str = KEY, **changes: object) -> KeyEntry:
    """The entry of a key text under the test's pepper."""
    digest = hashlib.blake2b(text.encode(), key=PEPPER, digest_size=32).digest()
    return msgspec.structs.replace(KeyEntry(digest, KEY_ID, ORG), **changes)


def provider(port: int, dialect: str = "openai", **changes: object) -> Provider:
    """A provider on loopback whose base URL follows its SDK's convention."""
    prefix = "/v1" if dialect == "openai" else ""
    made = Provider(
        *(PROVIDER_ID, None, dialect, dialect, "http", "127.0.0.1", port, prefix),
        secret=Secret(SECRET),
        price_provider=dialect,
    )
    return msgspec.structs.replace(made, **changes)


def snapshot(port: int, **changes: object) -> Snapshot:
    """A snapshot with one key, one provider of each dialect at `port`, and two prices."""
    made = Snapshot(
        version=1,
        pepper=Secret(PEPPER.hex()),
        keys=(key_entry(),),
        providers=(provider(port), provider(port, "anthropic")),
        prices=(PRICE, CLAUDE_PRICE),
    )
    return msgspec.structs.replace(made, **changes)


def count(text: str) -> int:
    """Tokens of a text, from the vocabulary of OpenAI's models itself."""
    return len(_vocabulary().encode_ordinary(text))


@cache
def _vocabulary() -> AnyTokenizer:
    return Tokenizer.from_pretrained("o200k_base")


def count_for(wanted: CountWanted) -> Counted | None:
    """What a parent answers; a prompt is PROMPT_TOKENS long."""
    if wanted.actual is not None:
        return None
    text, part = wanted.received.decode(), wanted.delivered_chars
    return Counted(
        wanted.id,
        input=None if wanted.body is None else PROMPT_TOKENS,
        received=count(text),
        delivered=None if part is None else count(text[:part]),
        error=0.125,
    )


def price(**changes: object) -> Price:
    """The test's price, changed."""
    return msgspec.structs.replace(PRICE, **changes)


@dataclass
class Worker:
    """A running worker: tell it things, read what it says and what it wrote."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    port: int
    folder: Path
    said: list[FromWorker] = field(default_factory=list)
    forgotten: int = 0
    answers: Callable[[CountWanted], Counted | None] = count_for

    def tell(self, message: ToWorker) -> None:
        """Send a message as the parent would."""
        self.control.sendall(frames.encode(message))

    def forget(self) -> None:
        """Show only records that are written from now on."""
        self.forgotten = 0
        self.forgotten = len(self.records())

    def records(self) -> list[SpoolRecord]:
        """The records in its spool."""
        found: list[SpoolRecord] = []
        for path in sorted(self.folder.glob("*.spool")):
            decoded = spool.decode(path.read_bytes())
            assert decoded.error is None
            found += decoded.records
        return found[self.forgotten :]

    def opened(self) -> list[AttemptOpened]:
        """All open records."""
        return [r for r in self.records() if isinstance(r, AttemptOpened)]

    def closed(self, count: int | None = None, timeout_s: float = 20.0) -> list[AttemptClosed]:
        """All close records; waits until there are `count`."""

        def enough() -> bool:
            return count is None or self._count_closed() >= count

        wait_for(enough, timeout_s)
        return [r for r in self.records() if isinstance(r, AttemptClosed)]

    def gauge(self, name: str) -> float:
        """A gauge as last told."""
        stats = [m for m in self.said if isinstance(m, WorkerStats)]
        return stats[-1].gauges[name] if stats else 0.0

    def counter(self, name: str) -> float:
        """A counter of route as last told, by its name with labels."""
        stats = [m for m in self.said if isinstance(m, WorkerStats)]
        return stats[-1].counters.get(f"dd0c_route_{name}", 0.0) if stats else 0.0

    def rss_kb(self) -> int:
        """Its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS"))

    def _count_closed(self) -> int:
        return sum(isinstance(r, AttemptClosed) for r in self.records())

    def _listen(self) -> None:
        received = b""
        decoder = msgspec.msgpack.Decoder(FromWorker)
        while chunk := self.control.recv(65536):
            received += chunk
            while len(received) >= 4 and len(received) >= 4 + (
                size := int.from_bytes(received[:4], "big")
            ):
                message = decoder.decode(received[4 : 4 + size])
                self.said.append(message)
                if isinstance(message, CountWanted) and (answer := self.answers(message)):
                    self.tell(answer)
                received = received[4 + size :]


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until `condition` holds; fail after the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def running_worker(
    folder: Path,
    greeting: Sequence[ToWorker],
    bounds: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Worker]:
    """Starts a worker with a snapshot and waits until it is ready; ends it hard."""
    ours, theirs = socket.socketpair()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    made = msgspec.structs.replace(limits.of(Settings()), **dict(bounds or {}))
    command = [sys.executable, "-m", "dd0c.app.gateway_worker", "--slot", "0"]
    command += ["--control-fd", str(theirs.fileno()), "--listen-fd", str(listener.fileno())]
    command += ["--spool", str(folder), "--limits", msgspec.json.encode(made).decode()]
    fds = (theirs.fileno(), listener.fileno())
    process = subprocess.Popen(command, pass_fds=fds, env={**os.environ, **(environ or {})})
    theirs.close()
    worker = Worker(process, ours, listener.getsockname()[1], folder)
    listening = threading.Thread(target=worker._listen, daemon=True)
    listening.start()
    for message in greeting:
        worker.tell(message)
    try:
        wait_for(lambda: any(isinstance(m, WorkerReady) for m in worker.said), 10)
        yield worker
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        listening.join(5)
        ours.close()
        listener.close()
