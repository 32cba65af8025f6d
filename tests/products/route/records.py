"""Spool records for tests: an attempt as a worker writes it, with what a test wants to differ."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec

from dd0c.base import ids
from dd0c.kernel.db import tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.models import AttemptClosed, AttemptOpened, Usage
from dd0c.products.route.store import providers

START = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000


SIMULATOR = uuid.UUID(int=10)


async def add_providers(owner: Pool) -> None:
    """The provider of these records, which charges, and the simulator, which does not."""
    known = ((uuid.UUID(int=9), "openai", False), (SIMULATOR, "sim", True))
    async with tenancy.system(owner) as tx:
        for provider_id, name, simulated in known:
            url = "http://127.0.0.1:1/v1"
            await providers.save(
                tx,
                providers.Sealed(
                    provider_id, None, name, "openai", url, "openai", simulated, None, None
                ),
            )


def opened(org: uuid.UUID, *, at_us: int = START_US, **changes: Any) -> AttemptOpened:
    """An open record of `org` with an id and a start at `at_us`."""
    record = AttemptOpened(
        request_id=ids.new_bytes(at_us // 1000),
        attempt=1,
        org=org.bytes,
        key_id=uuid.UUID(int=7).bytes,
        started_us=at_us,
        endpoint="chat",
        dialect="openai",
        stream=False,
        requested_model="gpt-5-mini",
        sent_model="gpt-5-mini",
        provider="openai",
        price_provider="openai",
        credential_id=uuid.UUID(int=9).bytes,
        route=None,
        route_reason="endpoint",
        trace_id=bytes(range(16)),
        queue_us=120,
    )
    return msgspec.structs.replace(record, **changes)


def closed(of: AttemptOpened, **changes: Any) -> AttemptClosed:
    """The close record of an attempt that went well."""
    record = AttemptClosed(
        request_id=of.request_id,
        attempt=of.attempt,
        final=True,
        total_us=900_000,
        first_byte_us=300_000,
        status=200,
        upstream_status=200,
        end_reason="complete",
        served_model="gpt-5-mini-2025-08-07",
        usage=Usage(input=100, cache_read=20, output=50, reasoning=10),
        usage_source="provider",
        usage_raw=b'{"prompt_tokens":120,"completion_tokens":60}',
        delivered_output_tokens=60,
        upstream_output_tokens=60,
        cost_pico=145_500_000,
        price_id="prc_d43e4843b3bce02700832677",
        cost_reason=None,
        upstream_request_id="up-1",
        service_tier="default",
        bytes_in=400,
        bytes_out=800,
    )
    return msgspec.structs.replace(record, **changes)
