"""What is going on, shown while it takes longer than a moment: on a terminal's stderr, else not.

It disappears when it is over, so that nothing of it is left between what a verb prints.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dd0c.cli import output

PATIENCE_S = 0.5

Say = Callable[[str], None]


@contextmanager
def working(text: str) -> Iterator[Say]:
    """Show the text with a spinner during the block; the block may change it."""
    if not sys.stderr.isatty() or not output.in_colour(sys.stderr):
        yield lambda _: None
        return
    status = output.open_console(sys.stderr).status(text)
    timer = threading.Timer(PATIENCE_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield status.update
    finally:
        timer.cancel()
        timer.join()
        status.stop()
