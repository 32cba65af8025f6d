"""Who may send what where, and which bytes are changed for it."""

from __future__ import annotations

import json
from asyncio import BaseTransport
from typing import Any

import pytest

from dd0c.base.settings import Settings
from dd0c.products.route.hotpath import admission, limits, trace
from dd0c.products.route.hotpath.admission import Plan
from dd0c.products.route.hotpath.circuits import Circuit, Circuits
from dd0c.products.route.hotpath.dialects import ROUTES, Refusal
from dd0c.products.route.hotpath.heads import dollars, quoted
from dd0c.products.route.hotpath.keys import UNHEARD_OF, Keys
from dd0c.products.route.hotpath.limits import Limits
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.routes import Routes, Target
from dd0c.products.route.hotpath.snapshot import KeyEntry, Provider
from tests.support.worker import KEY, KEY_ID, ORG, PEPPER, SECRET, key_entry, provider

OTHER_ORG = b"x" * 16
OTHER = [(b"x-api-key", b"dd0c_sk_" + b"o" * 43)]


def routes_of(providers: tuple[Provider, ...]) -> Routes:
    return Routes(providers, Circuits(lambda _: None).replace_providers(providers))


def plan(body: bytes, path: bytes = b"/v1/chat/completions", **changes: Any) -> Plan | Refusal:
    """The plan for a body, with one provider of each dialect and a second one named `sim`."""
    request = Request()
    request.body, request.head.route = [body], ROUTES[path]
    request.head.entry = key_entry(**changes)
    providers = (provider(1), provider(1, "anthropic"), provider(2, name="sim"))
    return admission.plan(request, routes_of(providers))


def sent(body: bytes, path: bytes = b"/v1/chat/completions") -> bytes:
    """What goes to the provider for a body."""
    made = plan(body, path)
    assert isinstance(made, Plan), made
    content = b"".join(made.pieces)
    assert len(content) == made.length
    return content


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m","x": 1 }', b'{"model":"m","x": 1 }'),
        (b'{"model":"meta-llama/Llama-3"}', b'{"model":"meta-llama/Llama-3"}'),
        (b'{ "model" : "sim/m"}', b'{ "model" : "m"}'),
        (b'{"model":"sim/a/b"}', b'{"model":"a/b"}'),
        (b'{"model":"s\\u0069m/m"}', b'{"model":"m"}'),
        (b'{"model":"sim/"}', b'{"model":"sim/"}'),
        (
            b'{"model":"m","stream":true}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"stream":true,"model":"sim/m"}',
            b'{"stream":true,"stream_options":{"include_usage":true},"model":"m"}',
        ),
        (
            b'{"model":"m","stream":true,"stream_options":{}}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"model":"m","stream":true,"stream_options":null}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"model":"m","stream":true,"stream_options":{"a":1}}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true,"a":1}}',
        ),
        (
            b'{"stream_options":{"include_usage": false,"a":1},"model":"m","stream":true}',
            b'{"stream_options":{"include_usage": true,"a":1},"model":"m","stream":true}',
        ),
        (
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (b'{"model":"m","stream":false}', b'{"model":"m","stream":false}'),
        (b'{"model":"m","stream":true,"stream_options":7}',) * 2,
    ],
)
def test_only_what_must_change_is_spliced(body: bytes, expected: bytes) -> None:
    """The provider's name and the wish for usage are spliced, all else passes (R-3)."""
    assert sent(body) == expected


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (b"/v1/chat/completions", True),
        (b"/v1/completions", True),
        (b"/v1/responses", False),
        (b"/v1/messages", False),
    ],
)
def test_only_chunks_are_asked_for_usage(path: bytes, asked: bool) -> None:
    """Responses and messages tell usage unasked; nothing is added there (R-3)."""
    body = b'{"model":"claude","stream":true}'
    wish = b',"stream_options":{"include_usage":true}' if asked else b""
    assert sent(body, path) == body[:-1] + wish + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"model":"a","model":"b"}',
        b'{"model":"\xff"}',
        b'{"a":' * 5000,
        b'{"messages":[]}',
        b'{"model":null}',
        b'{"model":""}',
        b'{"model":["a"]}',
        b'{"model":"%b"}' % (b"m" * 300),
        b'{"model":"m","stream":true,"stream_options":{"a":1,"a":2}}',
    ],
)
def test_bad_bodies_are_told_what_to_do(body: bytes) -> None:
    """Whatever is wrong with a body is a 400 with a sentence (issue: bad input)."""
    refused = plan(body)
    assert isinstance(refused, Refusal)
    assert refused.status == 400
    assert refused.message.endswith(".")


@pytest.mark.parametrize(
    ("model", "allowed"),
    [("m", True), ("sim/m", True), ("n", False), ("sim/n", False), ("M", False)],
)
def test_a_key_may_be_bound_to_models(model: str, allowed: bool) -> None:
    """A model outside a key's list is a 403 that names the list (K-20)."""
    made = plan(json.dumps({"model": model}).encode(), models=("m",))
    assert isinstance(made, Plan) == allowed
    if isinstance(made, Refusal):
        assert made.status == 403


