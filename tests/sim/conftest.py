"""One simulator for all tests here, fresh for each, and SDK clients that do not retry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.simulator import Simulator, running_simulator

TIMEOUT_S = 15.0
OPENAI_KEY = "sk-test-0123456789"
ANTHROPIC_KEY = "sk-ant-test-0123456789"


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """The simulator of this test process."""
    with running_simulator() as running:
        yield running


@pytest.fixture
def sim(simulator: Simulator) -> Simulator:
    """The simulator, without rules and records of other tests."""
    simulator.ask("POST", "reset")
    return simulator


def open_gpt(sim: Simulator, **more: Any) -> openai.OpenAI:
    """The official OpenAI client. It loads no certificates: that takes 50 ms, 300 times a run."""
    http = openai.DefaultHttpxClient(verify=False)
    given = {"max_retries": 0, "timeout": TIMEOUT_S} | more
    return openai.OpenAI(base_url=f"{sim.url}/v1", api_key=OPENAI_KEY, http_client=http, **given)


def open_claude(sim: Simulator, **more: Any) -> anthropic.Anthropic:
    """The official Anthropic client, likewise."""
    http = anthropic.DefaultHttpxClient(verify=False)
    given = {"max_retries": 0, "timeout": TIMEOUT_S} | more
    return anthropic.Anthropic(base_url=sim.url, api_key=ANTHROPIC_KEY, http_client=http, **given)


@pytest.fixture
def gpt(sim: Simulator) -> Iterator[openai.OpenAI]:
    """The official OpenAI client, without retries."""
    with open_gpt(sim) as client:
        yield client


@pytest.fixture
def claude(sim: Simulator) -> Iterator[anthropic.Anthropic]:
    """The official Anthropic client, without retries."""
    with open_claude(sim) as client:
        yield client


@pytest.fixture
def gpt_async(sim: Simulator) -> openai.AsyncOpenAI:
    """The official asynchronous OpenAI client; the test closes it."""
    return openai.AsyncOpenAI(
        base_url=f"{sim.url}/v1", api_key=OPENAI_KEY, max_retries=0, timeout=TIMEOUT_S
    )


@pytest.fixture
def claude_async(sim: Simulator) -> anthropic.AsyncAnthropic:
    """The official asynchronous Anthropic client; the test closes it."""
    return anthropic.AsyncAnthropic(
        base_url=sim.url, api_key=ANTHROPIC_KEY, max_retries=0, timeout=TIMEOUT_S
    )
