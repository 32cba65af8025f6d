"""How long complete answers took, from counts in buckets a quarter of an octave wide.

A quantile is exact to its bucket and interpolated inside: within 19 %, about 2 % where there are
many answers. Failed and cut answers are not in it: they are counted as what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from psycopg.sql import SQL

from dd0c.kernel.db.pool import Transaction
from dd0c.products.route.store import rollups, selection, spans
from dd0c.products.route.store.selection import Filter
from dd0c.products.route.store.spans import Span

Kind = Literal["first_byte", "total"]
_COLUMNS = ("at", "requested_model", "provider", "stream", "kind", "bucket", "answers")


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers of one slot took, in microseconds: half of them, and 95 of 100."""

    slot: int
    kind: Kind
    answers: int
    p50_us: int
    p95_us: int


async def list_latencies(tx: Transaction, wanted: Filter, step_s: int) -> list[Latency]:
    """By slot of `step_s` seconds (whole hours) since 1970 and by kind, in order.

    Model and provider restrict, nothing else does. The span's first and last hour are whole.
    """
    parts = spans.cut(spans.widened(Span(wanted.since, wanted.until)), step_s)
    query = SQL(
        "SELECT {slot} AS slot, kind, bucket, sum(answers) FROM ({relations}) AS m"
        " WHERE {conditions} GROUP BY 1, 2, 3"
    ).format(
        slot=rollups.slot_of(step_s),
        relations=SQL(" UNION ALL ").join(rollups.rolled("latencies", _COLUMNS, parts)),
        conditions=selection.every(
            *selection.equal(Filter(model=wanted.model, provider=wanted.provider), "m")
        ),
    )
    found: dict[tuple[int, Kind], dict[int, int]] = {}
    for slot, kind, bucket, answers in await (await tx.execute(query)).fetchall():
        found.setdefault((slot, kind), {})[bucket] = int(answers)
    return [
        Latency(slot, kind, sum(counts.values()), quantile(counts, 50), quantile(counts, 95))
        for (slot, kind), counts in sorted(found.items())
    ]


def quantile(counts: Mapping[int, int], percent: int) -> int:
    """The microseconds that `percent` of the counted answers did not exceed, as far as known."""
    wanted = sum(counts.values()) * percent / 100
    for bucket, count in sorted(counts.items()):
        if count >= wanted:
            return round(2 ** ((bucket + wanted / count) / 4))
        wanted -= count
    raise ValueError("a quantile of nothing")
