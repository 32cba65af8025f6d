"""The quick ways to read, price, bound and pack: the same as the thorough ones, or no word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd0c.products.route.hotpath import bounds, formats, jsonspan, plain, spool, tariff
from dd0c.products.route.hotpath.answers import Reading
from dd0c.products.route.hotpath.opening import Opening
from dd0c.products.route.hotpath.snapshot import Price, Tier, Variant
from dd0c.products.route.models import AttemptOpened, Dialect, Endpoint, Usage
from tests.products.route.hotpath.usage_cases import OPENAI
from tests.support.upstream import CHAT

CORPUS = Path(__file__).parents[3] / "corpus" / "llm"
BODIES = [path.read_bytes() for path in sorted(CORPUS.rglob("*.json"))] + [
    json.dumps(CHAT | {"usage": None}).encode().replace(b"null", case.said.encode())
    for case in OPENAI
]
PROVIDERS = ("openai", "", "google", "x-ai", "perplexity", "mistral")

# -- what it costs

RATES = st.none() | st.integers(0, 9) | st.integers(0, 10**12)
COUNTS = st.none() | st.integers(0, 9) | st.integers(0, 10**9)
TIERS = st.builds(
    Tier,
    above=st.sampled_from((0, 1000)),
    **dict.fromkeys(tariff.BUCKETS, RATES),
    request=RATES,
)
TIER_NAMES = st.sampled_from((None, "", "auto", "default", "standard", "priority", "flex"))
PRICES = st.builds(
    lambda scale, tiers, names, at: Price(
        *("p", "m", "prc", scale, tuple(tiers)),
        variants=tuple(
            Variant(name or "", Price("p", "m", f"prc_{name}", scale, tiers[-1:]), *at)
            for name in names
        ),
    ),
    st.integers(0, 9),
    st.lists(TIERS, min_size=1, max_size=1) | st.lists(TIERS, min_size=1, max_size=2),
    st.just([]) | st.lists(TIER_NAMES, max_size=2),
    st.sampled_from([(), (5, None), (None, 10**16)]),
)
USAGES = st.builds(
    Usage,
    input=COUNTS,
    output=COUNTS,
    cache_read=COUNTS,
    reasoning=COUNTS,
    **dict.fromkeys(
        set(Usage.__struct_fields__) - {"input", "output", "cache_read", "reasoning"},
        st.sampled_from((None, None, None, None, 0, 0, 0, 5)),
    ),
)


@settings(max_examples=200)
@given(PRICES, USAGES, TIER_NAMES, st.integers(0, 2**53))
def test_a_sheet_says_what_the_tariff_says(
    price: Price, used: Usage, service_tier: str | None, at_us: int
) -> None:
    """Whatever was used under whatever price: the same sum to the pico-dollar under the same price,
    or none (R-11)."""
    sheet = plain.sheet(price)
    cost = sheet.cost(used, service_tier) if sheet is not None else None
    if sheet is not None and cost is not None:
        assert tariff.rate(price, used, service_tier, at_us) == (cost, sheet.price_id, None)


HALVES = [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4), (9, 4)]


@pytest.mark.parametrize(("tokens", "pico"), HALVES)
def test_it_rounds_half_to_even(tokens: int, pico: int) -> None:
    """At half a pico-dollar a token: 0.5 -> 0, 1 -> 1, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4, 4.5 -> 4
    (R-11)."""
    sheet = plain.sheet(Price("p", "m", "prc", 1, (Tier(0, 5, None, None, None, 5),)))
    assert sheet is not None
    assert sheet.cost(Usage(input=tokens, output=0), None) == pico


def test_a_kind_of_tokens_without_a_rate_is_left_to_the_tariff() -> None:
    """Tokens read from a cache, or of thought, at no known rate have no cost here, and none there
    (R-11)."""
    price = Price("p", "m", "prc", 0, (Tier(0, 5, None, None, None, 5),))
    sheet = plain.sheet(price)
    assert sheet is not None
    for used in (Usage(input=1, output=1, cache_read=1), Usage(input=1, output=1, reasoning=1)):
        assert sheet.cost(used, None) is None
        assert tariff.rate(price, used, None, 0).cost_pico is None


@given(TIERS, st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 9))
def test_an_ordinary_answer_has_a_cost(tier: Tier, sent: int, made: int, scale: int) -> None:
    """With rates for input and output, input and output have a cost at once (R-41)."""
    sheet = plain.sheet(Price("p", "m", "prc", scale, (tier,)))
    if tier.input is None or tier.output is None:
        assert sheet is None
    else:
        assert sheet is not None
        assert isinstance(sheet.cost(Usage(input=sent, output=made), "default"), int)


# -- what it says


def same_as_reading(body: bytes, provider: str) -> bool:
    """Whether the quick way reads it; what it says is what `Reading` says."""
    told = plain.read(body, provider)
    if told is None:
        return False
    reading = Reading(Dialect.OPENAI, Endpoint.CHAT, provider)
    reading.whole(body)
    used = reading.usage()
    assert (told.model, told.service_tier) == (reading.model, reading.service_tier)
    assert (told.raw, told.usage, reading.wrong) == (reading.usage_raw, used, None)
    return True


def test_the_corpus_is_read_the_same_way() -> None:
    """Answers of all providers: the same model, tier, and usage in buckets and as it was written
    (R-13)."""
    read = [same_as_reading(body, provider) for body in BODIES for provider in PROVIDERS]
    assert sum(read) > 20


def test_who_counts_in_another_way_is_not_read_quickly() -> None:
    """Reasoning may lie beside the output: the same words mean something else there (R-13)."""
    for provider in formats.OPENAI.habits:
        assert plain.read(json.dumps(CHAT).encode(), provider) is None
    assert plain.read(json.dumps(CHAT).encode(), "openai") is not None


SNIPPETS = st.sampled_from(
    [
        *(b'"usage":null', b'"usage":{}', b'"model":5', b'"model":""', b'"model":"a\\u0062"'),
        *(b'"service_tier":"flex"', b'"service_tier":null', b'"service_tier":""', b'"error":{}'),
        *(b"null", b"1e1", b"10.0", b"-1", b"true", b'"5"', b"[]", b"{", b"}", b'"', b"\\", b","),
        *(b"1000000001", b"99999999999999999999999", b"\xff", b"\x00", b" ", b"\xef\xbb\xbf"),
        *(b'"total_tokens"', b'"prompt_tokens_details"', b'"cached_tokens":1', b'"x_groq":{}'),
        b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},',
    ]
)


@settings(max_examples=200)
@given(st.data(), st.sampled_from(BODIES), st.sampled_from(PROVIDERS))
def test_a_changed_answer_is_read_the_same_way_or_not_at_all(
    data: st.DataObject, body: bytes, provider: str
) -> None:
    """Cut, doubled, with members of other types and names: never another result (R-13)."""
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 30)))
        body = body[:start] + data.draw(SNIPPETS | st.just(b"")) + body[end:]
    same_as_reading(body, provider)


# -- what it may cost

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["max_tokens", '"image_url"', "\\u0041", '"file_id": "f"', "cache_control", '"input_audio"']
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        *("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "seed"),
        *("max_output_tokens", "n", "best_of", "prompt", "tools", "functions", "stream"),
        *("service_tier", "speed", "modalities", "audio", "conversation", "reasoning_effort"),
    ]
)
LIMITS = st.sampled_from([0, 1, 100, 10**9, 10**12, 10**25, 1.5, "100", None, -1, True])
GIVEN = st.builds(
    lambda some, limits: some | limits,
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.dictionaries(st.sampled_from(list(bounds.OUTPUT_KEYS[Endpoint.CHAT])), LIMITS),
)


@settings(max_examples=200)
@given(GIVEN, st.sampled_from(sorted(bounds.OUTPUT_KEYS)), st.booleans())
def test_a_simple_bound_is_the_bound(
    given_: dict[str, object], endpoint: Endpoint, ascii_only: bool
) -> None:
    """Whatever a body says, its quick bounds are the thorough ones, and nothing else in it bears on
    the price (R-16)."""
    body = json.dumps(given_ | {"model": "m"}, ensure_ascii=ascii_only).encode()
    found, given = jsonspan.spans(body), jsonspan.values(body)
    quick = bounds.is_simple(given)
    simple = bounds.simple(body, given, endpoint) if quick else None
    if simple is not None:
        thorough = bounds.of(body, found, endpoint, "m")
        assert simple == (thorough.input, thorough.output, thorough.estimate)
        assert (thorough.answers, thorough.marks, thorough.elsewhere) == (1, frozenset(), False)
        price = Price("p", "m", "prc", 0, (Tier(0, 1, 2, 3, 4, 5),))
        assert bounds.is_plain((price,), thorough, found)


PIECES = st.sampled_from(
    [
        *(
            b'"a":1',
            b'"model":"m"',
            b'"Model":"m"',
            b'"mod\\u0065l":"m"',
            b'"a" : 1',
            b'"a":[1, 2]',
        ),
        *(b'"\xc3\xa9":1', b'"\\u00e9":1', b'"":{}', b'"b":"}"', b'"stream":true', b'"STREAM":1'),
        *(b'"a":"\xff"', b'"a"', b"1", b'"x":', b'"a":1 ', b' "b":{"model":"n"}'),
    ]
)
OBJECTS = st.builds(
    lambda parts, comma, end: b"{" + comma.join(parts) + end,
    st.lists(PIECES, max_size=4),
    st.sampled_from([b",", b",", b",", b", ", b",\n", b",,"]),
    st.sampled_from([b"}", b"}", b"}", b" }", b"}\n", b"}}", b""]),
)


def read_at_top(read: Callable[[bytes], dict[str, bytes]], body: bytes) -> object:
    try:
        return list(read(body).items())
    except jsonspan.Malformed as error:
        return str(error)


@settings(max_examples=200)
@given(OBJECTS)
def test_values_are_what_lies_at_the_spans(body: bytes) -> None:
    """However a body is written, with keys twice or in disguise: the same values in the same order,
    or the same refusal (R-3)."""

    def at_spans(body: bytes) -> dict[str, bytes]:
        return {key: body[start:end] for key, (start, end) in jsonspan.spans(body).items()}

    assert read_at_top(jsonspan.values, body) == read_at_top(at_spans, body)


def test_little_is_remembered_of_the_keys_that_callers_invent() -> None:
    """Bodies with thousands of keys, each time others, leave nothing behind (R-33)."""
    remembered = jsonspan._is_well_named.cache_info().currsize
    for number in range(3):
        keys = [f"k{number}_{one}" for one in range(1000)]
        body = json.dumps(dict.fromkeys(keys, 1), separators=(",", ":")).encode()
        assert list(jsonspan.values(body)) == keys
    long = json.dumps({"k" * 1000: 1}, separators=(",", ":")).encode()
    assert list(jsonspan.values(long)) == ["k" * 1000]
    assert jsonspan._is_well_named.cache_info().currsize == remembered


def test_most_bodies_are_simple() -> None:
    """A text with a bound is (R-41); what asks for several answers, or brings an image, is not."""

    def is_simple(**more: object) -> bool:
        body = json.dumps({"model": "m", "messages": [{"content": "Hello"}]} | more).encode()
        given = jsonspan.values(body)
        quick = bounds.is_simple(given)
        return quick and bounds.simple(body, given, Endpoint.CHAT) is not None

    assert is_simple()
    assert is_simple(max_tokens=5, temperature=0.5)
    others: list[dict[str, object]] = [
        {"n": 1},
        {"tools": []},
        {"stream": False},
        {"service_tier": "auto"},
        {"user": "me"},
        {"max_tokens": None},
        {"max_tokens": 5, "max_completion_tokens": 6},
        {"messages": [{"type": "image_url"}]},
        {"messages": "A\u0001"},
    ]
    for more in others:
        assert not is_simple(**more), more


# -- its open record

ID = st.binary(min_size=16, max_size=16)
TEXT = st.text(max_size=20)
NUMBERS = st.integers(0, 2**63 - 1)
OPENED = st.builds(
    AttemptOpened,
    request_id=ID,
    attempt=st.integers(0, 9),
    org=ID,
    key_id=ID,
    started_us=NUMBERS,
    endpoint=st.sampled_from(list(Endpoint)),
    dialect=st.sampled_from(list(Dialect)),
    stream=st.booleans(),
    requested_model=TEXT,
    sent_model=TEXT,
    provider=TEXT,
    price_provider=TEXT,
    credential_id=st.none() | ID,
    route=st.none() | TEXT,
    route_reason=TEXT,
    trace_id=ID,
    queue_us=st.integers(0, 2**40),
    reserved_pico=st.none() | NUMBERS,
    caller_key=st.none() | TEXT,
    caller_retry=st.none() | st.integers(0, 99),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    team=st.none() | ID,
)


@settings(max_examples=200)
@given(OPENED, ID, ID, NUMBERS | st.integers(0, 300), st.none() | NUMBERS | st.integers(0, 300))
def test_a_record_that_was_packed_once_is_the_record(
    of: AttemptOpened, request_id: bytes, trace_id: bytes, at_us: int, reserved: int | None
) -> None:
    """What is cut together reads as what the encoder writes, whatever stands in it (R-15)."""
    frame = Opening(of).frame(request_id, at_us, trace_id, reserved)
    wanted = msgspec.structs.replace(
        of, request_id=request_id, started_us=at_us, trace_id=trace_id, reserved_pico=reserved
    )
    decoded = spool.decode(frame)
    assert (decoded.records, decoded.error) == ([wanted], None)
    assert decoded.consumed == len(frame)
    assert decoded == (spool.decode(spool.encode(wanted))._replace(consumed=len(frame)))
