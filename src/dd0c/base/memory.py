"""Memory that nobody uses any more."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Have the allocator return what it keeps to the system; where it cannot, nothing happens.

    glibc kept 500 MB of a burst that was over (measured).
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
