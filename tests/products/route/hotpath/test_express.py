"""Requests on the straight track: wherever they leave it, all is as if a relay had carried them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dd0c.products.route.hotpath.snapshot import (
    KeysChanged,
    OverridesChanged,
    PricesChanged,
    ProvidersChanged,
    Recall,
    Rule,
    RulesChanged,
    SpoolFull,
    StoreAway,
    Terms,
    Tier,
    Variant,
)
from dd0c.products.route.models import AttemptOpened
from tests.products.route.hotpath.stage import Stage, both, whole
from tests.products.route.limits.made import DOLLAR, rule
from tests.support.upstream import CHAT
from tests.support.wire import CHAT_BODY, request
from tests.support.worker import ORG, SECRET, price, provider

SENT = request("/v1/chat/completions", CHAT_BODY | {"max_tokens": 100})
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
LIMITS = (
    "x-ratelimit-limit-requests: 7\r\nX-RateLimit-Remaining-Requests: 6\r\nx-request-id: up_1\r\n"
)
ANSWER = whole(headers=LIMITS)
HEAD_END = ANSWER.index(b"\r\n\r\n") + 4
AROUND_HEAD_END = (HEAD_END - 4, HEAD_END - 2, HEAD_END - 1, HEAD_END, HEAD_END + 1)
BORDERS = sorted(
    {*(1, 5, 9, 15, 16, 17), *range(20, len(ANSWER), 23), *AROUND_HEAD_END, len(ANSWER) - 1}
)
EVENTS = b'data: {"model":"gpt-5-mini","choices":[]}\n\ndata: [DONE]\n\n'
NOT_ASKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%b"
    % (len(EVENTS), EVENTS)
)
ESCAPED = "".join(f"\\u{ord(one):04x}" for one in SECRET).encode()

BUDGET, REQUESTS, TOKENS, AT_ONCE = (
    rule(amount=1000 * DOLLAR),
    rule(measure="requests", window="", amount=10**6),
    rule(measure="tokens", window="", amount=10**9),
    rule(measure="concurrency", window="", amount=10**4),
)
ANOTHER = rule(amount=DOLLAR)
RULES: dict[str, tuple[Rule, ...]] = {
    "free": (),
    "budget": (BUDGET,),
    "all": (BUDGET, REQUESTS, TOKENS, AT_ONCE),
}

Play = Callable[[Stage], None]


def said(changes: dict[str, Any] | None = None, **usage: Any) -> bytes:
    """An answer that says something else."""
    body = CHAT | (changes or {})
    return whole(body | {"usage": USAGE | usage} if usage else body)


def answered(data: bytes) -> Play:
    """The provider answers with this, in one read."""
    return lambda stage: stage.answer(data)


def split(at: int) -> Play:
    """It answers in two reads."""

    def play(stage: Stage) -> None:
        stage.answer(ANSWER[:at])
        stage.answer(ANSWER[at:])

    return play


def byte_by_byte(stage: Stage) -> None:
    for at in range(len(ANSWER)):
        stage.answer(ANSWER[at : at + 1])


def silent(stage: Stage) -> None:
    stage.later(1000)


def stalled(stage: Stage) -> None:
    stage.answer(ANSWER[:-3])
    stage.later(1000)


def stale(stage: Stage) -> None:
    """A kept connection is closed: the request is asked again on another."""
    stage.provider_leaves()
    stage.answer(ANSWER)


def stale_twice(stage: Stage) -> None:
    stage.provider_leaves()
    stage.provider_leaves()


def cut_off(stage: Stage) -> None:
    stage.answer(ANSWER[: HEAD_END + 3])
    stage.provider_leaves()


def cut_in_head(stage: Stage) -> None:
    stage.answer(ANSWER[:20])
    stage.provider_leaves()


def without_a_length(stage: Stage) -> None:
    stage.answer(ANSWER.replace(b"Content-Length", b"X-Length"))
    stage.provider_leaves()


def gone(stage: Stage) -> None:
    stage.leave()


def gone_half(stage: Stage) -> None:
    stage.leave(half=True)
    stage.answer(ANSWER)


def gone_half_and_probed(stage: Stage) -> None:
    stage.leave(half=True)
    stage.later(1)
    stage.answer(ANSWER)


def gone_in_the_middle(stage: Stage) -> None:
    stage.answer(ANSWER[: HEAD_END + 3])
    stage.leave()


def gone_and_drained(stage: Stage) -> None:
    stage.tell(RulesChanged(rules_of(stage), (Terms(ORG, "drain"),)))
    stage.leave()
    stage.answer(ANSWER)


def gone_and_drained_in_pieces(stage: Stage) -> None:
    stage.tell(RulesChanged(rules_of(stage), (Terms(ORG, "drain"),)))
    stage.answer(ANSWER[: HEAD_END + 3])
    stage.leave()
    stage.answer(ANSWER[HEAD_END + 3 :])


def full_closed(stage: Stage) -> None:
    stage.tell(SpoolFull(full=True))
    stage.answer(ANSWER)
    stage.send(SENT)


def full_open(stage: Stage) -> None:
    stage.tell(RulesChanged(rules_of(stage), (Terms(ORG, spool_full="open"),)))
    stage.tell(SpoolFull(full=True))
    stage.answer(ANSWER)
    stage.chat(SENT)
    stage.tell(SpoolFull(full=False))
    stage.chat(SENT)


def other_rules(stage: Stage) -> None:
    stage.tell(RulesChanged((*rules_of(stage), ANOTHER), ()))
    stage.answer(ANSWER)


def no_rules(stage: Stage) -> None:
    stage.tell(RulesChanged((), ()))
    stage.answer(ANSWER)
    stage.chat(SENT)


def other_rules_and_gone(stage: Stage) -> None:
    stage.tell(RulesChanged((*rules_of(stage), ANOTHER), ()))
    stage.leave()


def other_prices(stage: Stage) -> None:
    stage.tell(PricesChanged((price(tiers=(Tier(0, 9, 9, None, None, 99),), price_id="prc_n"),)))
    stage.answer(ANSWER)
    stage.chat(SENT)


def own_prices(stage: Stage) -> None:
    own = price(tiers=(Tier(0, 7, None, None, None, 77),), price_id="prc_own", org=ORG)
    stage.tell(OverridesChanged((own,)))
    stage.answer(ANSWER)
    stage.chat(SENT)
    stage.tell(OverridesChanged(()))
    stage.chat(SENT)


def a_tier_of_its_own(stage: Stage) -> None:
    tiers = price(tiers=(Tier(0, 1_000_000, None, None, None, 9_000_000),), price_id="prc_prio")
    stage.tell(PricesChanged((price(variants=(Variant("priority", tiers),)),)))
    stage.answer(said({"service_tier": "priority"}))
    stage.chat(SENT, said({"service_tier": "flex"}))


def other_keys(stage: Stage) -> None:
    stage.tell(KeysChanged(upsert=(), remove=()))
    stage.answer(ANSWER)


def other_providers(stage: Stage) -> None:
    stage.tell(ProvidersChanged((provider(9, name="other"),)))
    stage.answer(ANSWER)
    stage.chat(SENT)


def store_away(stage: Stage) -> None:
    stage.tell(StoreAway(away=True))
    stage.answer(ANSWER)
    stage.chat(SENT)


def store_away_and_closed(stage: Stage) -> None:
    stage.tell(RulesChanged(rules_of(stage), (Terms(ORG, store_away="closed"),)))
    stage.answer(ANSWER)
    stage.chat(SENT)
    stage.chat(SENT)
    stage.tell(StoreAway(away=True))
    stage.send(SENT)
    stage.tell(StoreAway(away=False))


def recalled(stage: Stage) -> None:
    stage.tell(Recall(77, tuple((one.id, 0) for one in rules_of(stage))))
    stage.answer(ANSWER)
    stage.chat(SENT)


def recalled_and_split(stage: Stage) -> None:
    stage.tell(Recall(77, tuple((one.id, 0) for one in rules_of(stage))))
    split(HEAD_END + 9)(stage)


def drained(stage: Stage) -> None:
    stage.plane.drain(handed_over=False)
    stage.answer(ANSWER)


def handed_over(stage: Stage) -> None:
    stage.plane.drain(handed_over=True)
    stage.answer(ANSWER)


def cut(stage: Stage) -> None:
    stage.plane.drain(handed_over=False)
    stage.plane.cut()


def pipelined(stage: Stage) -> None:
    stage.send(SENT)
    stage.answer(ANSWER)
    stage.answer(ANSWER)


def pipelined_and_probed(stage: Stage) -> None:
    stage.send(SENT[:50])
    stage.later(2)
    stage.answer(ANSWER)
    stage.send(SENT[50:])
    stage.answer(ANSWER)


def beside_another(stage: Stage) -> None:
    stage.send(SENT, stage.call())
    stage.answer(ANSWER)
    stage.answer(ANSWER)


def beside_another_and_recalled(stage: Stage) -> None:
    stage.send(SENT, stage.call())
    stage.answer(ANSWER)
    recalled(stage)
    stage.chat(SENT)


def sampled(stage: Stage) -> None:
    stage.later(2)
    stage.answer(ANSWER)


def gzipped() -> bytes:
    body = gzip.compress(json.dumps(CHAT).encode(), mtime=0)
    return whole(body, headers="content-encoding: gzip\r\n")


def chunked(*parts: bytes) -> bytes:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


WHOLE = json.dumps(CHAT).encode()
PLAYS: dict[str, Play] = {
    "ordinary": answered(ANSWER),
    **{f"split at {at}": split(at) for at in BORDERS},
    "byte by byte": byte_by_byte,
    "chunked": answered(chunked(WHOLE)),
    "chunked in many": answered(chunked(WHOLE[:50], WHOLE[50:90], WHOLE[90:])),
    "gzip": answered(gzipped()),
    "broken gzip": answered(gzipped()[:-4] + b"zzzz"),
    "an unknown coding": answered(whole(headers="content-encoding: br\r\n")),
    "identity": answered(whole(headers="content-encoding: identity\r\n")),
    **{
        f"status {status}": answered(whole({"error": {"message": "no"}}, status, LIMITS))
        for status in ("201 Created", "301 Moved", "400 Bad", "401 No", "429 Too", "500 x", "529 x")
    },
    **{f"usage in {code}": answered(whole(CHAT, code)) for code in ("201 x", "302 x", "500 x")},
    "no content": answered(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "an empty body": answered(whole(b"")),
    "events": answered(NOT_ASKED),
    "no type": answered(ANSWER.replace(b"Content-Type", b"X-Type")),
    "another type": answered(ANSWER.replace(b"application/json", b"text/plain")),
    "a type in capitals": answered(ANSWER.replace(b"application/json", b"APPLICATION/JSON; a=b")),
    "no usage": answered(whole({k: v for k, v in CHAT.items() if k != "usage"})),
    "no model": answered(whole({k: v for k, v in CHAT.items() if k != "model"})),
    "null usage": answered(said({"usage": None})),
    "a total that is wrong": answered(said(total_tokens=16)),
    "no total": answered(said({"usage": {"prompt_tokens": 10, "completion_tokens": 5}})),
    "negative": answered(said(prompt_tokens=-10, total_tokens=-5)),
    "fractions": answered(said(prompt_tokens=10.5, total_tokens=15.5)),
    "cached": answered(said(prompt_tokens_details={"cached_tokens": 4})),
    "thought": answered(said(completion_tokens_details={"reasoning_tokens": 4})),
    "written": answered(said(prompt_tokens_details={"cache_write_tokens": 4})),
    "audio": answered(said(prompt_tokens_details={"audio_tokens": 4})),
    "dearer than held": answered(said(completion_tokens=5000, total_tokens=5010)),
    "unknown price": answered(said({"model": "gpt-77"})),
    "the model's name is no text": answered(said({"model": 5})),
    "tier": answered(said({"service_tier": "default"})),
    "another tier": answered(said({"service_tier": "flex"})),
    "a tier that is no text": answered(said({"service_tier": 4})),
    "an error beside": answered(said({"error": {"message": "half"}})),
    "no JSON": answered(whole(b"{" + WHOLE)),
    "the secret": answered(said({"id": SECRET})),
    "the secret in the head": answered(whole(headers=f"x-echo: {SECRET}\r\n")),
    "the secret as id": answered(whole(headers=f"x-request-id: {SECRET}\r\n")),
    "the secret as model": answered(said({"model": SECRET})),
    "the secret escaped": answered(whole(WHOLE.replace(b"chatcmpl-1", ESCAPED))),
    "the secret escaped as model": answered(whole(WHOLE.replace(b"gpt-5-mini", ESCAPED))),
    "to be closed": answered(whole(headers="connection: close\r\n")),
    "old": answered(ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0")),
    "interim": answered(b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n" + ANSWER),
    "more than one answer": answered(ANSWER + ANSWER),
    "bytes behind": answered(ANSWER + b"x"),
    "lines before": answered(b"\r\n\r\n" + ANSWER),
    "no HTTP": answered(b"SSH-2.0-x\r\n\r\n"),
    "two lengths": answered(ANSWER.replace(b"\r\n\r\n", b"\r\ncontent-length: 1\r\n\r\n", 1)),
    "folded": answered(ANSWER.replace(b"\r\nx-request-id", b"\r\n x-request-id", 1)),
    "upgraded": answered(
        b"HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: a\r\n\r\n" + ANSWER
    ),
    **{
        play.__name__.replace("_", " "): play
        for play in (
            *(silent, stalled, stale, stale_twice, cut_off, cut_in_head, gone, gone_half),
            *(without_a_length, beside_another, beside_another_and_recalled),
            *(gone_half_and_probed, gone_in_the_middle, gone_and_drained),
            *(gone_and_drained_in_pieces, full_closed, full_open, other_rules, no_rules),
            *(other_rules_and_gone, other_prices, own_prices, a_tier_of_its_own, other_keys),
            *(other_providers, store_away, store_away_and_closed, recalled),
            *(recalled_and_split, drained, handed_over, cut, pipelined, pipelined_and_probed),
            sampled,
        )
    },
}  # fmt: skip


def rules_of(stage: Stage) -> tuple[Rule, ...]:
    return tuple(stage.plane.purse.rules.by_id.values())


CASES = [
    pytest.param(name, rules, id=f"{name}, {rules}")
    for name in PLAYS
    for rules in RULES
    if rules == "all" or not name.startswith("split")
]


@pytest.mark.parametrize(("name", "rules"), CASES)
def test_wherever_it_leaves_the_track_nobody_sees_it(name: str, rules: str) -> None:
    """The same answer, the same bytes to the provider, the same rows in the ledger, the same spent
    of every rule as by relay alone (R-30, R-15, R-16)."""
    made = (RulesChanged(RULES[rules], ()),)
    with both(greeting=made) as (quick, slow):
        spent = []
        for stage in (quick, slow):
            stage.chat(SENT)
            stage.chat(SENT, who=stage.call())
            stage.chat(SENT)
            stage.send(SENT)
            assert stage.carried() == (stage is quick), "it is not on the track"
            PLAYS[name](stage)
            stage.chat(SENT, who=stage.call())
            spent.append(stage.spent())
            if BUDGET.id in spent[-1]:
                assert spent[-1][BUDGET.id] == in_ledger(stage)
            assert spent[-1].get(AT_ONCE.id, 0) == 0
        assert quick.seen() == slow.seen()
        assert spent[0] == spent[1]


def in_ledger(stage: Stage) -> int:
    """What the records say that was spent: of unknown cost as much as was held."""
    held = {
        (one.request_id, one.attempt): one.reserved_pico or 0
        for one in stage.records()
        if isinstance(one, AttemptOpened) and one.reserved_pico is not None
    }
    return sum(
        held[one.request_id, one.attempt] if one.cost_pico is None else one.cost_pico
        for one in stage.closed()
        if (one.request_id, one.attempt) in held
    )


def test_the_records_are_those_of_the_answer() -> None:
    """The id in the caller's head is that of both records, which are of one attempt (R-10)."""
    with both() as (quick, _):
        for _ in range(3):
            quick.chat(SENT)
        opened, closed = quick.records()[-2:]
        assert opened.request_id == closed.request_id
        assert msgspec.structs.asdict(closed)["cost_pico"] == 10 * 250_000 + 5 * 2_000_000
