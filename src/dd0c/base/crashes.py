"""What a native crash leaves behind: the frames of its threads, which hold no values, and no core.

A core file is a process's whole memory, secrets and all, in whatever folder or collector the
machine has for it. A limit of one byte is kept where files are written and, unlike 0, also where
the kernel pipes cores to a program (core(5)). It is a soft limit: who needs a core raises it again
(`prlimit`) for a process whose secrets may be seen.
"""

from __future__ import annotations

import faulthandler
import resource
from typing import TextIO

CORE_BYTES = 1


def contain(stream: TextIO | None = None) -> None:
    """From now on this process, and what it starts, dumps no core; its frames go to the stream."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    soft = CORE_BYTES if hard == resource.RLIM_INFINITY else min(CORE_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    if stream is not None:
        faulthandler.enable(stream)
