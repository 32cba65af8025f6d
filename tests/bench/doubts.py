"""What puts a figure in doubt: then the run is inconclusive, and says about what."""

from __future__ import annotations

from typing import Any

CLEARLY_FASTER = 1.2
STREAMS_DIRECT_MS = 5.0  # what a gateway may add at most
GENERATOR_MAX = 0.9  # of a processor
LATE_MAX_MS = 1.0
ELSEWHERE_MAX = 0.3  # processors


def of(found: dict[str, Any]) -> list[str]:
    """Why figures of this run may not be quoted: something else was the bottleneck."""
    doubtful = []
    if not found["processors_apart"]:
        doubtful.append("one processor: subject and load generator take time from each other")
    elsewhere = found.get("elsewhere_busy", 0.0)
    if elsewhere > ELSEWHERE_MAX:
        doubtful.append(f"other programs kept {elsewhere:.1f} processors busy before the run")
    doubtful += _throughput(found.get("throughput", {}))
    doubtful += _generators(found)
    doubtful += _scaling(found.get("scaling", {}))
    delay_ms = found.get("streams", {}).get("direct", {}).get("p99_ns", 0) / 1e6
    if delay_ms > STREAMS_DIRECT_MS:
        doubtful.append(f"streams: events called for directly took {delay_ms:,.1f} ms themselves")
    return doubtful


def _throughput(by_kind: dict[str, Any]) -> list[str]:
    doubtful = []
    for scenario, taken in by_kind.items():
        direct = taken.get("direct", {}).get("per_s")
        for name, row in taken.items():
            if name == "direct" or row["saturated"]:
                continue
            busy = f"{name} used {row['subject_cpu']:.0%} of its processor"
            if direct is None:
                doubtful.append(
                    f"{scenario}: {busy}, and nothing shows that direct calls are faster"
                )
            elif direct < row["per_s"] * CLEARLY_FASTER:
                doubtful.append(f"{scenario}: {busy}, direct calls are hardly faster")
            else:
                doubtful.append(f"{scenario}: {busy}, so its figure is a lower bound")
    return doubtful


def _generators(found: dict[str, Any]) -> list[str]:
    """Where the generator had no processor time to spare, or sent late."""
    doubtful = []
    flat = {
        **{f"throughput, {kind}": rows for kind, rows in found.get("throughput", {}).items()},
        **{name: found.get(name, {}) for name in ("half", "mixed", "streams", "soak")},
    }
    for what, rows in flat.items():
        for name, row in rows.items():
            used = row.get("generator_cpu", 0.0)
            if used > GENERATOR_MAX:
                doubtful.append(
                    f"{what}, {name}: the load generator used {used:.0%} of a processor"
                )
    for name, row in found.get("half", {}).items():
        late_us = row.get("lag_p99_us", 0.0)
        if late_us > LATE_MAX_MS * 1000:
            doubtful.append(f"half load, {name}: requests left {late_us / 1000:,.1f} ms late")
    for name, row in found.get("mixed", {}).items():
        if row.get("lag_p99_ms", 0.0) > LATE_MAX_MS:
            doubtful.append(f"mixed, {name}: requests left {row['lag_p99_ms']:,.1f} ms late")
    for name, row in found.get("frontier", {}).items():
        unclear = [ms for ms, one in row["at_p99_ms"].items() if one["inconclusive"]]
        if unclear:
            bounds = ", ".join(unclear)
            doubtful.append(
                f"frontier, {name}: direct calls or the generator end it at {bounds} ms"
            )
    return doubtful


def _scaling(rows: dict[str, Any]) -> list[str]:
    return [
        f"scaling, {name}: {workers} workers leave no processor to the load generator"
        for name, by_number in rows.items()
        for workers, row in by_number.items()
        if not row["apart"]
    ]
