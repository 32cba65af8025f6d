"""One suite for every place that content may lie in."""

from __future__ import annotations

import asyncio
import hashlib
import random
import tracemalloc
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from dd0c.base import ids, secrets
from dd0c.base.errors import Internal, NotFound, TooLarge
from dd0c.base.secrets import Secret
from dd0c.kernel.content import chunks, policies, sweeping
from dd0c.kernel.content.chunks import CHUNK_BYTES, Cipher
from dd0c.kernel.content.contents import KEPT_WITHIN, Blob, Content
from dd0c.kernel.content.kinds import HOOK_BODY, Kind, Mode
from dd0c.kernel.db import tenancy
from tests.kernel.content.conftest import Store

EXPORT = Kind("test.export", "Large.", Mode.WHOLE, 7)
ANSWER = Kind("test.answer", "With secrets.", Mode.CAPTURE, 30)
MANY = 9 * CHUNK_BYTES + 12_345
"""More than one part of an upload to S3."""


def noise(size: int) -> bytes:
    """Bytes that are nothing else's."""
    return random.Random(size).randbytes(size)


async def pieces_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    """The data in pieces of a size that no chunk has."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def kept(store: Store, data: bytes, kind: Kind = EXPORT) -> uuid.UUID:
    """The id of a content of acme's."""
    blob = await store.contents.put(store.acme, kind, data)
    assert blob is not None
    async with tenancy.tenant(store.pool, store.acme) as tx:
        return await store.contents.keep(tx, blob)


async def read(store: Store, content: uuid.UUID) -> bytes:
    """All of a content of acme's."""
    return await (await store.contents.open(store.acme, content)).read()


async def sealed_of(store: Store, blob: uuid.UUID) -> list[bytes]:
    """The chunks as they lie there."""
    found: list[bytes] = []
    while (sealed := await store.place.read(store.acme, blob, len(found))) is not None:
        found.append(sealed)
    return found


async def put_back(store: Store, blob: uuid.UUID, sealed: list[bytes]) -> None:
    """Other chunks in the place of those that lie there."""
    await store.place.delete(store.acme, blob)
    async with store.place.writing(store.acme, blob) as write:
        for chunk in sealed:
            await write(chunk)


async def set_policy(store: Store, kind: Kind, mode: Mode, days: int = 30) -> None:
    """What acme wants of a kind."""
    async with tenancy.tenant(store.pool, store.acme) as tx:
        await policies.save(tx, store.acme, kind, mode, days=days, now=store.clock.now())


