"""What a signature proves, scheme by scheme, on bytes alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.base.errors import InvalidInput
from dd0c.base.secrets import Secret
from dd0c.kernel.hooks import schemes
from dd0c.kernel.hooks.schemes import Accepted, Kind
from tests.kernel.hooks import signing
from tests.kernel.hooks.signing import SENDERS, Headers

NOW = 1_800_000_000
BODY = json.dumps({"text": "größer", "n": 1.0}).encode()
OTHER_SPELLING = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
SECRETS = {kind: schemes.new_key(kind) for kind in SENDERS}
LEVELS = {Kind.STANDARD: 3, Kind.SLACK: 3, Kind.GITHUB: 2, Kind.HMAC: 2, Kind.BEARER: 1}
SIGNATURES = {
    Kind.STANDARD: "webhook-signature",
    Kind.SLACK: "x-slack-signature",
    Kind.GITHUB: "x-hub-signature-256",
    Kind.HMAC: "x-signature-256",
    Kind.BEARER: "authorization",
}
every = pytest.mark.parametrize("kind", SENDERS)
signed = pytest.mark.parametrize("kind", [kind for kind in SENDERS if LEVELS[kind] > 1])
fresh = pytest.mark.parametrize("kind", [kind for kind in SENDERS if LEVELS[kind] == 3])

SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
PUBLISHED = {
    Kind.STANDARD: (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        1_614_265_330,
    ),
    Kind.SLACK: (
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0="
            "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        SLACK_BODY,
        1_531_420_618,
    ),
    Kind.GITHUB: (
        "It's a Secret to Everybody",
        {
            "x-hub-signature-256": "sha256="
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        },
        b"Hello, World!",
        NOW,
    ),
}
"""The examples of the specification, of Slack's and of GitHub's documents."""


def send(kind: Kind, body: bytes = BODY, at_s: int = NOW, message: str = "msg_1") -> Headers:
    """The headers of a sender who knows the secret."""
    return SENDERS[kind](SECRETS[kind].reveal(), message, at_s, body)


def ask(
    kind: Kind,
    headers: Headers | list[tuple[str, str]],
    body: bytes = BODY,
    *keys: Secret,
) -> Accepted | None:
    """What that proves now."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    return schemes.accept(kind, raw, body, keys or [SECRETS[kind]], NOW)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_examples_are_accepted(kind: Kind) -> None:
    """What the three documents show as rightly signed is; a bit of it changed is not (K-70)."""
    secret, headers, body, at_s = PUBLISHED[kind]
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert schemes.accept(kind, raw, body, [Secret(secret)], at_s)
    assert not schemes.accept(kind, raw, body + b" ", [Secret(secret)], at_s)


@every
def test_who_knows_the_secret_is_heard(kind: Kind) -> None:
    """Each scheme accepts its sender, with the level that it can prove, under the new secret and
    the one before (K-70)."""
    accepted = ask(kind, send(kind))
    assert accepted is not None
    assert accepted.level == LEVELS[kind] == schemes.level(kind)
    assert (accepted.nonce is not None) == (kind not in (Kind.HMAC, Kind.BEARER))
    other = schemes.new_key(kind)
    assert ask(kind, send(kind), BODY, other, SECRETS[kind]) == accepted
    assert ask(kind, send(kind), BODY, SECRETS[kind], other) == accepted


@every
def test_another_secret_proves_nothing(kind: Kind) -> None:
    """Another secret, none at all, and another scheme's signature under the same one (K-70)."""
    assert not ask(kind, send(kind), BODY, schemes.new_key(kind), schemes.new_key(kind))
    assert not ask(kind, {})
    for other in SENDERS:
        if other is not kind:
            secret = SECRETS[Kind.STANDARD].reveal()
            headers = SENDERS[other](secret, "msg_1", NOW, BODY)
            assert not ask(kind, headers, BODY, Secret(secret)), other


@every
def test_a_header_stands_there_once(kind: Kind) -> None:
    """Two of one, even both right, and one missing: nobody guesses which is meant (K-70)."""
    headers = send(kind)
    needed = set(headers) - {"x-github-delivery"}
    for name in needed:
        assert not ask(kind, [*headers.items(), (name, headers[name])]), name
        assert not ask(kind, {known: value for known, value in headers.items() if known != name})


@every
def test_a_signature_has_one_spelling(kind: Kind) -> None:
    """Other case, padding, alphabet, marks, blanks, bytes that are no text: refused (K-70)."""
    headers, name = send(kind), SIGNATURES[kind]
    right = headers[name]
    mark, _, value = right.partition("," if kind is Kind.STANDARD else "=")
    odd = [right.upper(), value, f" {right}", f"{right}=", right[:-1], f"{right}\xff", "", mark]
    odd += [right.swapcase(), right.replace("sha256", "sha1"), f"{right}\x00"]
    for text in odd:
        if text != right and not (kind is Kind.STANDARD and text.startswith(" ")):  # a list
            assert not ask(kind, headers | {name: text}), text


