"""Types of parameters and bodies that every endpoint shares: what is accepted is decided once."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from dd0c.kernel.auth.permissions import Role
from dd0c.kernel.web.paging import LIMIT_DEFAULT, LIMIT_MAX

T = TypeVar("T")


def _printable(value: str) -> str:
    """No control characters (PostgreSQL has no NUL), no lone surrogates, no blanks around."""
    if not value.isprintable() or value != value.strip():
        raise ValueError("must be printable text without blanks around it")
    return value


def _written(value: object) -> object:
    """As text, RFC 3339: a bare number could be seconds, milliseconds or a mistake."""
    if isinstance(value, date) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise ValueError("must be text such as 2026-01-31, or 2026-01-31T12:00:00Z for a moment")


def _possible(value: datetime) -> datetime:
    """A moment that an id and the database can hold, in any time zone."""
    if not EARLIEST <= value < LATEST:
        raise ValueError("must lie between the years 1970 and 9998")
    return value


EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
FIELDS_MAX = 100
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_possible)]
Day = Annotated[date, BeforeValidator(_written)]
Roles = Annotated[list[Role], Field(min_length=1, max_length=len(Role))]
Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_printable)]
Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=128, description="`next_cursor` of the page before.")
]
LIMIT = LIMIT_DEFAULT


class Body(BaseModel):
    """A request body: a field that we do not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _is_no_crowd(cls, given: object) -> object:
        """Each unknown field is an error of its own: 80,000 of them took two seconds to collect."""
        if isinstance(given, dict) and len(given) > FIELDS_MAX:
            raise ValueError(f"has more than {FIELDS_MAX} fields")
        return given


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null: end.")
