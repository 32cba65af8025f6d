"""The Merkle tree of RFC 9162, section 2.1, as arithmetic on hashes: no storage here.

A *node* is (height, index): the root over the leaves index * 2^height up to, not including,
(index + 1) * 2^height. Any span of leaves of which proofs speak is a few nodes, largest first,
whose hashes `fold` into its root. So a proof is asked for in two steps: which spans, hence which
nodes, and then their hashes, wherever they are kept. Leaves count from 0, as in the RFC; sequences
of entries from 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

HASH_BYTES = 32
EMPTY = hashlib.sha256().digest()

Node: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry as a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def join(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over full subtrees that lie side by side, largest first."""
    if not hashes:
        return EMPTY
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = join(left, root)
    return root


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over these leaves, or over these nodes of one height."""
    return fold(extend((), 0, hashes))


def extend(frontier: Sequence[bytes], size: int, leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """The full subtrees, largest first, of a tree of `size` that gets more leaves."""
    full = list(frontier)
    for leaf in leaves:
        full.append(leaf)
        size += 1
        rest = size
        while not rest & 1:  # two of one height became one of the next
            right = full.pop()
            full[-1] = join(full[-1], right)
            rest >>= 1
    return tuple(full)


def nodes(span: Span) -> list[Node]:
    """The full subtrees of a span that begins where one of its length may."""
    low, high = span
    found = []
    while low < high:
        height = (high - low).bit_length() - 1
        found.append((height, low >> height))
        low += 1 << height
    return found


def inclusion(leaf: int, size: int) -> list[Span]:
    """Whose roots prove that a leaf is in a tree of that size (2.1.3.1)."""
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if leaf < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return path[::-1]


def consistency(first: int, second: int) -> list[Span]:
    """Whose roots prove that a tree of size `first` became one of size `second` (2.1.4.1)."""
    if not 0 < first < second:
        return []
    low, high, path = 0, second, []
    while high != first:
        middle = low + _split(high - low)
        if first <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    if low:  # else it is the first tree itself, whose root is known
        path.append((low, high))
    return path[::-1]


def proves_inclusion(
    leaf: bytes, position: int, size: int, root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the leaf's hash stands there in the tree of that root (2.1.3.2)."""
    if not 0 <= position < size:
        return False
    index, last, found = position, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            found = join(step, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = join(found, step)
        index, last = index >> 1, last >> 1
    return last == 0 and found == root


def proves_consistency(
    first: tuple[int, bytes], second: tuple[int, bytes], path: Sequence[bytes]
) -> bool:
    """Whether the tree of the second size and root began as that of the first (2.1.4.2)."""
    (small, small_root), (great, great_root) = first, second
    if small == great:
        return small_root == great_root and not path
    if not 0 < small < great or not path:
        return False
    steps = list(path) if small & (small - 1) else [small_root, *path]
    index, last = small - 1, great - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            old, new = join(step, old), join(step, new)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            new = join(new, step)
        index, last = index >> 1, last >> 1
    return last == 0 and old == small_root and new == great_root


def _split(size: int) -> int:
    """The greatest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
