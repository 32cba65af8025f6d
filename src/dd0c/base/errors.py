"""The one error tree. Leaves raise these; only the outer loops turn them into HTTP or exit codes.

    Error
    ├── SetupError        exit 2   a setting, port, home or schema that we cannot start with
    ├── InvalidInput      400      the caller's request is wrong; the message names the field
    ├── Unauthenticated   401      no key, or one that is not valid
    ├── PlanExceeded      402      the organisation's plan does not include another
    ├── Forbidden         403      the key is valid, its role or scope is not enough
    ├── NotFound          404      absent, or another organisation's: the caller cannot tell which
    ├── Conflict          409      the state does not allow it (duplicate name, already revoked)
    ├── TooLarge          413      over a documented size bound
    ├── LimitExceeded     429      a limit or budget; carries when it frees
    ├── Unavailable       503      a dependency is away; retry helps
    ├── Timeout           504      a deadline passed; retry may help
    └── Internal          500      a broken invariant of ours

The first line of each docstring is the message where none is given. `hint` says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class Error(Exception):
    """Something went wrong inside dd0c."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1
    retry: ClassVar[bool] = False

    def __init__(self, message: str = "", *, hint: str = "", retry_after_s: int | None = None):
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        self.hint = hint
        self.retry_after_s = retry_after_s
        super().__init__(self.message)


class SetupError(Error):
    """dd0c cannot start with these settings."""

    code = "setup"
    exit_status = 2


class InvalidInput(Error):
    """The request is not valid."""

    code = "invalid_input"
    status = 400
    exit_status = 2


class Unauthenticated(Error):
    """No valid key was given."""

    code = "unauthenticated"
    status = 401
    exit_status = 3


class PlanExceeded(Error):
    """The organisation's plan does not include more of that."""

    code = "plan_exceeded"
    status = 402
    exit_status = 6


class Forbidden(Error):
    """This key may not do that."""

    code = "forbidden"
    status = 403
    exit_status = 3


class NotFound(Error):
    """There is no such thing here."""

    code = "not_found"
    status = 404
    exit_status = 4


class Conflict(Error):
    """The current state does not allow that."""

    code = "conflict"
    status = 409
    exit_status = 5


class TooLarge(Error):
    """That is larger than the documented bound."""

    code = "too_large"
    status = 413
    exit_status = 2


class LimitExceeded(Error):
    """A limit was reached."""

    code = "limit_exceeded"
    status = 429
    exit_status = 6
    retry = True


class Unavailable(Error):
    """A part that is needed does not answer."""

    code = "unavailable"
    status = 503
    exit_status = 7
    retry = True


class Timeout(Error):
    """It took longer than its deadline."""

    code = "timeout"
    status = 504
    exit_status = 7
    retry = True


class Internal(Error):
    """An invariant of dd0c was broken; this is our bug."""
