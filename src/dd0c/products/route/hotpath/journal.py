"""Records of attempts on their way into the spool, and what is done when that takes none.

An organisation chooses: `closed`, and what cannot be booked is not served (decision 9); or `open`,
and its requests go on without a record. Nobody will bill those, so they are counted, and one line
says when that begins and another when it ends.
"""

from __future__ import annotations

import logging
from collections import deque

from dd0c.base.errors import Unavailable
from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.hotpath.spool import SpoolWriter, encode
from dd0c.products.route.models import AttemptClosed

OWED_MAX = 1000  # close records that wait for room on the disk

UNBOOKABLE = Refusal(
    503,
    "spool_unavailable",
    "The gateway cannot write its ledger records, and it serves nothing that it could not bill. "
    "Free disk space for the spool, then try again.",
    ((b"retry-after", b"5"),),
)

log = logging.getLogger(__name__)


class Journal:
    """Open and close records of a worker. `full`: more is unshipped than may be; `unbilled`:
    organisations that are served all the same."""

    def __init__(self, spool: SpoolWriter):
        self.full = False
        self.unbilled: frozenset[bytes] = frozenset()
        self.unrecorded = 0
        self._spool = spool
        self._owed: deque[AttemptClosed] = deque(maxlen=OWED_MAX)
        self._gap_began_at: int | None = None  # of `unrecorded`

    def admits(self, org: bytes) -> bool:
        """Whether requests of an organisation are served now."""
        return not self.full or org in self.unbilled

    @property
    def ready(self) -> bool:
        """Whether requests of anybody are."""
        return not self.full or bool(self.unbilled)

    def open(self, frame: bytes, org: bytes, *, first: bool) -> bool:
        """Whether the attempt has its record, which is in this frame; Unavailable when it needs one
        and cannot. `first`: of its request."""
        if not self.full:
            try:
                self._spool.append(frame)
            except Unavailable:
                if org not in self.unbilled:
                    raise
            else:
                if self._gap_began_at is not None:
                    self._end_gap(self._gap_began_at)
                return True
        if self._gap_began_at is None:
            self._gap_began_at = self.unrecorded
            log.warning("the spool takes no records: requests are served that nobody will bill")
        self.unrecorded += first
        return False

    def close(self, record: AttemptClosed, org: bytes) -> None:
        """Write the end of an attempt that has a record; Unavailable when the caller must not have
        its last bytes. What was not written is tried again."""
        try:
            self._spool.append(encode(record), durable=True)
        except Unavailable:
            self._owed.append(record)
            if org not in self.unbilled:
                raise

    def pay(self) -> None:
        """Write the close records that there was no room for. Else what was spent would stay
        unknown until we end, and then count as lost."""
        while self._owed:
            try:
                self._spool.write(self._owed[0])
            except Unavailable:
                return
            self._owed.popleft()

    def _end_gap(self, began_at: int) -> None:
        missed = self.unrecorded - began_at
        log.warning("the spool takes records again: %d requests were served without one", missed)
        self._gap_began_at = None
