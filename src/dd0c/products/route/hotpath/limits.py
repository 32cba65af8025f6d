"""The bounds a worker holds its connections to: the part of Settings that the data plane needs."""

from __future__ import annotations

import msgspec

from dd0c.base.settings import Settings


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields have the names, units and meaning of Settings."""

    header_bytes_max: int
    body_bytes_max: int
    head_timeout_s: float
    body_timeout_s: float
    idle_timeout_s: float
    connections_max: int
    connect_timeout_s: float
    first_byte_timeout_s: float
    stall_timeout_s: float
    total_timeout_s: float
    upstream_connections_max: int
    spool_sync_ms: int
    drain_s: float
    ca_bundle: str = ""
    trusted_proxies: str = ""


def of(settings: Settings) -> Limits:
    """The limits that are set; as JSON (`msgspec.json.encode`) they go to a worker's `--limits`."""
    return Limits(**{name: getattr(settings, name) for name in Limits.__struct_fields__})
