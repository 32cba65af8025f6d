"""Providers from the environment: registered, sealed, used; never the gateway itself."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.support import processes
from tests.support.product import Product, free_port, running

pytestmark = pytest.mark.e2e

CANARY = "sk-proj-canary-4f1d9b7ce2a84d06"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A provider on another port, as far as dd0c can tell."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        child = subprocess.Popen(
            [sys.executable, "-m", "dd0c.cli.main", "sim", "--listen-fd", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
        )
        try:
            yield url
        finally:
            child.terminate()
            child.wait(10)


@pytest.fixture(scope="module")
def real(provider: str) -> Iterator[Product]:
    """A dd0c that was started with an OpenAI key in its environment."""
    with running(OPENAI_API_KEY=CANARY, OPENAI_BASE_URL=f"{provider}/v1") as one:
        yield one


def test_a_key_in_the_environment_registers_the_provider(real: Product, provider: str) -> None:
    """K-1: with a key the real provider answers, with that key, and the simulated ones are off."""
    answer = real.chat()
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-dd0c-provider"] == "openai"
    [seen] = httpx.get(f"{provider}/_sim/stats", timeout=10).json()["recent"]
    received = httpx.get(f"{provider}/_sim/requests/{seen['id']}", timeout=10).json()
    assert f"Bearer {CANARY}" in str(received)
    offered = real.get_json("/route/providers")["items"]
    assert {one["name"] for one in offered if one["enabled"]} == {"openai"}
    assert CANARY not in str(offered)
    assert any(line.split() == ["providers", "openai"] for line in real.lines)


def test_the_providers_key_lies_nowhere_in_the_clear(real: Product) -> None:
    """K-30, K-32: not in a file of the home, database and logs included, nor around a child."""
    real.chat()
    files = [path for path in real.home.rglob("*") if path.is_file()]
    assert len(files) > 500  # the database's own among them
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
    for pid in processes.descendants(real.process.pid):
        assert CANARY not in processes.environment(pid), processes.argv(pid)
        assert CANARY not in "".join(processes.argv(pid))
    # the search can find: the supervisor was given the key that way
    assert CANARY in processes.environment(real.process.pid)
    assert CANARY not in "\n".join(real.lines)


def test_the_gateway_is_never_its_own_provider() -> None:
    """K-1: what programs export for themselves is ignored with a warning; the simulator serves."""
    port = free_port()
    with running(
        DD0C_GATEWAY_PORT=str(port),
        OPENAI_BASE_URL=f"http://localhost:{port}/v1",
        OPENAI_API_KEY="dd0c_sk_" + "B" * 43,
    ) as one:
        assert any(line.startswith("warning: OPENAI_API_KEY is a dd0c key") for line in one.lines)
        assert one.chat().headers["x-dd0c-provider"] == "sim"
        assert "BBBB" not in "\n".join(one.lines)


def test_a_provider_can_be_named_in_the_model(product: Product) -> None:
    """A model written `sim/…` goes to the provider of that name; other slashes are the model's."""
    named = product.chat(model="sim/gpt-5-mini")
    assert named.headers["x-dd0c-model"] == "gpt-5-mini"
    foreign = product.chat(model="meta-llama/Llama-3")
    assert foreign.json()["model"] == "meta-llama/Llama-3"
