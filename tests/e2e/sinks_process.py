"""What leaves a part by other ways than its log, with a secret where people put names and reasons.

Prints one object: what each sink showed. The secret is the first argument.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from dd0c.base import admin, home, logs, secrets
from dd0c.base.admin import Report
from dd0c.base.clock import SystemClock
from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret
from dd0c.base.telemetry import Metric
from dd0c.cli import doctor
from dd0c.cli.checks.finding import Finding, problem
from dd0c.kernel.cache.embedded import FILE, EmbeddedValkey
from dd0c.kernel.web.probes import Health, Probe, Verdict


async def ask_admin_port(canary: str) -> dict[str, str]:
    """Metrics with it as a label, facts with it as a reason."""
    catalogue = [Metric("dd0c_x_total", "counter", "Things.", ("name",))]
    report = Report(False, {"why": canary}, {f'dd0c_x_total{{name="{canary}"}}': 1})
    door = admin.open_door(0, "a setting")
    async with await admin.listen(door, catalogue, lambda: report):
        said = {}
        for path in ("/metrics", "/readyz"):
            reader, writer = await asyncio.open_connection(*door.getsockname())
            writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            said[path] = (await asyncio.wait_for(reader.read(), 20)).decode()
            writer.close()
        return said


async def probe(canary: str) -> str:
    """Health of what fails with it."""

    async def fails() -> Verdict:
        raise SetupError(f"no {canary} here", hint=f"take away {canary}")

    report = await Health([Probe("one", fails)], SystemClock(), shared_s=1.0).report()
    return str([asdict(item) for item in report.items])


def examine(canary: str) -> str:
    """A finding of the doctor that names it."""

    def look(_: str) -> Iterator[Finding]:
        yield problem(canary, f"not {canary}")

    return str([asdict(found) for found in doctor.look({"one": look}, canary)])


def read_last_words(canary: str, folder: Path) -> str:
    """Of PostgreSQL, which writes its log itself."""
    log = folder / "postgres.log"
    log.write_text(f"LOG:  starting\nFATAL:  no database {canary}\nLOG:  shut down\n")
    return str(logs.last_cause(log, 0))


def start_valkey(canary: str, folder: Path) -> tuple[str, str]:
    """With a password that was damaged: what is told of it, and Valkey's own log."""
    place = home.create(folder / "home")
    (place.secrets / FILE).write_text(f"{canary} and more\n")
    server = EmbeddedValkey(place)
    try:
        server.start()
        server.stop()
        told = "it started"
    except SetupError as error:
        told = f"{error.message} {error.hint}"
    log = place.log / "valkey.log"
    return told, log.read_text() if log.exists() else ""


def main(canary: str) -> None:
    """Fill every sink."""
    secrets.keep(Secret(canary))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        told, log = start_valkey(canary, folder)
        said = asyncio.run(ask_admin_port(canary)) | {
            "health": asyncio.run(probe(canary)),
            "doctor": examine(canary),
            "last words": read_last_words(canary, folder),
            "valkey.log": log,
        }
    assert canary not in told
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
