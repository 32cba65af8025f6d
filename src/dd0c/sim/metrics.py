"""Numbers of the simulator, at `/metrics` on its only port: nothing in it is anybody's business."""

from __future__ import annotations

from dd0c.base import telemetry
from dd0c.base.telemetry import Metric
from dd0c.sim.simulator import Simulator

CATALOGUE = (
    Metric("dd0c_sim_requests_total", "counter", "Requests since the start or the last reset."),
    Metric("dd0c_sim_aborted_total", "counter", "Those whose caller left before the end."),
    Metric("dd0c_sim_requests_open", "gauge", "Requests that are being answered."),
    Metric("dd0c_sim_connections", "gauge", "Open connections."),
)


def render(simulator: Simulator) -> bytes:
    """The Prometheus text."""
    records = simulator.records
    samples: dict[str, float] = {
        "dd0c_sim_requests_total": records.requests,
        "dd0c_sim_aborted_total": records.aborted,
        "dd0c_sim_requests_open": records.in_flight,
        "dd0c_sim_connections": simulator.connections,
    }
    return telemetry.exposition(CATALOGUE, samples).encode()
