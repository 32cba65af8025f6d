"""Hashes of a log's tree as the database keeps them, and the proofs made of them.

Full tiles are kept (c2sp.org/tlog-tiles: 256 hashes of one height; those of level n are the roots
of tiles of level n - 1). What is right of the last full tile is worked out of what is below it: of
at most 255 entries, or of at most 255 tiles.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from psycopg.rows import tuple_row

from dd0c.base.errors import NotFound
from dd0c.kernel.audit import merkle
from dd0c.kernel.audit.entries import log_of
from dd0c.kernel.audit.merkle import HASH_BYTES, Node, Span
from dd0c.kernel.db.pool import Transaction

WIDTH_BITS = 8
WIDTH = 1 << WIDTH_BITS
_Read: TypeAlias = dict[tuple[int, int], list[bytes]]  # tiles by level and position


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in its log: the hashes beside its way to the root of the checkpoint."""

    sequence: int
    note: str
    path: tuple[bytes, ...]


async def prove(tx: Transaction, log: str, sequence: int) -> Proof:
    """Of an entry, against the newest checkpoint; NotFound where there is no such entry."""
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute("SELECT size, note FROM kernel.audit_heads WHERE log = %s", (log,))
        size, note = await cursor.fetchone() or (0, "")
    if not 0 < sequence <= size:
        raise NotFound(f"the log has no entry {sequence}")
    return Proof(sequence, note, await find_path(tx, log, sequence, size))


async def find_path(tx: Transaction, log: str, sequence: int, size: int) -> tuple[bytes, ...]:
    """The hashes beside an entry's way to the root of the log when it had this size."""
    return (await find_paths(tx, log, [sequence], size))[sequence]


async def find_paths(
    tx: Transaction, log: str, sequences: Iterable[int], size: int
) -> dict[int, tuple[bytes, ...]]:
    """Those of many entries, by sequence: what their ways have in common is read once."""
    read: _Read = {}
    return {
        sequence: await _hashes(tx, log, merkle.inclusion(sequence - 1, size), read)
        for sequence in sequences
    }


async def prove_consistency(
    tx: Transaction, log: str, first: int, second: int
) -> tuple[bytes, ...]:
    """That the log of size `second`, which it has or had, began as that of size `first`."""
    return await _hashes(tx, log, merkle.consistency(first, second))


async def keep_full(tx: Transaction, org: uuid.UUID | None, before: int, size: int) -> None:
    """Keep each tile that became full when a log grew to `size`; its entries are there."""
    log = log_of(org)
    for level in range(size.bit_length() // WIDTH_BITS):
        shift = WIDTH_BITS * (level + 1)
        rows = []
        for position in range(before >> shift, size >> shift):
            hashes = await _open_tile(tx, log, level, position)
            rows.append((log, level, position, org, b"".join(hashes), merkle.root_of(hashes)))
        if not rows:
            return
        async with tx.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO kernel.audit_tiles (log, level, position, org, hashes, root)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                rows,
            )


async def _hashes(
    tx: Transaction, log: str, spans: Sequence[Span], read: _Read | None = None
) -> tuple[bytes, ...]:
    """The root over each of these spans."""
    known: _Read = {} if read is None else read
    found = [
        merkle.fold([await _hash(tx, log, node, known) for node in merkle.nodes(span)])
        for span in spans
    ]
    return tuple(found)


async def _hash(tx: Transaction, log: str, node: Node, read: _Read) -> bytes:
    height, index = node
    level, above = divmod(height, WIDTH_BITS)
    first = index << above
    place = (level, first >> WIDTH_BITS)
    if place not in read:
        read[place] = await _tile(tx, log, *place)
    at = first & (WIDTH - 1)
    return merkle.root_of(read[place][at : at + (1 << above)])


async def _tile(tx: Transaction, log: str, level: int, position: int) -> list[bytes]:
    async with tx.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT hashes FROM kernel.audit_tiles WHERE log = %s AND level = %s AND position = %s",
            (log, level, position),
        )
        row = await cursor.fetchone()
    if row is None:
        return await _open_tile(tx, log, level, position)
    return [row[0][at : at + HASH_BYTES] for at in range(0, WIDTH * HASH_BYTES, HASH_BYTES)]


async def _open_tile(tx: Transaction, log: str, level: int, position: int) -> list[bytes]:
    """What there is of a tile, out of what is below it."""
    first = position * WIDTH
    async with tx.cursor(row_factory=tuple_row, binary=True) as cursor:
        if level:
            await cursor.execute(
                "SELECT root FROM kernel.audit_tiles WHERE log = %s AND level = %s"
                " AND position >= %s AND position < %s ORDER BY position",
                (log, level - 1, first, first + WIDTH),
            )
        else:
            await cursor.execute(
                "SELECT sha256('\\x00'::bytea || bytes) FROM kernel.audit_entries"
                " WHERE log = %s AND sequence > %s AND sequence <= %s ORDER BY sequence",
                (log, first, first + WIDTH),
            )
        return [row[0] for row in await cursor.fetchall()]
