"""Flags as they are read: every flag of flags.toml with its source absent, slow and lying (K-62).

A new flag is covered by being in the file.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

import msgspec
import pytest
from openfeature import api

from dd0c.base import ids
from dd0c.kernel.cache import client as clients
from dd0c.kernel.guard import flagfile, flags, rollout
from dd0c.kernel.guard.flagfile import Declared
from dd0c.kernel.guard.flags import KEY, STALE_AFTER_S, Flags
from dd0c.kernel.guard.rollout import Document, Setting
from tests.kernel.guard.world import Server, until

DECLARED = flagfile.load()
ORG = uuid.UUID(int=7)
"""In names of tests too, which must be the same in every process."""

LIES_ABOUT_ONE: tuple[object, ...] = (
    None,
    "on",
    1,
    True,
    [],
    {},
    {"serial": "1", "percent": 100},
    {"serial": 1, "percent": "100"},
    {"serial": 1, "percent": True},
    {"serial": 1, "percent": 100.5},
    {"serial": 1, "percent": 101},
    {"serial": 1, "percent": -1},
    {"serial": 1, "percent": 10**30},
    {"serial": None, "percent": 100},
    {"serial": 1, "orgs": {ORG.hex: "yes"}},
    {"serial": 1, "orgs": {ORG.hex: 1}},
    {"serial": 1, "orgs": [ORG.hex]},
    {"serial": 1, "tripped": "no"},
)
LIES_ABOUT_ALL = (
    b"\0",
    b"null",
    b"[]",
    b"true",
    b'"on"',
    b"{}",
    b'{"revision":1}',
    b'{"revision":1,"flags":null}',
    b'{"revision":1,"flags":[]}',
    b'{"revision":"1","flags":{}}',
    b'{"revision":1,"flags":{}',
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'{"revision":1,"flags":{"x":' + b"[" * 100_000,
)

every_flag = pytest.mark.parametrize("name", sorted(DECLARED))


@dataclass
class Time:
    """A clock that goes when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def unsafely(name: str) -> bytes:
    """A document under which the flag says the opposite of what is safe, for everybody."""
    percent = 0 if DECLARED[name].safe else 100
    return rollout.encode(Document(1, {name: Setting(1, percent)}))


def informed(name: str, now: Time) -> Flags:
    """A view that knows the flag, and does not say what is safe."""
    view = Flags(now=now)
    view.learn(unsafely(name))
    assert view.is_on(name, ORG) is not DECLARED[name].safe
    return view


@every_flag
async def test_a_flag_whose_source_is_absent_is_safe(name: str, valkey: Server) -> None:
    """Nothing there, or nobody there: after ten seconds the safe value holds, and before the first
    answer; a source that has lost its data counts as absent, not as news (K-62)."""
    assert Flags().is_on(name, ORG) is DECLARED[name].safe
    now = Time()
    view = informed(name, now)
    client = clients.open_client(valkey.settings, 1, within_s=flags.READ_WITHIN_S)
    await client.delete(KEY)
    now.now = STALE_AFTER_S
    await view.read(client)
    assert view.is_on(name, ORG) is not DECLARED[name].safe
    now.now += 0.001
    await view.read(client)
    assert view.is_on(name, ORG) is DECLARED[name].safe
    await client.set(KEY, unsafely(name))
    await view.read(client)
    assert view.is_on(name, ORG) is not DECLARED[name].safe
    await client.aclose()


@every_flag
async def test_a_flag_whose_source_is_slow_is_answered_at_once(
    name: str, own_valkey: Server
) -> None:
    """While the source takes its five seconds, reading gives up after one, evaluations go on from
    memory without waiting, and end at the safe value (K-62)."""
    now = Time()
    view = informed(name, now)
    client = clients.open_client(own_valkey.settings, 1, within_s=30.0)
    await client.set(KEY, unsafely(name))
    with own_valkey.paused():
        with pytest.raises(TimeoutError):
            await view.read(client)  # our own deadline: this client has patience
        assert view.is_on(name, ORG) is not DECLARED[name].safe
        now.now = STALE_AFTER_S + 1
        assert view.is_on(name, ORG) is DECLARED[name].safe
    await client.aclose()


@every_flag
@pytest.mark.parametrize("lie", LIES_ABOUT_ONE, ids=repr)
def test_a_flag_whose_source_lies_about_its_type_is_safe(name: str, lie: object) -> None:
    """What is said of a flag has its types or is not taken; other flags are left alone (K-62)."""
    view = informed(name, Time())
    said = {name: lie, "another": {"serial": 1, "percent": 50}}
    view.learn(msgspec.json.encode({"revision": 2, "flags": said}))
    assert view.is_on(name, ORG) is DECLARED[name].safe
    assert view.setting("another") == Setting(1, 50)


@every_flag
@pytest.mark.parametrize("body", LIES_ABOUT_ALL, ids=lambda body: repr(body[:30]))
def test_a_flag_whose_source_tells_nonsense_is_safe(name: str, body: bytes) -> None:
    """What is no document is not held to be one, and not waited out either (K-62)."""
    view = informed(name, Time())
    view.learn(body)
    assert view.is_on(name, ORG) is DECLARED[name].safe


