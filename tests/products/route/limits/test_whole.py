"""Limits and budgets of the whole product: four workers, real counters, a ledger, and kills."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import httpx
import openai
import pytest

from dd0c.kernel.cache.client import Client
from dd0c.products.route.models import dollars_text
from tests.products.route.limits.conftest import Shop, new_shop
from tests.support.product import Product, until

DOLLAR = 10**12
CLIENTS = 500
QUESTION = [{"role": "user", "content": "Hello"}]
OF_2000_TOKENS = {"model": "gpt-5-mini", "messages": QUESTION, "max_completion_tokens": 2000}


async def crowd(
    shop: Shop, clients: int, body: dict[str, object], fault: str, at_half: Callable[[], None]
) -> list[int]:
    """The statuses that so many clients get, each on a connection of its own; 0: it was cut."""
    answers: list[int] = []

    async def ask(client: httpx.AsyncClient) -> None:
        try:
            answer = await client.post(
                f"{shop.product.gateway_url}/v1/chat/completions",
                headers={"authorization": f"Bearer {shop.key}", "x-sim-fault": fault},
                json=body,
            )
            answers.append(answer.status_code)
        except httpx.TransportError:
            answers.append(0)
        if len(answers) == clients // 4:
            at_half()

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return answers


def together(shop: Shop, count: int, fault: str = "latency=300") -> Counter[int]:
    """How many of so many requests at once got which status."""
    with ThreadPoolExecutor(count) as pool:
        answers = pool.map(lambda _: shop.chat(fault).status_code, range(count))
        return Counter(answers)


def openai_for(shop: Shop) -> Any:
    """The official SDK, which asks once."""
    url = f"{shop.product.gateway_url}/v1"
    return openai.OpenAI(base_url=url, api_key=shop.key, max_retries=0)


def stream_into(pieces: list[str], client: Any) -> None:
    """Read a long stream that sets no bound."""
    stream = client.chat.completions.create(
        model="gpt-5-mini",
        messages=[{"role": "user", "content": "Tell me all."}],
        stream=True,
        extra_headers={"x-sim-fault": "tokens=20000"},
    )
    pieces.extend(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_no_crowd_spends_more_than_a_budget_whoever_is_killed(shop: Shop) -> None:
    """Five hundred clients at four workers, of which one is killed, share a dollar: what the ledger
    charges stays below it, what was reserved comes back, and the next request that fits passes
    (R-16, K-60, proofs 12)."""
    shop.budget("1")

    def kill() -> None:
        os.kill(shop.product.parts()["gateway_worker-0"], signal.SIGKILL)

    fault = "tokens=2000;latency=400"  # 2,000 tokens at $2 a million: $0.004, so 249 fit at most
    answers = asyncio.run(crowd(shop, CLIENTS, OF_2000_TOKENS, fault, kill))
    got = Counter(answers)
    assert set(got) <= {0, 200, 429}
    assert 0 < got[200] <= 249
    assert got[429] > 0
    until(lambda: shop.reserved() == "0", "nothing is reserved any more", within_s=20)
    charged = shop.charged()
    assert got[200] * DOLLAR * 4 // 1000 <= charged <= DOLLAR
    assert shop.refusals() == got[429]
    small = shop.chat("tokens=10", max_completion_tokens=10)  # $0.0001 at most
    assert (small.status_code == 200) == (charged + DOLLAR // 10_000 <= DOLLAR)
    assert shop.charged() <= DOLLAR


def test_requests_without_a_bound_are_bounded_by_what_is_left(shop: Shop) -> None:
    """A budget of a tenth of a cent and SDKs that set no `max_tokens`: the first answer comes, cut
    to what the budget affords if need be; then there is a typed 429, and never more is spent
    (R-16)."""
    shop.budget("0.001")
    told = [{"role": "user", "content": "Tell me all."}]
    call = {
        "model": "gpt-5-mini",
        "messages": told,
        "extra_headers": {"x-sim-fault": "tokens=5000"},
    }
    with openai_for(shop) as client:
        first = client.chat.completions.create(**call)
        assert first.choices[0].finish_reason == "length"
        until(lambda: shop.reserved() == "0", "nothing is reserved any more")
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**call)
    assert refused.value.code == "budget_exceeded"
    assert "The budget of $0.001 in total for this organisation" in refused.value.message
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert 0 < shop.charged() <= DOLLAR // 1000
    other = anthropic.Anthropic(base_url=shop.product.gateway_url, api_key=shop.key, max_retries=0)
    with other, pytest.raises(anthropic.RateLimitError, match="budget"):
        other.messages.create(
            model="claude-haiku-4-5", max_tokens=1000, messages=[{"role": "user", "content": "Hi"}]
        )


def test_a_stream_without_a_bound_is_cut_where_the_budget_ends(shop: Shop) -> None:
    """A stream of 20,000 tokens under a budget for some 4,000: its text flows until money for no
    more is left, its end is an error that the SDK raises and that names the budget, and its row
    says `limit` (R-16)."""
    shop.budget("0.009")
    pieces: list[str] = []
    with openai_for(shop) as client, pytest.raises(openai.APIError) as cut:
        stream_into(pieces, client)
    assert cut.value.message.startswith("The budget of $0.009 in total for this organisation has ")
    assert cut.value.code == "budget_exceeded"
    text = "".join(pieces)
    # 4,400 tokens of $2 a million are affordable after the input, and each is at least a byte.
    assert 4_300 < len(text.encode()) <= 4_500
    until(lambda: shop.reserved() == "0", "nothing is reserved any more")
    row = shop.product.get_json("/route/requests", key=shop.key)["items"][0]
    (attempt,) = row["attempts"]
    assert (attempt["end_reason"], attempt["error_code"]) == ("limit", "budget_exceeded")
    assert 0 < shop.charged() <= 9 * DOLLAR // 1000


def test_five_a_minute_are_five(shop: Shop) -> None:
    """Of twenty requests at once five pass, and the others hear of the limit and when it frees, in
    headers, too (K-60)."""
    shop.limit(requests_per_minute=5)
    assert together(shop, 20) == {200: 5, 429: 15}
    refused = shop.chat()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert "5 requests a minute for this organisation" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["x-ratelimit-limit-requests"] == "5"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    until(lambda: shop.refusals() == 16, "each refusal has its row")


def test_three_at_a_time_are_three(shop: Shop) -> None:
    """Of ten requests at once three pass; when they are done others do (K-60)."""
    shop.limit(concurrency=3)
    assert together(shop, 10, "latency=1500") == {200: 3, 429: 7}
    assert together(shop, 3) == {200: 3}


def test_answers_tell_what_is_left_of_ours_not_of_the_providers(shop: Shop) -> None:
    """Who has limits of requests and tokens sees them in the headers that SDKs read (K-60)."""
    shop.limit(requests_per_minute=50, tokens_per_minute=10_000)
    headers = shop.chat().headers
    assert headers["x-ratelimit-limit-requests"] == "50"
    assert headers["x-ratelimit-remaining-requests"] == "49"
    assert headers["x-ratelimit-limit-tokens"] == "10000"
    assert 8_000 < int(headers["x-ratelimit-remaining-tokens"]) < 10_000
    assert len(headers.get_list("x-ratelimit-limit-requests")) == 1


def test_lost_counters_are_counted_anew_before_anything_is_given(
    shop: Shop, valkey: Callable[[], Client]
) -> None:
    """The counters' data is gone in the middle: what was spent is found in the ledger and in the
    spool, and the budget is not overshot (R-16)."""
    shop.budget("0.03")  # seven answers of $0.004

    async def flush() -> None:
        client = valkey()
        await client.flushall()
        await client.aclose()

    got = Counter(
        shop.chat("tokens=2000", max_completion_tokens=2000).status_code for _ in range(4)
    )
    asyncio.run(flush())
    for _ in range(8):
        got[shop.chat("tokens=2000", max_completion_tokens=2000).status_code] += 1
    assert got == {200: 7, 429: 5}
    until(lambda: shop.reserved() == "0", "nothing is reserved any more")
    assert 7 * DOLLAR * 4 // 1000 <= shop.charged() <= DOLLAR * 3 // 100


def test_a_lost_answer_that_is_reconciled_costs_what_it_cost(dd0c: Product, shop: Shop) -> None:
    """Workers die with an answer on its way: it stays charged at its reservation. An export that
    names it brings its cost, and the budget is counted anew by every gateway (R-15, R-16, R-17)."""
    shop.budget("1")
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(lost, shop)
        until(lambda: shop.reserved() != "0", "the request is on its way")
        for name, pid in dd0c.parts().items():
            if name.startswith("gateway_worker"):
                os.kill(pid, signal.SIGKILL)
        cut.result(20)
    until(lambda: shop.reserved() == "0" and shop.open_attempts() == 1, "it is in the ledger")
    assert shop.charged() > DOLLAR * 4 // 1000  # 2,000 tokens of $2 a million, and the question
    assert shop.spent() == dollars_text(shop.charged())
    waiting = dd0c.get_json("/route/waiting", key=shop.key)["items"]
    export = f"date,request_id,cost_usd\n2026-01-01,{waiting[0]['request_id']},0.00125"
    given = {"provider": "csv", "export": export}
    answer = dd0c.api("POST", "/route/reconciliations", key=shop.key, json=given)
    assert answer.json()["settled"] == 1, answer.text
    until(lambda: shop.spent() == "0.00125", "the budget is charged what it cost")
    assert shop.chat("tokens=10", max_completion_tokens=10).status_code == 200


def lost(shop: Shop) -> None:
    """A request whose answer would take longer than its worker lives."""
    with contextlib.suppress(httpx.TransportError):
        shop.chat("tokens=2000;latency=60000", max_completion_tokens=2000)


def test_without_counters_each_organisation_gets_what_its_terms_say(
    dd0c: Product, shop: Shop
) -> None:
    """Valkey is stopped, then goes on, then is killed: whose terms say `open` sees no failed
    request, `closed` gets 503 in its dialect; afterwards limits hold again, and what was used
    meanwhile counts (R-16, R-32)."""
    shut = new_shop(dd0c)
    for one in (shop, shut):
        one.budget("0.1")
    shut.set("PUT", "store-policy", store_away="closed", spool_full="closed")
    for one in (shop, shut):
        assert one.chat("tokens=2000", max_completion_tokens=2000).status_code == 200
    server = dd0c.parts()["valkey"]
    os.kill(server, signal.SIGSTOP)
    try:
        assert [shop.chat("tokens=2000").status_code for _ in range(10)] == [200] * 10
        assert shop.metric("dd0c_route_limit_store_away") == 1
        refused = shut.chat()
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "limits_unavailable"
    finally:
        os.kill(server, signal.SIGCONT)
    until(lambda: shop.metric("dd0c_route_limit_store_away") == 0, "the counters are back")
    os.kill(server, signal.SIGKILL)
    assert [shop.chat("tokens=2000").status_code for _ in range(10)] == [200] * 10
    until(lambda: shut.chat("tokens=10").status_code == 200, "the counters are back")
    assert _spend_all(shop) == 3  # 24 answers in all: each is $0.004 and its question
    until(lambda: shop.reserved() == "0", "nothing is reserved any more")
    assert shop.charged() <= DOLLAR // 10


def _spend_all(shop: Shop) -> int:
    """Answers of 2,000 tokens until the budget is spent."""
    for passed in range(40):
        if shop.chat("tokens=2000", max_completion_tokens=2000).status_code != 200:
            return passed
    raise AssertionError("the budget has no end")


def test_a_dearer_price_of_the_name_in_the_answer_is_held_for(shop: Shop) -> None:
    """Who asks for gpt-5-mini is answered by gpt-5-mini-2025-08-07, for which this organisation
    pays $20 a million and not 2: a cent is not enough for 1,000 tokens, but for 400, and what is
    charged stays below it (R-12, R-16)."""
    shop.budget("0.01")
    dear = {"input": "2.5", "output": "20"}
    name = "gpt-5-mini-2025-08-07"
    shop.set("POST", "prices/overrides", provider="openai", model=name, tiers=[dear])
    assert shop.chat("tokens=1000", max_completion_tokens=1000).status_code == 429
    assert shop.chat("tokens=400", max_completion_tokens=400).status_code == 200
    until(lambda: shop.reserved() == "0", "nothing is reserved any more")
    assert 400 * 20_000_000 < shop.charged() <= DOLLAR // 100


def test_a_key_a_tag_and_a_model_have_budgets_of_their_own(shop: Shop) -> None:
    """A request has to fit into all of them or touches none: the fuller one decides (R-16)."""
    shop.budget("1")
    shop.budget("0.004", scope="tag", subject="night")
    shop.budget("0.013", scope="model", subject="gpt-5-mini")
    bodies: Sequence[tuple[str, dict[str, str], int]] = (
        ("tokens=1000", {"x-dd0c-tags": "night,beta"}, 200),  # $0.002 of 0.004
        ("tokens=1000", {"x-dd0c-tags": "night"}, 429),  # and what the question costs
        ("tokens=1000", {}, 200),
    )
    for fault, headers, status in bodies:
        answer = httpx.post(
            f"{shop.product.gateway_url}/v1/chat/completions",
            headers={"authorization": f"Bearer {shop.key}", "x-sim-fault": fault, **headers},
            json={"model": "gpt-5-mini", "messages": QUESTION, "max_completion_tokens": 1000},
            timeout=20,
        )
        assert answer.status_code == status, answer.text
    assert _spend_all(shop) == 2  # 0.013 - 2 x 0.002 is enough for two of 0.004
