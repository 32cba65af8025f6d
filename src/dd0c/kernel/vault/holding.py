"""Where sealed secrets are: what a rotation has to go through.

A product names its tables in its store. A test reads the catalogue: a table with a reference to
kernel.data_keys that is not listed fails it, because a rotation would leave its secrets behind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holding:
    """A table with the columns `id`, `org`, and both or neither of `secret` and `data_key`."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"