async def test_what_was_put_is_read_whole_and_in_parts(store: Store) -> None:
    """At every edge of a chunk a content comes back byte for byte, and so does any range of it;
    nothing of it lies anywhere in the clear (K-85)."""
    for size in (0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, MANY):
        data = noise(size)
        blob = await store.contents.put(store.acme, EXPORT, pieces_of(data, 700_001))
        assert blob is not None
        async with tenancy.tenant(store.pool, store.acme) as tx:
            await store.contents.keep(tx, blob)
        opened = await store.contents.open(store.acme, blob.id)
        assert await opened.read() == data
        told = opened.content
        assert (told.size, told.sha256) == (size, hashlib.sha256(data).digest())
        for start, end in ((0, 1), (size // 2, size), (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (7, 7)):
            found = b"".join([piece async for piece in opened.pieces(start, end)])
            assert found == data[start:end], (size, start, end)
        lies = b"".join(await sealed_of(store, blob.id))
        assert size < 64 or data[:64] not in lies


async def test_what_was_changed_does_not_open(store: Store) -> None:
    """Chunks out of order, cut off, repeated, flipped, or of another content and another
    organisation open to nothing (K-85, K-30)."""
    content = await kept(store, noise(3 * CHUNK_BYTES))
    other = await sealed_of(store, await kept(store, noise(3 * CHUNK_BYTES + 1)))
    blob = await store.contents.put(store.globex, EXPORT, noise(3 * CHUNK_BYTES))
    assert blob is not None
    a, b, c = await sealed_of(store, content)
    flipped = bytes((b[0] ^ 1,)) + b[1:]
    for wrong in ([b, a, c], [a, c, b], [a, a, c], [a, b], [a, flipped, c], [a, other[1], c], []):
        await put_back(store, content, wrong)
        with pytest.raises((Internal, NotFound)):
            await read(store, content)
    async with tenancy.tenant(store.pool, store.globex) as tx:
        await store.contents.keep(tx, blob)
    await store.place.delete(store.globex, blob.id)
    async with store.place.writing(store.globex, blob.id) as write:
        for chunk in (a, b, c):
            await write(chunk)
    with pytest.raises(Internal, match="does not open"):
        await (await store.contents.open(store.globex, blob.id)).read()
    await put_back(store, content, [a, b, c])
    assert await read(store, content) == noise(3 * CHUNK_BYTES)
    with store.database.cluster.admin(store.database.name) as admin:  # less than there is
        admin.execute(f"UPDATE kernel.contents SET size = {CHUNK_BYTES} WHERE id = '{content}'")
    with pytest.raises(Internal, match="does not open"):
        await read(store, content)


def test_a_chunk_is_bound_to_its_content_and_organisation() -> None:
    """Even under one key a chunk opens for its own content and organisation only (K-85)."""
    key, org, content = chunks.new_key(), ids.new(), ids.new()
    sealed = Cipher(key, org, content).seal(0, b"whole", last=True)
    for other in (Cipher(key, ids.new(), content), Cipher(key, org, ids.new())):
        with pytest.raises(Internal, match="does not open"):
            other.open(0, sealed, last=True)
    assert Cipher(key, org, content).open(0, sealed, last=True) == b"whole"


async def test_a_pointer_to_anothers_content_points_to_nothing(store: Store) -> None:
    """Whoever writes down the id of another organisation's content hears what they hear of one that
    does not exist, and cannot end it (K-85, K-11)."""
    content = await kept(store, b"acme's")
    for wanted in (content, ids.new()):
        with pytest.raises(NotFound, match="there is no such content"):
            await store.contents.open(store.globex, wanted)
        async with tenancy.tenant(store.pool, store.globex) as tx:
            with pytest.raises(NotFound, match="there is no such content"):
                await store.contents.forget(tx, wanted)
    assert await read(store, content) == b"acme's"


async def test_what_is_ended_is_gone(store: Store) -> None:
    """A deleted content opens no more from the moment that its row is gone, and its bytes go too;
    one whose time is over neither (K-85)."""
    content, other = await kept(store, noise(10)), await kept(store, noise(20))
    async with tenancy.tenant(store.pool, store.acme) as tx:
        row = await store.contents.forget(tx, content)
    with pytest.raises(NotFound):
        await read(store, content)
    assert await sealed_of(store, content)
    await store.contents.remove(store.acme, row)
    assert not await sealed_of(store, content)
    store.clock.ahead = timedelta(days=EXPORT.days, minutes=1)
    with pytest.raises(NotFound):
        await read(store, other)
    await sweeping.delete_expired(store.work)
    assert not await sealed_of(store, other)
    assert not await rows(store)


async def rows(store: Store) -> list[Content]:
    """The contents of acme that are not over."""
    async with tenancy.tenant(store.pool, store.acme) as tx:
        return await store.contents.list_contents(tx, 100)


async def test_an_organisation_decides_how_long_and_whether(store: Store) -> None:
    """Another retention holds for what lies there; `never` stores nothing, ends what there was, and
    says so with None before a byte is read (K-85)."""
    content = await kept(store, b"kept")
    await set_policy(store, EXPORT, Mode.WHOLE, 400)
    store.clock.ahead = timedelta(days=399)
    assert await read(store, content) == b"kept"
    await set_policy(store, EXPORT, Mode.NEVER, 400)
    with pytest.raises(NotFound):
        await read(store, content)

    async def unread() -> AsyncIterator[bytes]:
        yield pytest.fail("somebody read what is never stored")

    assert await store.contents.put(store.acme, EXPORT, unread()) is None
    assert await store.contents.put(store.acme, HOOK_BODY, b"another kind") is not None
    assert await store.contents.put(store.globex, EXPORT, b"another organisation") is not None
    await set_policy(store, EXPORT, Mode.WHOLE)
    with pytest.raises(NotFound):
        await read(store, content)


async def test_nothing_of_an_erased_organisation_opens(store: Store) -> None:
    """With an organisation the keys of its contents end, wherever their bytes lie, and those go a
    day later (K-85, K-14)."""
    content = await kept(store, noise(10))
    async with tenancy.system(store.pool) as tx:
        await tx.execute("SELECT kernel.erase_organisation(%s, now())", (store.acme,))
    with pytest.raises(NotFound):
        await read(store, content)
    store.clock.ahead = sweeping.GRACE + timedelta(minutes=1)
    await sweeping.sweep(store.work)
    assert not await blobs(store)


async def test_capture_stores_no_secret(store: Store) -> None:
    """What is captured has a mark in place of secrets, those that pieces cut in two included, and
    every other byte as it came (K-85, K-40)."""
    canary = secrets.keep(Secret("canary-3f9a-in-the-coal-mine")).reveal()
    data = f'\xff{{"token": "{canary}", "kept": "ü"}}\nAuthorization: Bearer {canary}'.encode(
        "latin1"
    )
    for size in (1, 7, len(data)):
        blob = await store.contents.put(store.acme, ANSWER, pieces_of(data, size))
        assert blob is not None
        async with tenancy.tenant(store.pool, store.acme) as tx:
            await store.contents.keep(tx, blob)
        found = await read(store, blob.id)
        assert canary.encode() not in found
        assert found.count(b"[secret:") == 2
        assert found.startswith(b'\xff{"token": "[secret:')
        assert b'"kept": "\xfc"}\nAuthorization' in found
    await set_policy(store, ANSWER, Mode.WHOLE)
    assert canary.encode() in await read(store, await kept(store, data, ANSWER))


async def test_what_is_too_much_or_fails_leaves_nothing(store: Store) -> None:
    """A put beyond its bound, or whose source fails, leaves no byte behind (K-85)."""

    async def failing() -> AsyncIterator[bytes]:
        yield noise(MANY)
        raise ValueError("the source is gone")

    with pytest.raises(TooLarge):
        await store.contents.put(store.acme, EXPORT, noise(MANY), size_max=MANY - 1)
    with pytest.raises(ValueError, match="the source is gone"):
        await store.contents.put(store.acme, EXPORT, failing())
    assert not await blobs(store)


async def blobs(store: Store) -> set[uuid.UUID]:
    """All that lies in the place, parts of it included."""
    if hasattr(store.place, "list_blobs"):
        return {blob async for blob in store.place.list_blobs()}
    with store.database.cluster.admin(store.database.name) as admin:
        found = admin.execute("SELECT DISTINCT blob FROM kernel.content_chunks").fetchall()
    return {uuid.UUID(str(blob)) for (blob,) in found}


async def test_a_sweep_takes_orphans_and_nothing_else(store: Store) -> None:
    """A blob that is being put, or was put and is not kept yet, outlives every sweep; a day later
    it is an orphan and goes, and can be kept no more. Contents stay (K-85)."""
    content = await kept(store, b"referenced")
    half, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield noise(MANY)
        half.set()
        await go_on.wait()
        yield b"the end"

    putting = asyncio.create_task(store.contents.put(store.acme, EXPORT, slow()))
    await half.wait()
    store.clock.ahead = KEPT_WITHIN / 2
    await sweeping.sweep(store.work)
    go_on.set()
    blob = await putting
    assert isinstance(blob, Blob)
    await sweeping.sweep(store.work)
    async with tenancy.tenant(store.pool, store.acme) as tx:
        await store.contents.keep(tx, blob)
    assert (await read(store, blob.id)).endswith(b"the end")
    orphan = await store.contents.put(store.acme, EXPORT, b"nobody's")
    assert orphan is not None
    store.clock.ahead += sweeping.GRACE + timedelta(minutes=1)
    with pytest.raises(Internal, match="too long ago"):
        async with tenancy.tenant(store.pool, store.acme) as tx:
            await store.contents.keep(tx, orphan)
    await sweeping.sweep(store.work)
    assert await blobs(store) == {content, blob.id}
    assert await read(store, content) == b"referenced"


async def test_a_put_holds_little_in_memory(store: Store) -> None:
    """However much comes, a put holds no more than a few chunks of it (K-85)."""

    async def much() -> AsyncIterator[bytes]:
        for _ in range(32 * 16):
            yield bytes(CHUNK_BYTES // 16)

    await store.contents.put(store.acme, EXPORT, b"what is loaded once is loaded")
    tracemalloc.start()
    try:
        await store.contents.put(store.acme, EXPORT, much())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 24 * CHUNK_BYTES