@pytest.mark.parametrize(
    ("model", "allowed"),
    [
        *[("gpt-5", True), ("gpt-5-mini", True), ("sim/gpt-5-nano", True), ("o3", True)],
        *[("gpt-4o", False), ("o3-mini", False), ("my-gpt-5", False), ("GPT-5", False)],
        *[("gpt-5*", True), ("*", False), ("sim/gpt-4o", False)],
    ],
)
def test_an_asterisk_allows_all_models_that_begin_so(model: str, allowed: bool) -> None:
    """It stands for the rest of a name, and a name without one for itself only (K-20)."""
    made = plan(json.dumps({"model": model}).encode(), models=("gpt-5*", "o3"))
    assert isinstance(made, Plan) == allowed


def test_a_model_is_not_smuggled_past_a_keys_list() -> None:
    """Of two keys of the same name nobody knows which the provider takes: refused (K-20)."""
    for body in (
        b'{"model":"gpt-5","model":"o3"}',
        b'{"model":"gpt-5","mod\\u0065l":"o3"}',
        b'{"mod\\u0065l":"o3","model":"gpt-5"}',
    ):
        refused = plan(body, models=("gpt-5*",))
        assert isinstance(refused, Refusal)
        assert refused.status == 400


class From(BaseTransport):
    """The connection of a caller at this address."""

    def __init__(self, address: str | None):
        super().__init__({"peername": address and (address, 4711)})


def asked() -> Request:
    """A request as its head tells it."""
    request = Request()
    request.head.url = b"/v1/chat/completions"
    request.head.noted += [(b"host", b"h"), (b"x-api-key", KEY.encode())]
    request.head.understand("POST", "1.1")
    return request


BEHIND = limits.of(Settings(trusted_proxies="10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "bounds", "let_in"),
    [
        ("192.0.2.7", None, BEHIND, True),
        ("::ffff:192.0.2.7", None, BEHIND, True),
        ("2001:db8::7", None, BEHIND, True),
        ("192.0.3.7", None, BEHIND, False),
        ("192.0.3.7", b"192.0.2.7", BEHIND, False),
        ("10.0.0.1", b"192.0.2.7", BEHIND, True),
        ("10.0.0.1", b"192.0.2.7", limits.of(Settings()), False),
        ("10.0.0.1", b"192.0.2.7, 198.51.100.1", BEHIND, False),
        ("10.0.0.1", b"\xff\xfe", BEHIND, False),
        (None, None, BEHIND, False),
    ],
)
def test_a_key_is_held_to_its_networks(
    peer: str | None, forwarded: bytes | None, bounds: Limits, let_in: bool
) -> None:
    """From elsewhere it is a 403, whatever the caller claims, and counts as no use of it (K-20)."""
    request = asked()
    if forwarded is not None:
        request.head.noted.append((b"x-forwarded-for", forwarded))
    table = keys(key_entry(networks=("192.0.2.0/24", "2001:db8::/32")))
    refused = admission.check_head(request, table, bounds, 1, From(peer))
    assert (refused is None) == let_in
    assert table.take_used() == ((KEY_ID,) if let_in else ())
    if refused is not None:
        assert (refused.status, refused.code) == (403, "address_not_allowed")


def test_a_use_is_told_once_and_by_the_keys_own_id() -> None:
    """Of a rotated key it says which of its line is still in use; the line is billed (K-20)."""
    table = keys(key_entry(own_id=b"n" * 16))
    for _ in range(3):
        request = asked()
        assert admission.check_head(request, table, BEHIND, 1, From("192.0.2.1")) is None
        assert request.head.entry is not None
        assert request.head.entry.key_id == KEY_ID
    assert table.take_used() == (b"n" * 16,)
    assert table.take_used() == ()


def test_an_organisations_own_provider_comes_first() -> None:
    """Own before shared, by dialect and by name; another organisation's is never chosen."""
    shared, own = provider(1), provider(2, org=ORG)
    foreign = provider(3, org=OTHER_ORG, name="theirs")
    routes = routes_of((foreign, shared, own))
    openai = ROUTES[b"/v1/chat/completions"].dialect
    choice = routes.choose(ORG, openai, "m")
    assert choice is not None
    assert choice.target.provider is own
    named = routes.choose(ORG, openai, "theirs/m")
    assert named is not None
    assert (named.target.provider, named.model) == (own, "theirs/m")
    assert routes.choose(ORG, ROUTES[b"/v1/messages"].dialect, "m") is None


def keys(*entries: KeyEntry) -> Keys:
    """A table of keys."""
    made = Keys()
    made.replace(PEPPER, entries)
    return made


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([(b"authorization", b"Bearer " + KEY.encode())], None),
        ([(b"authorization", b"bearer  " + KEY.encode() + b" ")], None),
        ([(b"x-api-key", KEY.encode())], None),
        ([(b"x-api-key", KEY.encode()), (b"authorization", b"Bearer " + KEY.encode())], None),
        ([(b"x-api-key", b"sk-ant-1"), (b"authorization", b"Bearer " + KEY.encode())], None),
        ([], "missing_api_key"),
        ([(b"authorization", b"")], "missing_api_key"),
        ([(b"authorization", b"Bearer")], "missing_api_key"),
        ([(b"authorization", b"Basic " + KEY.encode())], "missing_api_key"),
        ([(b"x-api-key", b" ")], "missing_api_key"),
        ([(b"x-api-key", KEY.encode()[:-1])], "invalid_api_key"),
        ([(b"x-api-key", KEY.encode() + b"\xff\xfe")], "invalid_api_key"),
        ([(b"x-api-key", b"\x80" * 10)], "invalid_api_key"),
        ([(b"x-api-key", KEY.encode() * 1000)], "invalid_api_key"),
        ([(b"x-api-key", b"dd0c_a"), (b"x-api-key", b"dd0c_b")], "ambiguous_api_key"),
        ([(b"x-api-key", b"a"), (b"authorization", b"Bearer b")], "ambiguous_api_key"),
    ],
)
def test_odd_keys_are_a_clear_401(headers: list[tuple[bytes, bytes]], code: str | None) -> None:
    """Whatever stands where a key should is accepted or a 401 with a reason (K-20)."""
    found = keys(key_entry()).check(headers, 1)
    if code is None:
        assert isinstance(found, KeyEntry)
    else:
        assert isinstance(found, Refusal)
        assert (found.status, found.code) == (401, code)


