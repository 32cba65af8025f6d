"""Pages and API over a million ledger rows: `python -m tests.bench.ledger [ROWS]` (K-13).

Rows over thirty days up to now, nine of ten of the organisation that asks; asked over HTTP, one
call at a time, as a person with one browser does. The promise is a p95 under 100 ms. At the end all
of them are exported: how fast, and how much memory that took.
"""

from __future__ import annotations

import resource
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import httpx

from dd0c.base import ids
from dd0c.products.route.store import usage
from tests.products.route.store import crowd
from tests.support.control import Served, serving
from tests.support.database import running_cluster

ROWS, LENGTH = 1_000_000, timedelta(days=30)
SPANS = (timedelta(hours=1), timedelta(hours=24), timedelta(days=7))
WARM, CALLS = 3, 40
P95_MS = 100.0


def paths(request_id: str, now: datetime) -> Iterator[str]:
    """What is asked for."""
    list_path, key = "/console/route/requests", ids.text(ids.Kind.KEY, crowd.key_id(3))
    team = ids.text(ids.Kind.TEAM, crowd.TEAMS[0])
    for span in ("1h", "24h", "7d", "30d"):
        yield f"/console/?range={span}"
        yield f"{list_path}?range={span}"
    for narrowed in (
        "model=gpt-5",
        "model=rare",
        f"key={key}",
        "end_reason=upstream_error",
        f"model=gpt-5&key={key}&end_reason=upstream_error",
        "model=none",
        "cost=unknown",
        "simulated=yes",
        f"provider=sim&key={key}",
    ):
        yield f"{list_path}?range=30d&{narrowed}"
    yield f"{list_path}/{request_id}"
    yield "/console/route/providers"
    yield "/console.json"
    yield f"{list_path}.json"
    for by in get_args(usage.By):
        yield f"/api/v1/route/usage?by={by}"
        for back in SPANS:
            yield f"/api/v1/route/usage?by={by}&since={now - back:%Y-%m-%dT%H:%M:%SZ}"
    week = f"{now - SPANS[-1]:%Y-%m-%dT%H:%M:%SZ}"
    for narrowed in (f"team={team}", "tag=env%3Dprod", f"team={team}&tag=feature%3D2"):
        yield f"/api/v1/route/usage?by=model&since={week}&{narrowed}"
        yield f"/api/v1/route/requests?limit=50&{narrowed}"
    yield "/api/v1/route/requests?limit=50"
    yield "/api/v1/route/requests?limit=500"
    yield f"/api/v1/route/requests/{request_id}"


def measure(client: httpx.Client, path: str) -> tuple[float, float]:
    """The median and the 95th percentile of a path, in milliseconds."""
    took = []
    for n in range(WARM + CALLS):
        begun = time.perf_counter()
        answer = client.get(path)
        if n >= WARM:
            took.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:200])
    took.sort()
    return took[CALLS // 2], took[CALLS * 95 // 100 - 1]


def export(client: httpx.Client) -> str:
    """How long all requests as CSV take, and by how much this process, the server in it, grows."""
    before_kb, begun, lines = memory_kb(), time.perf_counter(), 0
    most_kb = before_kb
    with client.stream("GET", "/api/v1/route/requests.csv", timeout=600) as answer:
        for piece in answer.iter_bytes():
            lines += piece.count(b"\n")
            most_kb = max(most_kb, memory_kb())
    took_s = time.perf_counter() - begun
    grown = f"{(most_kb - before_kb) / 1024:.0f} MB more memory"
    return f"{lines:,} lines of CSV in {took_s:.0f} s, {grown}"


def memory_kb() -> int:
    """What this process has resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def fill(served: Served, rows: int) -> None:
    """The ledger, with the organisation `acme` as the big tenant."""
    with served.client(served.acme) as client:
        org = ids.parse(ids.Kind.ORGANISATION, client.get("/api/v1/me").json()["org_id"])
    others = uuid.UUID(int=2), uuid.UUID(int=3)
    crowd.fill(served.database, rows, LENGTH, start=datetime.now(UTC) - LENGTH, orgs=(org, *others))


def main() -> int:
    """Prints a line for each path; exit status 1 when one is too slow."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    slow = 0
    with running_cluster() as cluster, serving(cluster) as served:
        begun = time.perf_counter()
        fill(served, rows)
        print(f"{rows:,} rows in {time.perf_counter() - begun:.0f} s; milliseconds: p50, p95")
        with served.client(served.acme) as client:
            page = client.get("/api/v1/route/requests?limit=1").json()
            for path in paths(page["items"][0]["request_id"], datetime.now(UTC)):
                median, p95 = measure(client, path)
                slow += p95 >= P95_MS
                print(f"{median:8.1f} {p95:8.1f}  {path}")
            print(export(client))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