@signed
@given(bit=st.integers(0, 8 * len(BODY) - 1))
def test_every_bit_of_the_body_is_signed(kind: Kind, bit: int) -> None:
    """One bit changed, something cut off or added: refused (K-70)."""
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert not ask(kind, send(kind), bytes(changed))
    assert not ask(kind, send(kind), BODY[: bit // 8])
    assert not ask(kind, send(kind), BODY + bytes([bit % 256]))


@signed
def test_the_bytes_are_signed_and_not_what_they_mean(kind: Kind) -> None:
    """The same JSON written anew is another body (K-70)."""
    assert OTHER_SPELLING != BODY
    assert json.loads(OTHER_SPELLING) == json.loads(BODY)
    assert not ask(kind, send(kind), OTHER_SPELLING)


@fresh
def test_a_time_lies_in_the_window(kind: Kind) -> None:
    """Five minutes before and after now are heard, a second more either way is not; nor is a time
    that was not signed, or is no number of digits (K-70)."""
    for skew in (-schemes.WINDOW_S, 0, schemes.WINDOW_S):
        assert ask(kind, send(kind, at_s=NOW + skew)), skew
    for skew in (-schemes.WINDOW_S - 1, schemes.WINDOW_S + 1, -NOW, 10**11):
        assert not ask(kind, send(kind, at_s=NOW + skew)), skew
    headers = send(kind)
    name = next(name for name in headers if "timestamp" in name)
    for text in (str(NOW - 1), f"+{NOW}", f" {NOW}", f"{NOW}.0", "", "9" * 400, "\u00b2", "now"):
        assert not ask(kind, headers | {name: text}), text


@fresh
def test_a_signature_does_not_move_to_another_message(kind: Kind) -> None:
    """What is fresh is named by what is signed: another name is another signature (K-70)."""
    accepted, later = ask(kind, send(kind)), ask(kind, send(kind, at_s=NOW + 1, message="msg_2"))
    assert accepted is not None
    assert later is not None
    assert accepted.nonce != later.nonce
    if kind is Kind.STANDARD:
        assert not ask(kind, send(kind) | {"webhook-id": "msg_2"})


def test_what_is_signed_cannot_be_cut_elsewhere() -> None:
    """An id with a full stop in it could end, or begin, in two places: it is refused (K-70)."""
    secret = SECRETS[Kind.STANDARD].reveal()
    headers = signing.standard(secret, "msg", NOW, f"{NOW}.{{}}".encode())
    assert ask(Kind.STANDARD, headers, f"{NOW}.{{}}".encode())
    assert not ask(Kind.STANDARD, headers | {"webhook-id": f"msg.{NOW}"}, b"{}")
    for odd in ("", "a b", "é", "x" * 257, "a\x01"):
        raw = [("webhook-id", odd), *list(signing.standard(secret, odd, NOW, BODY).items())[1:]]
        assert not ask(Kind.STANDARD, raw), odd


def test_a_sender_that_rotates_signs_twice() -> None:
    """One of several signatures is enough, and of very many only the first few are looked at: a
    header full of them costs no more (Standard Webhooks; K-70)."""
    right, name = send(Kind.STANDARD), SIGNATURES[Kind.STANDARD]
    other = signing.standard(schemes.new_key(Kind.STANDARD).reveal(), "msg_1", NOW, BODY)[name]
    assert ask(Kind.STANDARD, right | {name: f"v1a,{'x' * 86} {other} {right[name]}"})
    crowd = " ".join([other] * schemes.SIGNATURES_MAX)
    assert not ask(Kind.STANDARD, right | {name: f"{crowd} {right[name]}"})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            (Kind.STANDARD, text)
            for text in ("whsec_", "whsec_AAAA", "A" * 44, "whsec_" + "é" * 44)
        ),
        *(
            (kind, text)
            for kind in (Kind.SLACK, Kind.BEARER)
            for text in ("short", "x" * 257, "é" * 40)
        ),
    ],
)
def test_a_secret_that_can_be_guessed_is_refused(kind: Kind, text: str) -> None:
    """Short, long and odd ones, without repeating them (K-70)."""
    with pytest.raises(InvalidInput) as refused:
        schemes.raw_key(kind, Secret(text))
    assert text not in str(refused.value) or len(text) < 8


def test_what_we_sign_others_verify() -> None:
    """Our signature of the specification's example is the specification's (K-71)."""
    secret, headers, body, at_s = PUBLISHED[Kind.STANDARD]
    made = schemes.sign(Secret(secret), headers["webhook-id"], at_s, body)
    assert made == headers["webhook-signature"]
