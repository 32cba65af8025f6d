"""Amounts that people set: dollars as decimal text, and counts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from dd0c.products.route.models import PICO_PER_DOLLAR

DOLLARS_MAX = 9_000_000  # in pico-dollars a bigint
COUNT_MAX = 1_000_000_000_000
_TEXT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?", re.ASCII)


def _check(text: str) -> str:
    if _TEXT.fullmatch(text) is None or not 0 < Decimal(text) <= DOLLARS_MAX:
        raise ValueError(
            f"must be US dollars in plain digits, such as 12.50: more than 0, at most "
            f"{DOLLARS_MAX}, with at most 9 decimals"
        )
    return text


def pico_of(text: str) -> int:
    """Such a text in pico-dollars, exactly."""
    return int(Decimal(text) * PICO_PER_DOLLAR)


Usd = Annotated[
    str,
    Field(
        examples=["1.00"],
        description="US dollars as decimal text: more than 0, at most 9000000, 9 decimals.",
        json_schema_extra={"pattern": "^[0-9]{1,7}(\\.[0-9]{1,9})?$"},
    ),
    AfterValidator(_check),
]
Count = Annotated[int, Field(ge=1, le=COUNT_MAX, strict=True)]
