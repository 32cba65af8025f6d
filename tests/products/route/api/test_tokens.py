"""How well tokens are counted, over HTTP and on the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from dd0c.base.errors import InvalidInput
from dd0c.cli.tokens import tokens
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import open_pool
from dd0c.products.route.models import Learned
from dd0c.products.route.store import token_factors
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, ship, tenant_of
from tests.support.control import Served, serving
from tests.support.database import Cluster

LEARNED = {
    # 1,300 for 1,000; of 40 judged, a mean of 5 % and 0.0064 the mean square: 1.96 x 8 % = 15.7 %
    ("openai", "claude-opus-4-1"): Learned(60, 1000, 1300, 40, 2.0, 0.256),
    ("openai", "gpt-5-mini"): Learned(10, 100, 101, 10, 0.1, 0.001),
    ("openai", "globex-only"): Learned(99, 100, 200, 69, 1.0, 1.0),
}


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server; acme used GPT and Claude, globex something of its own."""
    with serving(cluster) as served:
        register(served)
        used = ((served.acme, "claude-opus-4-1"), (served.acme, "gpt-5-mini"))
        for caller, model in (*used, (served.globex, "globex-only")):
            org, key = tenant_of(served, caller)
            opened = records.opened(org, key_id=key.bytes, sent_model=model)
            ship(served, [rated(opened, served_model=model)])
        learn(served, LEARNED)
        yield served


def learn(served: Served, news: Mapping[tuple[str, str], Learned]) -> None:
    """Save samples, as a gateway does."""

    async def save() -> None:
        pool = await open_pool(served.database.conninfo(roles.SHIPPER), roles.SHIPPER, 1)
        try:
            async with tenancy.system(pool) as tx:
                await token_factors.add(tx, news)
        finally:
            await pool.close()

    asyncio.run(save())


def accuracy(served: Served, key: str, **query: str) -> dict[str, Any]:
    """What the API says, by model."""
    with served.client(key) as client:
        answer = client.get("/api/v1/route/tokens/accuracy", params=query)
    assert answer.status_code == 200, answer.text
    return {item["model"]: item for item in answer.json()["items"]}


def told(served: Served, *argv: str, given: bytes = b"") -> str:
    """What the verb prints to acme."""
    env = {"DD0C_URL": served.url, "DD0C_KEY": served.acme}
    done = CliRunner().invoke(tokens, argv, env=env, input=given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_the_error_of_each_model_is_published(served: Served) -> None:
    """Samples, factor and error by model; what was not learned is said to be a guess (ROUTE-14)."""
    found = accuracy(served, served.acme)
    claude, gpt = found["claude-opus-4-1"], found["gpt-5-mini"]
    assert (claude["samples"], claude["factor"], claude["learned"]) == (60, 1.3, True)
    assert claude["mean_error"] == pytest.approx(0.05)
    assert claude["p95_error"] == claude["error"] == pytest.approx(0.1568)
    assert (gpt["exact"], gpt["factor"], gpt["learned"]) == (True, 1.0, False)
    assert (gpt["mean_error"], gpt["p95_error"], gpt["error"]) == (None, None, 0)


def test_two_tenants_on_accuracy(served: Served) -> None:
    """An organisation reads of the models that it has used, not which ones others use (K-11)."""
    assert accuracy(served, served.acme).keys() == {"claude-opus-4-1", "gpt-5-mini"}
    assert accuracy(served, served.globex).keys() == {"globex-only"}
    unused = accuracy(served, served.acme, model="globex-only")["globex-only"]
    assert (unused["samples"], unused["provider"]) == (0, None)


def test_a_model_without_samples_says_what_it_uses(served: Served) -> None:
    """Asked for by name, any model has a vocabulary, and a guess where that is not its own."""
    found = accuracy(served, served.acme, model="gemini-3-pro")["gemini-3-pro"]
    assert (found["vocabulary"], found["exact"], found["learned"]) == ("o200k_base", False, False)
    assert (found["factor"], found["error"]) == (1.05, 0.2)


TABLE = """\
model            provider  vocabulary  factor  from     samples  mean error %  p95 error %
claude-opus-4-1  openai    o200k_base   1.300  learned       60           5.0         15.7
gpt-5-mini       openai    o200k_base   1.000  its own       10             –            –
"""


def test_the_table_of_accuracy(served: Served) -> None:
    """`dd0c route tokens --accuracy` shows it, and --json has all of it."""
    assert told(served, "--accuracy") == TABLE
    found = json.loads(told(served, "--accuracy", "--json"))
    assert found["samples_min"] == 30
    assert [one["model"] for one in found["items"]] == ["claude-opus-4-1", "gpt-5-mini"]


def test_a_text_is_counted_on_the_command_line(served: Served) -> None:
    """A text has the tokens that the gateway would count: exact ones are said alone, others with
    their error."""
    text = b"Count these words, please."  # 6 tokens of o200k, by tiktoken
    assert told(served, "count", "--model", "gpt-5-mini", given=text) == "6\n"
    claude = told(served, "count", "--model", "claude-opus-4-1", given=text)
    assert claude == "8 (give or take 16 %)\n"
    found = json.loads(told(served, "count", "--model", "gpt-4", "--json", given=text))
    assert (found["tokens"], found["vocabulary"]) == (6, "cl100k_base")


def test_what_is_no_text_is_refused(served: Served) -> None:
    """Bytes that are no UTF-8 are not counted as if they were."""
    with pytest.raises(InvalidInput, match="no text"):
        told(served, "count", "--model", "gpt-5-mini", given=b"\xff\xfe\x00")
