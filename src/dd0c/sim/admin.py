"""`/_sim/…`: what a test or a person asks the simulator about itself, and tells it to do."""

from __future__ import annotations

import time
from typing import Any

from dd0c.base import telemetry
from dd0c.base.errors import Error, NotFound
from dd0c.sim import metrics, scenarios
from dd0c.sim.faults import FAULTS
from dd0c.sim.http import Answer, Request, encode
from dd0c.sim.prompt_cache import PromptCache
from dd0c.sim.simulator import Simulator

PREFIX = "/_sim/"
STATUS = frozenset({"/livez", "/readyz", "/metrics"})


def is_asked(path: str) -> bool:
    """Whether the path is the simulator's own, not a provider's."""
    return path.startswith(PREFIX) or path in STATUS


def respond(simulator: Simulator, request: Request, body: bytes) -> Answer:
    """The answer to a request about the simulator itself. It is ready as soon as it answers."""
    if request.path == "/metrics":
        text = metrics.render(simulator)
        return Answer(200, b"", b"x-request-id", text, media_type=telemetry.CONTENT_TYPE.encode())
    if request.path in STATUS:
        return _answer(200, {"status": "ok"})
    try:
        return _answer(200, _act(simulator, request, body))
    except Error as error:
        return _answer(error.status, {"error": {"message": error.message, "hint": error.hint}})


def _answer(status: int, value: Any) -> Answer:
    return Answer(status, b"", b"x-request-id", encode(value))


def _act(simulator: Simulator, request: Request, body: bytes) -> Any:
    match request.method, request.path.removeprefix(PREFIX).split("/"):
        case "GET", ["stats"]:
            return _stats(simulator)
        case "POST", ["reset"]:
            simulator.records.reset()
            simulator.prompts = PromptCache()
            simulator.play(simulator.first_scenario)
            return {}
        case "GET", ["requests", request_id]:
            record = simulator.records.find(request_id)
            if record is None:
                raise NotFound(f"no request {request_id} among the last ones")
            return record.summary() | record.received()
        case "GET", ["faults"]:
            return {"faults": FAULTS}
        case "GET", ["recordings"]:
            return {"recordings": simulator.recordings.list_names()}
        case method, ["scenario"]:
            return _direct(simulator, method, body)
    raise NotFound(f"there is no {request.method} {request.path}")


def _direct(simulator: Simulator, method: str, body: bytes) -> Any:
    """Shows the scenario, begins another one, or goes back to the first."""
    match method:
        case "PUT":
            simulator.play(scenarios.read_json(body))
        case "DELETE":
            simulator.play(simulator.first_scenario)
        case "GET":
            pass
        case _:
            raise NotFound(f"there is no {method} {PREFIX}scenario")
    return simulator.performance.shown(time.monotonic())


def _stats(simulator: Simulator) -> dict[str, Any]:
    records = simulator.records
    return {
        "open_connections": simulator.connections,
        "in_flight": records.in_flight,
        "requests": records.requests,
        "aborted": records.aborted,
        "recent": [record.summary() for record in records.list_recent()],
    }