def test_keys_come_expire_and_go() -> None:
    """Expiry is judged at the request; a removed key is unknown at once; unsure is 503 (R-32)."""
    entry = key_entry(expires_us=100)
    table = keys(entry)
    header = [(b"x-api-key", KEY.encode())]
    assert table.check(header, 99) == entry
    expired = table.check(header, 100)
    assert isinstance(expired, Refusal)
    assert expired.code == "expired_api_key"
    table.change([], [entry.hash])
    gone = table.check(header, 99)
    assert isinstance(gone, Refusal)
    assert gone.status == 401
    assert gone is not UNHEARD_OF
    assert table.check(OTHER, 99) is UNHEARD_OF
    table.stale = True
    unsure = table.check(OTHER, 99)
    assert isinstance(unsure, Refusal)
    assert unsure.status == 503
    assert table.check(header, 99) == gone
    table.change([entry], [])
    assert table.check(header, 99) == entry


@pytest.mark.parametrize(
    "given",
    [
        None,
        b"",
        b"00",
        b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01",
        b"00-" + b"a" * 32 + b"-" + b"0" * 16 + b"-01",
        b"00-" + b"A" * 32 + b"-" + b"b" * 16 + b"-01",
        b"ff-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
        b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01-x",
        b"00-" + b"a" * 31 + b"-" + b"b" * 16 + b"-01",
        b"\xff" * 55,
    ],
)
def test_a_malformed_trace_starts_a_new_one(given: bytes | None) -> None:
    """No or a broken traceparent gives a fresh trace (R-34)."""
    begun = trace.begin(given, b"\x07" * trace.CHANCE_BYTES)
    assert not begun.continued
    assert begun.trace_id != b"\xaa" * 16
    assert begun.traceparent.startswith(b"00-" + begun.trace_id.hex().encode())


@pytest.mark.parametrize("given", [b"00-%b-%b-01", b"cc-%b-%b-01-what-comes-later"])
def test_a_trace_is_continued_with_our_span(given: bytes) -> None:
    """The caller's trace goes on, and the provider's parent is our span (R-34)."""
    begun = trace.begin(given % (b"a" * 32, b"b" * 16), b"\x07" * trace.CHANCE_BYTES)
    version, trace_id, span, flags = begun.traceparent.split(b"-")
    assert (version, trace_id, flags) == (b"00", b"a" * 32, b"01")
    assert span != b"b" * 16
    assert begun.trace_id == b"\xaa" * 16


def test_a_target_hides_and_scrubs_its_secret() -> None:
    """The secret is in no repr, and every form of it is taken out of an echo (K-40)."""
    one = provider(1)
    target = Target(one, Circuit(one.id, one.name, lambda _: None))
    assert SECRET not in repr(target)
    for form in (SECRET, "sk-provider-secret%2F%2B%3Dwith-odd-bytes-1234567890"):
        assert target.scrub(b"key: %b!" % form.encode()) == b"key: [secret]!"


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (12_500_000, "0.0000125"),
        (10**12, "1"),
        (15 * 10**11, "1.5"),
    ],
)
def test_dollars_are_exact(pico: int, text: str) -> None:
    """Pico-dollars are shown without loss and without noise (R-11)."""
    assert dollars(pico) == text.encode()


def test_a_models_name_cannot_write_headers() -> None:
    """What is not printable ASCII is encoded before it becomes a header (R-33)."""
    assert quoted("gpt-5") == b"gpt-5"
    assert quoted("a\r\nset-cookie: x") == b"a%0D%0Aset-cookie: x"
    assert quoted("é") == b"%C3%A9"
