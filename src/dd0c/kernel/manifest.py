"""What a product registers with the kernel, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from fastapi import APIRouter

from dd0c.kernel.auth.permissions import Grants
from dd0c.kernel.db.roles import Access
from dd0c.kernel.plans.catalogue import Quota
from dd0c.kernel.web.console.frame import Section
from dd0c.kernel.web.key_limits import LimitKey
from dd0c.kernel.web.probes import Probe
from dd0c.kernel.web.resources import Resources


@dataclass(frozen=True, slots=True)
class Manifest:
    """A product as the control server sees it.

    `access` is what its schema opens in the database, `grants` its rows of the permission table.
    Routers carry their full paths: `/api/v1/<name>/…` and `/console/<name>/…`. `probes` are made
    when a process starts, over its resources. `limit_key` holds new keys to limits; at most one
    product does. `counts` says how many there are of what plans bound.
    """

    name: str
    access: Access
    grants: Grants
    api: APIRouter
    pages: APIRouter
    section: Section
    probes: Callable[[Resources], Sequence[Probe]]
    limit_key: LimitKey | None = None
    counts: Mapping[Quota, LiteralString] = field(default_factory=dict)
