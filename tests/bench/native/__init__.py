"""The two programs in C: a load generator and an upstream that cost less than what is measured.

A generator in Python would need a processor of its own for 30,000 requests a second, which this one
sends with a fifth of one. They are built once for each state of their sources.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.bench.subject import Missing

SOURCES = Path(__file__).parent
BUILD_WITHIN_S = 60.0


def program(name: str, cache: Path) -> Path:
    """The built program; Missing where there is no compiler."""
    sources = [SOURCES / "wire.h", SOURCES / f"{name}.c"]
    digest = hashlib.blake2b(b"".join(x.read_bytes() for x in sources), digest_size=8).hexdigest()
    built = cache / f"{name}-{digest}"
    if built.exists():
        return built
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Missing("there is no C compiler (Debian, Ubuntu: apt-get install gcc libc6-dev)")
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = cache / f"{built.name}.{os.getpid()}"
    done = subprocess.run(
        [compiler, "-O2", "-std=gnu11", "-o", str(unfinished), str(sources[1])],
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        raise Missing(f"{name}.c could not be built: {done.stderr[-300:]}")
    unfinished.rename(built)
    return built
