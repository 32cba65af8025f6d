"""Prose with a model behind the API, and with one that is slow, wrong, hostile or absent."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.products.run.test_prose import COMMAND, SOURCE
from tests.support.control import Served
from tests.support.simulator import Simulator

PARSE, LINES = "/api/v1/run/parse", {"accept": "application/x-ndjson"}
FAULTS = (
    *(
        "replay=hostile.json",
        "replay=chatty.json",
        "latency=6000;replay=good.json",
        "status=500",
        "close",
        "reset",
    ),
    *("html", "malformed_json", "empty_body", "429", "tokens=50", "replay=good.json;status=404"),
)


def perform(model: Simulator, *faults: str) -> None:
    """Its next answers are so, one after the other."""
    model.ask("PUT", "scenario", {"rules": [{"faults": list(faults)}]})


def read(served: Served, key: str, **headers: str) -> list[dict[str, Any]]:
    """The steps of the source, as somebody reads it over the API."""
    with served.client(key) as client:
        got = client.post(PARSE, json={"source": SOURCE}, headers=headers)
    assert got.status_code == 200, got.text
    if not headers:
        return list(got.json()["steps"])
    return [json.loads(line)["step"] for line in got.text.splitlines()[:-1]]


def test_a_model_finds_commands_in_prose(served: Served, model: Simulator) -> None:
    """The step has the command, judged by the same rules as any other, in a stream and in a kept
    version too; only what is of the key's organisation is shown to the model (N-2, N-14)."""
    perform(model, *["replay=good.json"] * 3)
    found = read(served, served.platform)
    (command,) = found[1]["commands"]
    assert (command["text"], command["inferred"]) == (COMMAND, True)
    assert found[1]["risk"] == command["verdict"]["risk"] in ("caution", "dangerous")
    assert read(served, served.platform, **LINES) == found
    with served.client(served.platform) as client:
        made = client.post("/api/v1/run/runbooks", json={"name": "x", "source": SOURCE}).json()
        kept = client.get(f"/api/v1/run/runbooks/{made['id']}").json()
    assert [step["commands"] for step in kept["items"]] == [step["commands"] for step in found]
    before = model.stats()["recent"]
    assert not read(served, served.acme)[1]["commands"]
    assert model.stats()["recent"] == before


def test_a_bad_model_changes_nothing(served: Served, model: Simulator) -> None:
    """Slow, wrong, hostile or absent: the steps are those without a model (N-2, N-14)."""
    perform(model, *FAULTS)
    without = read(served, served.acme)
    with ThreadPoolExecutor(len(FAULTS)) as people:
        found = list(people.map(lambda _: read(served, served.platform), FAULTS))
    assert found == [without] * len(FAULTS)
    assert [len(step["commands"]) for step in without] == [0, 0, 1]
    assert [rule["struck"] for rule in model.ask("GET", "scenario")["rules"]] == [len(FAULTS)]
