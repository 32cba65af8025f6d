"""How long answers take: drawn from percentiles, the same twice."""

from __future__ import annotations

import time

import httpx
import openai
import pytest

from dd0c.sim import latency
from dd0c.sim.latency import PROFILES, Dice, Percentiles
from tests.sim.conftest import OPENAI_KEY
from tests.sim.test_faults import GPT, chat
from tests.support.simulator import Simulator

TWENTY_MS = {"p50": 20, "p90": 20, "p99": 20, "min": 20}
QUARTER_S = {"p50": 250, "p90": 250, "p99": 250, "min": 250}


@pytest.mark.parametrize("name", PROFILES)
def test_draws_have_the_percentiles_of_their_table(name: str) -> None:
    """Of 20,000 draws half lie under p50, nine in ten under p90, 99 in a hundred under p99."""
    profile, dice = PROFILES[name], Dice(seed=3)
    paces = [dice.draw(profile) for _ in range(20_000)]
    for drawn, table in (
        ([pace.first_ms for pace in paces], profile.first_ms),
        ([pace.token_ms for pace in paces], profile.token_ms),
    ):
        for share, limit in ((0.5, table.p50), (0.9, table.p90), (0.99, table.p99)):
            if limit:
                assert abs(sum(ms <= limit for ms in drawn) / len(drawn) - share) < 0.015


def test_the_same_seed_draws_the_same() -> None:
    """A drill with a seed is the same drill twice."""
    drawn = [[Dice(seed).draw(PROFILES["long-tail"]) for _ in range(3)] for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_ends_of_a_distribution() -> None:
    """Without a least and a most, half the median and p99 are."""
    own = Percentiles(100, 200, 400)
    assert [own.at(share) for share in (0, 0.25, 0.5, 0.9, 0.99, 1)] == [
        50.0,
        75.0,
        100.0,
        200.0,
        400.0,
        400.0,
    ]


def test_ones_own_percentiles_pace_every_answer(gpt: openai.OpenAI, sim: Simulator) -> None:
    """A scenario's profile holds the first token and paces the others; a plain answer takes as
    long as its tokens; an error takes no tokens; a request may choose another profile."""
    own = {"mine": {"first_ms": QUARTER_S, "token_ms": TWENTY_MS}}
    sim.ask("PUT", "scenario", {"profile": "mine", "profiles": own})
    started = time.monotonic()
    stream = gpt.chat.completions.create(**GPT, max_completion_tokens=5, stream=True)
    head = time.monotonic() - started
    next(iter(stream))
    first = time.monotonic() - started
    list(stream)
    assert head < 0.25 <= first
    assert time.monotonic() - started >= 0.25 + 5 * 0.02
    started = time.monotonic()
    gpt.chat.completions.create(**GPT, max_completion_tokens=5)
    assert time.monotonic() - started >= 0.25 + 5 * 0.02
    started = time.monotonic()
    chat(gpt, "profile=instant")
    with pytest.raises(openai.InternalServerError):
        chat(gpt, "500")
    assert time.monotonic() - started < 0.25


def test_unknown_profiles_are_refused(sim: Simulator) -> None:
    """A profile that is not there is a 400 that names those that are."""
    headers = {"authorization": f"Bearer {OPENAI_KEY}", "x-sim-fault": "profile=nope"}
    answer = httpx.post(f"{sim.url}/v1/chat/completions", json=GPT, headers=headers)
    assert answer.status_code == 400
    assert "there are instant, fast" in answer.json()["error"]["message"]
    assert all(name in latency.table() for name in PROFILES)
