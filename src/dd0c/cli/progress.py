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
Step = Callable[[int], None]


@contextmanager
def working(text: str) -> Iterator[Say]:
    """Show the text with a spinner during the block; the block may change it."""
    if not _is_looked_at():
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


@contextmanager
def counting(text: str, total: int) -> Iterator[Step]:
    """Show a bar during the block, which tells how many more of the total are done."""
    if not _is_looked_at():
        yield lambda _: None
        return
    from rich.progress import Progress  # 30 ms: only who looks pays

    with Progress(console=output.open_console(sys.stderr), transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda more: bar.advance(task, more)


def _is_looked_at() -> bool:
    return sys.stderr.isatty() and output.in_colour(sys.stderr)
