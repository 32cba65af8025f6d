"""A crowded ledger: rows of several organisations over many days, made inside the database.

As the owner, by one statement a table; the roll-ups come by the ledger's own trigger. Everything
follows from the row's number, so a ledger of one size is always the same.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from dd0c.kernel.db import roles
from tests.support.database import Database

START = datetime(2026, 10, 20, 7, 30, tzinfo=UTC)
MODELS = ("gpt-5-mini", "gpt-5", "claude-sonnet-4-5", "gpt-5-nano", "gpt-4.1-mini", "o3", "rare")
TEAMS = (uuid.UUID(int=21), uuid.UUID(int=22))
ORGS = (uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3))
RARE_EVERY = 3_001  # no multiple of ten: of the first organisation too

_ORGANISATION = """
INSERT INTO kernel.organisations (id, name) VALUES ((%(orgs)s::uuid[])[1], 'crowded')
ON CONFLICT DO NOTHING
"""
_KEYS = """
INSERT INTO kernel.api_keys (id, org, name, prefix, hash, roles, scopes)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, (%(orgs)s::uuid[])[1],
    'key ' || n, 'dd0c_sk_', sha256(int4send(n)), '{}', '{gateway}'
FROM generate_series(0, 7) AS n
"""
_PARTITIONS = "SELECT route.ensure_partitions(%(start)s, %(start)s + %(length)s)"
_ATTEMPTS = """
INSERT INTO route.attempts (
    request_id, attempt, final, org, key_id, endpoint, dialect, stream, requested_model, sent_model,
    served_model, provider, price_provider, credential_id, route_reason, started_at, queue_us,
    first_byte_us, total_us, status, upstream_status, end_reason, error_code, input_tokens,
    cache_read_tokens, output_tokens, reasoning_tokens, usage_source, usage_raw, bytes_in,
    bytes_out, trace_id, billed_pico, unbilled_reason, team, tags, reserved_pico
)
SELECT
    (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
    1, true, (%(orgs)s::uuid[])[1 + (n %% 10 = 0)::integer + (n %% 1000 = 0)::integer],
    ('00000000-0000-7000-8000-' || lpad(to_hex(dice & 7), 12, '0'))::uuid,
    'chat', 'openai', dice & 1 = 0, model, model, model || '-2026-01-01', provider, provider,
    CASE provider WHEN 'sim' THEN %(simulator)s ELSE %(provider)s END, 'endpoint', at, 120,
    50000 + (dice & 255) * 9000, 200000 + (dice & 1023) * 40000, status, status,
    CASE WHEN status = 200 THEN 'complete' ELSE 'upstream_error' END,
    CASE WHEN status <> 200 THEN 'server_error' END,
    100 + (dice & 4095), 20, 30 + (dice & 511), CASE WHEN dice & 3 = 0 THEN 10 END,
    CASE WHEN status = 200 THEN 'provider' ELSE 'none' END,
    '{"prompt_tokens": 120, "completion_tokens": 60}', 400, 800, '\\x00',
    CASE WHEN model <> 'rare' AND status = 200 THEN 250000 * (100 + (dice & 4095)) END,
    CASE WHEN model = 'rare' THEN 'no_price' WHEN status <> 200 THEN 'no_usage' END,
    CASE WHEN dice & 3 < 2 THEN (%(teams)s::uuid[])[1 + (dice & 1)] END,
    CASE WHEN n %% %(rare)s = 0 THEN ARRAY['rare']
        WHEN dice & 7 = 0 THEN ARRAY['env=prod', 'feature=' || (dice >> 8 & 7)] ELSE '{}' END,
    CASE WHEN dice & 1 = 0 THEN 10000000000 END
FROM (
    SELECT n, at, hash, dice, CASE WHEN dice & 31 = 31 THEN 529 ELSE 200 END AS status,
        CASE WHEN n %% %(rare)s = 0 THEN 'rare' ELSE (%(models)s::text[])[m] END AS model,
        CASE m WHEN 3 THEN 'anthropic' WHEN 6 THEN 'sim' ELSE 'openai' END AS provider
    FROM (
        SELECT n, md5(n::text) AS hash, abs(hashint8(n)) AS dice, 1 + abs(hashint8(n)) %% 6 AS m,
            %(start)s::timestamptz + %(length)s::interval * n / %(rows)s AS at
        FROM generate_series(1, %(rows)s::bigint) AS n OFFSET 0
    ) AS numbered OFFSET 0
) AS drawn
"""
_RATINGS = """
INSERT INTO route.ratings (
    request_id, attempt, revision, org, price_id, cost_pico, reason, rated_at
)
SELECT request_id, attempt, 0, org, NULL, billed_pico, unbilled_reason, started_at
FROM route.attempts
"""
# An hour or so at a time, as in life: rows that came together lie together.
_MERGE = "SELECT route.merge_rollups(%s, 1, 20)"


def key_id(number: int) -> uuid.UUID:
    """The id of one of the eight keys; they are of the first organisation."""
    return uuid.UUID(f"00000000-0000-7000-8000-{number:012x}")


@dataclass(frozen=True, slots=True)
class Crowd:
    """What was made, until `end`: nine of ten attempts are of the first organisation, one
    of a thousand is of the last."""

    database: Database
    orgs: tuple[uuid.UUID, uuid.UUID, uuid.UUID]
    end: datetime


def fill(
    database: Database,
    rows: int,
    length: timedelta,
    *,
    start: datetime = START,
    orgs: tuple[uuid.UUID, uuid.UUID, uuid.UUID] = ORGS,
) -> Crowd:
    """Make the rows in an empty ledger, merge their roll-ups, and let the planner know."""
    crowd = Crowd(database, orgs, start + length)
    values = {
        "rows": rows,
        "start": start,
        "length": length,
        "orgs": list(crowd.orgs),
        "models": list(MODELS),
        "rare": RARE_EVERY,
        "teams": list(TEAMS),
        "simulator": uuid.UUID(int=10),
        "provider": uuid.UUID(int=9),
    }
    conninfo = database.conninfo(roles.OWNER).reveal()
    with psycopg.connect(conninfo, autocommit=True) as owner:
        for statement in (_ORGANISATION, _KEYS, _PARTITIONS, _ATTEMPTS, _RATINGS):
            owner.execute(statement, values)
        while owner.execute(_MERGE, (crowd.end,)).fetchone() != (0,):
            pass
        for table in ("attempts", "ratings", "attempt_tags", "rollups", "tag_rollups", "latencies"):
            owner.execute(f"VACUUM ANALYZE route.{table}")
    return crowd