@every_flag
async def test_a_source_that_is_huge_is_not_read_whole(name: str, valkey: Server) -> None:
    """A document beyond the bound is read up to it, and what is cut off there is none (K-62)."""
    view = informed(name, Time())
    client = clients.open_client(valkey.settings, 1)
    whole = b'{"pad":"' + b"." * flags.BODY_BYTES_MAX + b'",' + unsafely(name)[1:]
    view.learn(whole)
    assert view.is_on(name, ORG) is not DECLARED[name].safe
    await client.set(KEY, whole)
    try:
        await view.read(client)
        assert view.is_on(name, ORG) is DECLARED[name].safe
    finally:
        await client.delete(KEY)
        await client.aclose()


@every_flag
def test_a_flag_is_asked_for_as_what_it_is(name: str) -> None:
    """Asked for as text, number or object through OpenFeature it gives the caller's default, and
    one that does not exist is off (K-62)."""
    view = informed(name, Time())
    client = api.get_client(view.domain)
    assert client.get_string_value(name, "mine") == "mine"
    assert client.get_integer_value(name, 7) == 7
    assert client.get_float_value(name, 0.5) == 0.5
    assert client.get_object_value(name, {"a": 1}) == {"a": 1}
    assert client.get_boolean_value("no.such.flag", True) is True
    assert view.is_on("no.such.flag", ORG) is False


def flag(*, initial: int = 0, safe: bool = False) -> Declared:
    return msgspec.structs.replace(next(iter(DECLARED.values())), initial=initial, safe=safe)


def on_for(percent: int, orgs: list[str], name: str = "a.flag") -> set[str]:
    return {org for org in orgs if rollout.is_on(name, flag(), Setting(1, percent), org)}


def test_a_percentage_is_stable_and_grows_without_taking_from_anybody() -> None:
    """Raised step by step, whoever has the flag keeps it; 0 is nobody, 100 is everybody, and a
    share is near its percentage; another flag is on for others (K-62)."""
    orgs = [uuid.UUID(int=number).hex for number in range(4_000)]
    had: set[str] = set()
    for percent in range(101):
        have = on_for(percent, orgs)
        assert had <= have
        assert abs(len(have) / len(orgs) - percent / 100) < 0.03
        had = have
    assert on_for(0, orgs) == set()
    assert on_for(100, orgs) == set(orgs)
    assert on_for(50, orgs) != on_for(50, orgs, "another.flag")
    # Worked out with `printf 'a.flag\0acme' | b2sum -l 64`: another hash would move everybody.
    assert rollout.share("a.flag", "acme") == 0xDEB6214DAB93623A % 100


def test_one_organisation_is_set_apart_and_a_trip_outweighs_all() -> None:
    """On or off for one organisation whatever the percentage; a flag that turned itself off is safe
    for everybody; the installation as a whole has what all have (K-62)."""
    apart = Setting(1, 0, {"acme": True})
    assert rollout.is_on("f", flag(), apart, "acme")
    assert not rollout.is_on("f", flag(), apart, "globex")
    assert not rollout.is_on("f", flag(), Setting(1, 100, {"acme": False}), "acme")
    assert not rollout.is_on("f", flag(), Setting(1, 100, {"acme": True}, tripped=True), "acme")
    assert rollout.is_on("f", flag(safe=True), Setting(1, 0, tripped=True), "acme")
    assert rollout.is_on("f", flag(initial=100), Setting(0), "")
    assert not rollout.is_on("f", flag(), Setting(1, 99), "")


async def test_a_view_that_follows_takes_what_is_published_and_tells_what_it_saw(
    own_valkey: Server,
) -> None:
    """Within seconds a process has what was published, and what it observed is counted where the
    flag is on and where it is not, under the serial that it had (K-62)."""
    name = next(iter(DECLARED))
    client = clients.open_client(own_valkey.settings, 1)
    on, off = ids.new(), ids.new()
    said = Document(3, {name: Setting(3, 0, {on.hex: True})})
    async with flags.following(own_valkey.settings) as view:
        await client.set(KEY, rollout.encode(said))

        async def knows() -> bool:
            return view.is_on(name, on)

        await until(knows, "the view never learned")
        for _ in range(5):
            view.observe(name, on, ok=True)
        view.observe(name, on, ok=False)
        view.observe(name, off, ok=True)
        view.observe(name, None, ok=False)
        expected = {b"on:3:ok": b"5", b"on:3:bad": b"1", b"off:ok": b"1", b"off:bad": b"1"}
        minute = int(time.time()) // flags.MINUTE_S

        async def told() -> bool:
            pipeline = client.pipeline(transaction=False)
            for later in (0, 1):
                pipeline.hgetall(flags.seen_key(name, minute + later))
            return expected in await pipeline.execute()

        await until(told, "what was seen was never told")
    await client.aclose()
