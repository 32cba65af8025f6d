"""Prompt caches: usage of a prompt that begins like an earlier one, and counting beforehand."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from tests.sim import test_openai
from tests.sim.test_anthropic import HELLO, MODEL
from tests.support.simulator import Simulator

LONG = "word " * 1999 + "word"  # 2,000 tokens
CACHING = {"x-sim-fault": "caching"}


def test_openai_caches_by_itself(gpt: openai.OpenAI) -> None:
    """The second time a long prefix counts as cached, in steps of 128; a short one never does."""
    system: Any = {"role": "system", "content": LONG}

    def ask(*texts: str) -> tuple[int, int]:
        messages: Any = [system, *({"role": "user", "content": text} for text in texts)]
        usage = gpt.chat.completions.create(
            model="gpt-4o", messages=messages, extra_headers=CACHING
        ).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        return usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens or 0

    first = 3 + (3 + 1 + 2000) + (3 + 1 + 1)
    assert ask("Hello") == (first, 0)
    assert ask("Hello") == (first, 1920)
    assert ask("Bye") == (first, 1920)
    assert ask("Hello", "Hello")[1] == 1920
    short: dict[str, Any] = {"model": "gpt-4o", "messages": test_openai.HELLO}
    usages = [gpt.chat.completions.create(**short, extra_headers=CACHING).usage for _ in range(2)]
    assert usages[0] == usages[1]


def test_claude_caches_what_is_marked(claude: anthropic.Anthropic) -> None:
    """Up to a mark a prompt is written, then read; without a mark nothing is cached."""

    def ask(text: str, ttl: str | None) -> tuple[int, int, int, int]:
        block: dict[str, Any] = {"type": "text", "text": LONG}
        if ttl is not None:
            block["cache_control"] = {"type": "ephemeral", "ttl": ttl}
        system: Any = [block]
        usage = claude.messages.create(
            model=MODEL,
            max_tokens=5,
            system=system,
            messages=[{"role": "user", "content": text}],
            extra_headers=CACHING,
        ).usage
        written = usage.cache_creation
        assert written is not None
        return (
            usage.input_tokens,
            usage.cache_read_input_tokens or 0,
            written.ephemeral_5m_input_tokens,
            written.ephemeral_1h_input_tokens,
        )

    marked, rest = 3 + 3 + 2000, 3 + 1 + 1
    assert ask("Hello", None) == (marked + rest, 0, 0, 0)
    assert ask("Hello", "5m") == (rest, 0, marked, 0)
    assert ask("Bye", "5m") == (rest, marked, 0, 0)
    assert ask("Hello", "1h") == (rest, 0, 0, marked)


def test_caching_is_asked_for(gpt: openai.OpenAI, sim: Simulator) -> None:
    """Without the fault the same request has the same usage; a reset forgets all prompts."""
    message: Any = {"role": "user", "content": LONG}
    call: dict[str, Any] = {"model": "gpt-4o", "messages": [message]}
    plain = [gpt.chat.completions.create(**call).usage for _ in range(2)]
    assert plain[0] == plain[1]
    gpt.chat.completions.create(**call, extra_headers=CACHING)
    sim.ask("POST", "reset")
    assert gpt.chat.completions.create(**call, extra_headers=CACHING).usage == plain[0]


def test_tokens_are_counted_beforehand(claude: anthropic.Anthropic) -> None:
    """count_tokens says what the message then costs: system, tools and content included."""
    call: dict[str, Any] = {
        "model": MODEL,
        "messages": HELLO,
        "system": "You are brief.",
        "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}],
    }
    counted = claude.messages.count_tokens(**call)
    assert counted.input_tokens == claude.messages.create(**call, max_tokens=9).usage.input_tokens
    assert claude.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens == 8
    forced = claude.messages.count_tokens(**call, extra_headers={"x-sim-fault": "input=77"})
    assert forced.input_tokens == 77
    with pytest.raises(anthropic.BadRequestError, match="cannot show tokens"):
        claude.messages.count_tokens(**call, extra_headers={"x-sim-fault": "tokens=5"})
    with pytest.raises(anthropic.BadRequestError, match="messages: Field required"):
        claude.post("/v1/messages/count_tokens", body={"model": MODEL}, cast_to=object)
