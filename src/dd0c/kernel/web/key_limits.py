"""What holds a key from its first request on. The kernel asks for it, a product enforces it.

Limits are set in the transaction that makes the key: one that was asked for with limits never works
without them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from pydantic import Field, model_validator
from starlette.requests import Request

from dd0c.base.errors import InvalidInput
from dd0c.kernel.auth.keys import Key
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.guard.windows import Span
from dd0c.kernel.web.fields import Body, Text

COUNT_MAX = 1_000_000_000_000
Count = Annotated[int, Field(ge=1, le=COUNT_MAX, strict=True)]


class KeyLimits(Body):
    """How much a key may do; at least one of them."""

    requests_per_minute: Count | None = Field(None, description="In any sixty seconds.")
    tokens_per_minute: Count | None = Field(None, description="Input and output together.")
    concurrency: Count | None = Field(None, description="Requests that are being answered.")
    usd: Text | None = Field(
        None, description="US dollars in each window, as decimal text.", examples=["20.00"]
    )
    window: Span = Field(Span.MONTH, description="Of `usd`, by the organisation's clock.")

    @model_validator(mode="after")
    def _limits_something(self) -> KeyLimits:
        if not self.model_dump(exclude={"window"}, exclude_none=True):
            raise ValueError("give at least one of them, or leave `limits` out")
        return self


LimitKey = Callable[[Transaction, Request, Principal, Key, KeyLimits], Awaitable[None]]
"""Holds a new key of the transaction's tenant to limits. Forbidden, or InvalidInput."""


def limiter_of(request: Request) -> LimitKey:
    """What holds keys to limits here; InvalidInput where nothing does."""
    found = cast(LimitKey | None, request.app.state.limit_key)
    if found is None:
        raise InvalidInput("body.limits: nothing here holds keys to limits")
    return found
