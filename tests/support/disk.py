"""A disk of a few megabytes, in a mount namespace of its own: nothing is left of it afterwards.

    with small_disk(folder, 8) as disk:
        subprocess.run([*disk.enter, "touch", disk.inside / "file"])
        (disk.outside / "file").unlink()

Whoever is inside the namespace finds the disk at `inside`, which is the given folder; everybody
else at `outside`. `read_only` is a folder of it that takes no writes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import missing

BLOCK = 64 * 1024
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted one. `enter` is the beginning of a command that runs inside."""

    inside: Path
    outside: Path
    enter: tuple[str, ...]

    @property
    def read_only(self) -> Path:
        return self.outside / "ro"

    def fill(self) -> None:
        """Leave no page free."""
        with (self.outside / "filler").open("ab", buffering=0) as filler:
            for size in (BLOCK, PAGE):
                with suppress(OSError):
                    while True:
                        filler.write(bytes(size))

    def make_room(self) -> None:
        """Take away what `fill` put there."""
        (self.outside / "filler").unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Mount one over the folder; skipped where root may not, which fails in CI."""
    tools = all(shutil.which(name) for name in ("unshare", "nsenter", "mount"))
    missing.unless(
        os.geteuid() == 0 and tools, "a small disk to fill: run as root, with util-linux"
    )
    script = (
        'mount -t tmpfs -o mode=0711,size="$2"m none "$1" && mkdir "$1/ro"'
        ' && mount --bind "$1/ro" "$1/ro" && mount -o remount,bind,ro "$1/ro"'
        " && echo mounted && exec sleep 600"
    )
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(folder), str(megabytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        try:
            mounted = keeper.stdout.readline() == b"mounted\n"
            missing.unless(mounted, "a small disk to fill: mounting needs CAP_SYS_ADMIN")
            outside = Path(f"/proc/{keeper.pid}/root{folder}")
            yield Disk(folder, outside, ("nsenter", "-t", str(keeper.pid), "-m"))
        finally:
            keeper.kill()
