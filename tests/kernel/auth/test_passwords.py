"""What may be a password, and how it is kept."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher, profiles

from dd0c.base.errors import InvalidInput, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.auth import passwords
from dd0c.kernel.auth.passwords import Passwords

GOOD = Secret("nine brown lorries wait")
CONTEXT = ("grace.hopper@example.com", "Grace", "Initech")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "12 characters"),
        ("elevenchars", "12 characters"),
        ("x" * 1025, "1024 bytes"),
        ("é" * 600, "1024 bytes"),
        ("aaaaaaaaaaaaaaaaaa", "repeats"),
        ("ababababababababab", "repeats"),
        ("grace.hopper@example.com", "little more than a name"),
        ("HopperInitech1", "little more than a name"),
        ("example.com-2026", "little more than a name"),
    ],
)
def test_what_strangers_would_try_is_refused(text: str, said: str) -> None:
    """Short, endless, repeated, or made of what is known of the person: no password (K-21)."""
    with pytest.raises(InvalidInput, match=said):
        passwords.check(Secret(text), CONTEXT)


@pytest.mark.parametrize("text", ["correct horse battery", "Ünïcödé iš fïnë tøø", "a1!a1!a2?b3b"])
def test_length_is_what_counts(text: str) -> None:
    """No rules of composition: what is long and not to be guessed will do (K-21)."""
    passwords.check(Secret(text), CONTEXT)


async def test_only_the_password_opens() -> None:
    """Kept as argon2id, 19 MiB, salted; another password, nobody's hash and a broken one say no."""
    verifier = Passwords()
    kept = await verifier.hash(GOOD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert GOOD.reveal() not in kept
    assert await verifier.verify(GOOD, kept)
    assert not await verifier.verify(Secret(GOOD.reveal() + " "), kept)
    assert not await verifier.verify(GOOD, None)
    assert not await verifier.verify(Secret("\ud800"), None)


async def test_a_flood_is_told_to_come_back() -> None:
    """Two work at once and a bounded number waits: the rest is refused at once, and those who wait
    get their answer (K-21)."""
    verifier = Passwords()
    kept = PasswordHasher.from_parameters(profiles.CHEAPEST).hash("another one")
    crowd = [verifier.verify(GOOD, kept) for _ in range(passwords.WAITING_MAX + 10)]
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert answers[: passwords.WAITING_MAX] == [False] * passwords.WAITING_MAX
    assert all(isinstance(answer, Unavailable) for answer in answers[passwords.WAITING_MAX :])
    assert not await verifier.verify(GOOD, kept), "and then there is room again"
