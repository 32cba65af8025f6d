"""`/_sim/…`: what a test or a person asks the simulator about itself, and tells it to do."""

from __future__ import annotations

from typing import Any

import msgspec

from dd0c.base.errors import Error, InvalidInput, NotFound
from dd0c.sim.faults import FAULTS, Rule
from dd0c.sim.http import Answer, Request, encode
from dd0c.sim.simulator import Simulator

PREFIX = "/_sim/"


def respond(simulator: Simulator, request: Request, body: bytes) -> Answer:
    """The answer to a request under /_sim/."""
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
            simulator.rules.clear()
            return {}
        case "GET", ["requests", request_id]:
            record = simulator.records.find(request_id)
            if record is None:
                raise NotFound(f"no request {request_id} among the last ones")
            return record.summary() | record.received()
        case "GET", ["faults"]:
            return {"rules": simulator.rules.list_rules(), "faults": FAULTS}
        case "POST", ["faults"]:
            simulator.rules.add(_rule(body))
            return {"rules": simulator.rules.list_rules()}
        case "DELETE", ["faults"]:
            simulator.rules.clear()
            return {"rules": []}
    raise NotFound(f"there is no {request.method} {request.path}")


def _rule(body: bytes) -> Rule:
    try:
        return msgspec.json.decode(body, type=Rule)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = 'POST {"fault": "status=429;retry_after=2", "count": 3}'
        raise InvalidInput(f"that is no rule: {error}", hint=hint) from None


def _stats(simulator: Simulator) -> dict[str, Any]:
    records = simulator.records
    return {
        "open_connections": simulator.connections,
        "in_flight": records.in_flight,
        "requests": records.requests,
        "aborted": records.aborted,
        "recent": [record.summary() for record in records.list_recent()],
    }
