"""Addresses of pages: the address is the state, so a link is the state it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode


def to(path: str, query: Mapping[str, str]) -> str:
    """A path with those parameters that are not empty."""
    used = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(used)}" if used else path
