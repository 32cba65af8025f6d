"""The life of one attempt as a table: state, event -> state, how it ended, what to do. No I/O.

    RESERVING
        │
    CONNECTING ──> WAITING ──> HOLDING ───────────────┐   an answer that is given whole
        ▲             │  │        │ too large to hold │
        └── RETRY ────┘  └────> RELAYING ──> FINISHING┴─> ENDED
                                 │  ▲ └────> LAGGING ───────┘
                                HALTED

In RESERVING limits and budgets are asked; nothing was sent, so nothing is booked but a refusal. In
HALTED what came of a stream is not paid for yet, and is kept from the caller until it is.

In HOLDING the caller has nothing yet, so everything that goes wrong can still be an error with its
own status. In RELAYING the caller has the head: what goes wrong becomes the last event of the
stream. FINISHING means booked: the close record is written, the terminal bytes are out, and only
the provider's own end of message is awaited; whatever happens then changes no bill.

LAGGING: the provider has said everything, but the caller does not take what it was sent. Booking
waits, as it may yet leave with half of it. DRAINING: the caller has left, and its organisation
wants the answer read on without it, to know what it cost.

Two promises stand in the order of effects: BOOK comes before ANSWER and TAIL, which carry the last
bytes to the caller, and DROP comes first where the caller has left.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from dd0c.products.route.hotpath.dialects import Refusal
from dd0c.products.route.models import EndReason


class State(IntEnum):
    """Where an attempt is."""

    RESERVING = 0
    CONNECTING = 1
    WAITING = 2
    HOLDING = 3
    RELAYING = 4
    HALTED = 5
    DRAINING = 6
    LAGGING = 7
    FINISHING = 8
    ENDED = 9


class Event(IntEnum):
    """What can happen to it."""

    CONNECTED = 0
    NOT_CONNECTED = 1
    STALE = 2  # a kept connection was closed before any byte of an answer: once, try a fresh one
    HEAD_TO_HOLD = 3
    HEAD_TO_RELAY = 4
    TOO_LARGE_TO_HOLD = 5
    TERMINAL = 6  # the stream's last event came
    TERMINAL_ERROR = 7  # the provider ended the stream with an error event
    END = 8
    ERROR_END = 9  # the end of an answer that is an error
    BROKEN_OFF = 10
    SILENT = 11
    CLIENT_GONE = 12
    CUT = 13  # the worker must stop now
    REDIRECTED = 14  # following it would send the prompt, or let the caller send it, elsewhere
    LEFT_TO_DRAIN = 15  # the caller has left, and the answer is read on
    TOO_DEAR = 16  # to read on
    TERMINAL_AHEAD = 17  # TERMINAL, and the caller is far from there
    CAUGHT_UP = 18
    UNREADABLE = 19  # in a coding that hides usage, and a secret
    PERMITTED = 20  # by limits and budgets
    REFUSED = 21
    UNPAID = 22  # more of a stream came than money is held for


class Effect(IntEnum):
    """What the relay does about it, in the order given."""

    SEND = 0
    DROP = 1
    BOOK = 2
    RETRY = 3
    SEND_HEAD = 4
    ANSWER = 5
    TAIL = 6
    REFUSE = 7
    BREAK_OFF = 8
    FINISH = 9
    BEGIN = 10
    DENY = 11
    WITHDRAW = 12
    GO_ON = 13


class Step(NamedTuple):
    """One cell of the table."""

    state: State
    effects: tuple[Effect, ...] = ()
    end_reason: EndReason | None = None


_E, _S, _F, _R = Event, State, Effect, EndReason
_REFUSED = (_F.DROP, _F.BOOK, _F.REFUSE)
_LEFT = (_F.DROP, _F.BOOK)
_DRAINED = Step(_S.ENDED, _LEFT, _R.CLIENT_GONE)
_BROKEN = (_F.DROP, _F.BOOK, _F.BREAK_OFF)
_UNPAID = (_F.DROP, _F.WITHDRAW, _F.BOOK, _F.BREAK_OFF)

Table = dict[State, dict[Event, Step]]

TABLE: Table = {
    _S.RESERVING: {
        _E.PERMITTED: Step(_S.CONNECTING, (_F.BEGIN,)),
        _E.REFUSED: Step(_S.ENDED, (_F.DENY,)),
        _E.CLIENT_GONE: Step(_S.ENDED, (_F.WITHDRAW,)),
        _E.CUT: Step(_S.ENDED, (_F.WITHDRAW, _F.REFUSE)),
    },
    _S.CONNECTING: {
        _E.CONNECTED: Step(_S.WAITING, (_F.SEND,)),
        _E.NOT_CONNECTED: Step(_S.ENDED, _REFUSED, _R.UPSTREAM_ERROR),
        _E.SILENT: Step(_S.ENDED, _REFUSED, _R.TIMEOUT),
        _E.CLIENT_GONE: Step(_S.ENDED, _LEFT, _R.CLIENT_GONE),
        _E.CUT: Step(_S.ENDED, _REFUSED, _R.LOST),
    },
    _S.WAITING: {
        _E.STALE: Step(_S.CONNECTING, (_F.DROP, _F.BOOK, _F.RETRY), _R.UPSTREAM_ERROR),
        _E.HEAD_TO_HOLD: Step(_S.HOLDING),
        _E.HEAD_TO_RELAY: Step(_S.RELAYING, (_F.SEND_HEAD,)),
        _E.LEFT_TO_DRAIN: Step(_S.DRAINING),
        _E.REDIRECTED: Step(_S.ENDED, _REFUSED, _R.UPSTREAM_ERROR),
        _E.UNREADABLE: Step(_S.ENDED, _REFUSED, _R.UPSTREAM_ERROR),
        _E.BROKEN_OFF: Step(_S.ENDED, _REFUSED, _R.UPSTREAM_ERROR),
        _E.SILENT: Step(_S.ENDED, _REFUSED, _R.TIMEOUT),
        _E.CLIENT_GONE: Step(_S.ENDED, _LEFT, _R.CLIENT_GONE),
        _E.CUT: Step(_S.ENDED, _REFUSED, _R.LOST),
    },
    _S.HOLDING: {
        _E.TOO_LARGE_TO_HOLD: Step(_S.RELAYING, (_F.SEND_HEAD,)),
        _E.LEFT_TO_DRAIN: Step(_S.DRAINING),
        _E.END: Step(_S.ENDED, (_F.BOOK, _F.ANSWER, _F.FINISH), _R.COMPLETE),
        _E.ERROR_END: Step(_S.ENDED, (_F.BOOK, _F.ANSWER, _F.FINISH), _R.UPSTREAM_ERROR),
        _E.BROKEN_OFF: Step(_S.ENDED, _REFUSED, _R.UPSTREAM_CUT),
        _E.SILENT: Step(_S.ENDED, _REFUSED, _R.TIMEOUT),
        _E.CLIENT_GONE: Step(_S.ENDED, _LEFT, _R.CLIENT_GONE),
        _E.CUT: Step(_S.ENDED, _REFUSED, _R.LOST),
    },
    _S.RELAYING: {
        _E.UNPAID: Step(_S.HALTED),
        _E.TERMINAL: Step(_S.FINISHING, (_F.BOOK, _F.TAIL), _R.COMPLETE),
        _E.TERMINAL_AHEAD: Step(_S.LAGGING, (_F.DROP,)),
        _E.LEFT_TO_DRAIN: Step(_S.DRAINING),
        _E.TERMINAL_ERROR: Step(_S.FINISHING, (_F.BOOK, _F.TAIL), _R.UPSTREAM_ERROR),
        _E.END: Step(_S.ENDED, (_F.BOOK, _F.TAIL, _F.FINISH), _R.COMPLETE),
        _E.BROKEN_OFF: Step(_S.ENDED, _BROKEN, _R.UPSTREAM_CUT),
        _E.SILENT: Step(_S.ENDED, _BROKEN, _R.TIMEOUT),
        _E.CLIENT_GONE: Step(_S.ENDED, _LEFT, _R.CLIENT_GONE),
        _E.CUT: Step(_S.ENDED, _BROKEN, _R.LOST),
    },
    _S.HALTED: {
        _E.PERMITTED: Step(_S.RELAYING, (_F.GO_ON,)),
        _E.REFUSED: Step(_S.ENDED, _BROKEN, _R.LIMIT),
        _E.BROKEN_OFF: Step(_S.ENDED, _UNPAID, _R.UPSTREAM_CUT),
        _E.SILENT: Step(_S.ENDED, _UNPAID, _R.TIMEOUT),
        _E.CLIENT_GONE: Step(_S.ENDED, (_F.DROP, _F.WITHDRAW, _F.BOOK), _R.CLIENT_GONE),
        _E.CUT: Step(_S.ENDED, _UNPAID, _R.LOST),
    },
    _S.DRAINING: {
        _E.HEAD_TO_HOLD: Step(_S.DRAINING),
        _E.HEAD_TO_RELAY: Step(_S.DRAINING),
        _E.TOO_LARGE_TO_HOLD: Step(_S.DRAINING),
        _E.STALE: _DRAINED,  # it is not asked again: nobody waits
        _E.REDIRECTED: _DRAINED,
        _E.UNREADABLE: _DRAINED,
        _E.TERMINAL: _DRAINED,
        _E.TERMINAL_AHEAD: _DRAINED,
        _E.TERMINAL_ERROR: _DRAINED,
        _E.END: _DRAINED,
        _E.ERROR_END: _DRAINED,
        _E.BROKEN_OFF: _DRAINED,
        _E.SILENT: _DRAINED,
        _E.TOO_DEAR: _DRAINED,
        _E.CUT: _DRAINED,
    },
    _S.LAGGING: {
        _E.CAUGHT_UP: Step(_S.ENDED, (_F.BOOK, _F.TAIL, _F.FINISH), _R.COMPLETE),
        _E.CLIENT_GONE: Step(_S.ENDED, _LEFT, _R.CLIENT_GONE),
        _E.CUT: Step(_S.ENDED, (_F.BOOK, _F.TAIL, _F.FINISH), _R.COMPLETE),
    },
    _S.FINISHING: {
        _E.END: Step(_S.ENDED, (_F.FINISH,)),
        _E.BROKEN_OFF: Step(_S.ENDED, (_F.DROP, _F.FINISH)),
        _E.SILENT: Step(_S.ENDED, (_F.DROP, _F.FINISH)),
        _E.CLIENT_GONE: Step(_S.ENDED, (_F.DROP,)),
        _E.CUT: Step(_S.ENDED, (_F.DROP, _F.FINISH)),
    },
    _S.ENDED: dict.fromkeys(Event, Step(_S.ENDED)),  # what comes late changes nothing
}

CRASH_POINTS = (
    *("before_open", "after_open", "after_upstream_send"),
    *("before_close_record", "after_close_record", "after_last_byte"),
)
"""Where a drill may kill a worker (`DD0C_CRASH_AT`)."""

DRAINED = frozenset(state for state, steps in TABLE.items() if _E.LEFT_TO_DRAIN in steps) - {
    _S.ENDED
}
"""Where an answer can be read on without its caller."""

REFUSALS = {
    _E.NOT_CONNECTED: Refusal(
        502,
        "upstream_unreachable",
        "No connection to the provider could be made. Try again; if it stays, check the "
        "provider's address with `dd0c doctor`.",
    ),
    _E.BROKEN_OFF: Refusal(
        502,
        "upstream_cut",
        "The provider closed the connection in the middle of its answer. Try again.",
    ),
    _E.SILENT: Refusal(
        504,
        "upstream_timeout",
        "The provider did not answer in time. Try again, or ask for less at once.",
    ),
    _E.REDIRECTED: Refusal(
        502,
        "upstream_redirect",
        "The provider's address redirects elsewhere, which is not followed. Set the base URL to "
        "where the API is, then try again.",
    ),
    _E.UNREADABLE: Refusal(
        502,
        "upstream_coding",
        "The provider compressed its answer unasked, in a way that is not known here. Have it send "
        "answers as they are, or with gzip, then try again.",
    ),
    _E.CUT: Refusal(
        503,
        "gateway_stopping",
        "The gateway is stopping and could not wait for the answer. Try again.",
        ((b"retry-after", b"1"),),
    ),
}
