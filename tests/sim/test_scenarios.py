"""Scenarios: which requests are struck, in what order, how often and when."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path
from typing import Any

import openai
import pytest

from dd0c.base.errors import InvalidInput
from dd0c.sim import scenarios
from dd0c.sim.faults import NONE, parse
from dd0c.sim.scenarios import Facts, Performance, Rule, Scenario
from tests.sim.conftest import open_gpt
from tests.sim.test_faults import GPT, chat
from tests.support.simulator import Simulator

CHAT = "/v1/chat/completions"
STREAMED = Facts(CHAT, "gpt-5", stream=True, traits=frozenset({"stream", "text", "usage"}))
BUFFERED = Facts(CHAT, "gpt-5", stream=False, traits=frozenset({"body", "text", "usage"}))


def statuses(*rules: Rule, times: int, facts: Facts = BUFFERED) -> list[int | None]:
    """The status that each of so many requests is given."""
    performance = Performance(Scenario(list(rules)), 0.0)
    return [performance.choose(facts, 0.0).status for _ in range(times)]


def test_a_list_is_given_out_in_order() -> None:
    """Each matching call takes the next faults of a list; after the last, later rules match."""
    assert statuses(Rule(["429", "ok", "503"]), times=5) == [429, None, 503, None, None]
    assert statuses(Rule(["429", "429"]), Rule("500"), times=4) == [429, 429, 500, 500]
    assert statuses(Rule(["429", "503"], repeat=True), times=5) == [429, 503, 429, 503, 429]
    assert statuses(Rule("500", count=2), times=3) == [500, 500, None]


def test_rules_match_by_path_model_and_stream() -> None:
    """A rule strikes only what it names; the first that matches wins, and no other."""
    assert statuses(Rule("500", model="claude-*"), Rule("503"), times=1) == [503]
    assert statuses(Rule("500", model="gpt-*"), Rule("503"), times=1) == [500]
    assert statuses(Rule("500", path="/v1/messages"), times=1) == [None]
    assert statuses(Rule("500", path="/v1/chat/*"), times=1) == [500]
    assert statuses(Rule("500", stream=True), times=1) == [None]
    assert statuses(Rule("500", stream=True), times=1, facts=STREAMED) == [500]


def test_a_rule_waits_for_requests_that_can_show_it() -> None:
    """A fault of streams is kept for streams: it is neither lost nor counted on a plain answer."""
    performance = Performance(Scenario([Rule(["stall_after=2", "garbage_after=1"])]), 0.0)
    facts = Facts(CHAT, "gpt-5", stream=True, traits=STREAMED.traits | {"own stream"})
    assert performance.choose(BUFFERED, 0.0) == NONE
    assert performance.choose(facts, 0.0) == parse("stall_after=2")
    assert performance.choose(BUFFERED, 0.0) == NONE
    assert performance.choose(facts, 0.0) == parse("garbage_after=1")


def test_an_outage_has_a_beginning_and_an_end() -> None:
    """after_s and for_s are counted from when the scenario was set."""
    performance = Performance(Scenario([Rule("503", after_s=30, for_s=10)]), 1000.0)
    times = [1000, 1029.9, 1030, 1039.9, 1040]
    found = [performance.choose(BUFFERED, now_s).status for now_s in times]
    assert found == [None, None, 503, 503, None]


def test_rates_are_kept_and_can_be_repeated() -> None:
    """A rule with a rate strikes that share; the same seed strikes the same calls."""
    struck = statuses(Rule("529", rate=0.05), times=2000)
    assert 60 <= struck.count(529) <= 140
    assert statuses(Rule("529", rate=0.05), times=2000) == struck
    other = Performance(Scenario([Rule("529", rate=0.05)], seed=1), 0.0)
    assert [other.choose(BUFFERED, 0.0).status for _ in range(2000)] != struck
    assert statuses(Rule("529", rate=0), times=50) == [None] * 50


def test_the_first_calls_fail_and_a_header_goes_before(gpt: openai.OpenAI, sim: Simulator) -> None:
    """Set over the admin endpoint, a scenario strikes; what a request asks itself comes first."""
    rule = {"faults": ["503", "500"], "model": "gpt-5-*"}
    shown = sim.ask("PUT", "scenario", {"name": "two fail", "rules": [rule]})
    assert (shown["name"], shown["rules"][0]["struck"]) == ("two fail", 0)
    chat(gpt, "latency=0")
    for status in (503, 500):
        with pytest.raises(openai.InternalServerError) as caught:
            gpt.chat.completions.create(**GPT)
        assert caught.value.status_code == status
    assert gpt.chat.completions.create(**GPT).usage is not None
    assert sim.ask("GET", "scenario")["rules"][0]["struck"] == 2
    assert sim.ask("DELETE", "scenario")["rules"] == []


def test_retries_of_the_sdk_get_through_a_short_outage(sim: Simulator) -> None:
    """With its default of two retries the SDK outlives two failures, and gives up at three."""
    for failures, calls in ((2, 3), (3, 3)):
        sim.ask("POST", "reset")
        faults = ["429;retry_after=0.01"] * failures
        sim.ask("PUT", "scenario", {"rules": [{"faults": faults}]})
        with open_gpt(sim, max_retries=openai.DEFAULT_MAX_RETRIES) as client:
            try:
                client.chat.completions.create(**GPT)
                assert failures == 2
            except openai.RateLimitError:
                assert failures == 3
        assert sim.stats()["requests"] == calls


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"rule": []}, "unknown field `rule`"),
    ({"rules": [{"faults": "nope"}]}, "rules[0].faults: no such fault: 'nope'"),
    ({"rules": [{"faults": ["ok", "latency"]}]}, "rules[0].faults: the fault latency needs"),
    ({"rules": [{"faults": []}]}, "rules[0].faults: say which"),
    ({"rules": [{"faults": "ok"}, {"faults": "500", "rate": 2}]}, "rules[1].rate: must be"),
    ({"rules": [{"faults": "500", "rate": "x"}]}, "rules[0].rate: Expected"),
    ({"rules": [{"faults": "500", "modell": "x"}]}, "rules[0]: Object contains unknown field"),
    ({"rules": [{"faults": "500", "count": 0}]}, "rules[0].count: must be 1 or more"),
    ({"rules": [{"faults": "500", "after_s": -1}]}, "rules[0].after_s"),
    ({"rules": [{"faults": "500", "repeat": True}]}, "rules[0].repeat"),
    ({"rules": [{"faults": "ok"}] * 101}, "rules: 100 are enough"),
    ({"rules": [{}]}, "rules[0]: Object missing required field `faults`"),
    ({"profile": "nope"}, "no such profile: 'nope'"),
    ({"rules": [{"faults": "profile=nope"}]}, "rules[0].faults: no such profile"),
    (
        {"profiles": {"x": {"first_ms": {"p50": 5, "p90": 4, "p99": 6}, "token_ms": {}}}},
        "profiles[...].first_ms: percentiles must be 0 or more",
    ),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_mistakes_are_told_with_their_place(sim: Simulator, given: Any, said: str) -> None:
    """A scenario with a mistake is a 400 that names the member; the one under way goes on."""
    sim.ask("PUT", "scenario", {"name": "before"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        sim.ask("PUT", "scenario", given)
    assert caught.value.code == 400
    assert said in json.load(caught.value)["error"]["message"]
    assert sim.ask("GET", "scenario")["name"] == "before"


def test_files_are_toml_and_mistakes_name_the_line(tmp_path: Path) -> None:
    """A file has the same members; a mistake of TOML is told with its line, others with theirs."""
    path = tmp_path / "drill.toml"
    path.write_text('profile = "fast"\n[[rules]]\nfaults = ["503", "ok"]\nmodel = "gpt-*"\n')
    rule = Rule(["503", "ok"], model="gpt-*")
    assert scenarios.read_file(path) == Scenario([rule], profile="fast")
    for text, said in (
        ("[[rules]\n", "line 1"),
        ("[[rules]]\nfaults = 3\n", r"drill.toml: rules\[0\].faults: Expected"),
        ('[[rules]]\nfaults = "nope"\n', r"drill.toml: rules\[0\].faults: no such fault"),
    ):
        path.write_text(text)
        with pytest.raises(InvalidInput, match=said):
            scenarios.read_file(path)
    with pytest.raises(InvalidInput, match="cannot read the scenario"):
        scenarios.read_file(tmp_path / "nope.toml")
