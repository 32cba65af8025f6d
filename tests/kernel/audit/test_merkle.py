"""The tree and the notes, against vectors that others published (K-50)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd0c.base.errors import InvalidInput, SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.audit import checkpoint, merkle
from dd0c.kernel.audit.checkpoint import Checkpoint, Signer
from tests.kernel.audit.world import SEED

LEAVES = (
    *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
    "606162636465666768696a6b6c6d6e6f",
)
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The reference tree of Certificate Transparency (certificate-transparency, merkletree tests)."""

INCLUSION_OF_6_IN_8 = (
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
)
CONSISTENCY_OF_6_AND_8 = (
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
)
"""From the same tests: of the sixth leaf, and of these two sizes."""

NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBt"
    "iFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
"""The example of golang.org/x/mod/sumdb/note, after which signed notes were specified."""

HASHES = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]


def path_over(spans: list[merkle.Span], hashes: list[bytes]) -> list[bytes]:
    """The root over each span of these leaves."""
    return [merkle.root_of(hashes[low:high]) for low, high in spans]


def test_the_tree_has_the_published_roots() -> None:
    """Root and growth from any size to any other, for the reference tree of 1 to 8 leaves."""
    assert merkle.fold(()) == merkle.EMPTY
    for first in range(9):
        frontier = merkle.extend((), 0, HASHES[:first])
        for second in range(max(first, 1), 9):
            grown = merkle.extend(frontier, first, HASHES[first:second])
            assert merkle.fold(grown).hex() == ROOTS[second - 1]


def test_the_proofs_are_the_published_ones() -> None:
    """Paths that others made, hash by hash."""
    inclusion = path_over(merkle.inclusion(5, 8), HASHES)
    assert tuple(step.hex() for step in inclusion) == INCLUSION_OF_6_IN_8
    consistency = path_over(merkle.consistency(6, 8), HASHES)
    assert tuple(step.hex() for step in consistency) == CONSISTENCY_OF_6_AND_8


def spoilt(path: list[bytes]) -> Iterator[list[bytes]]:
    """The path with a step too many, and with each step changed, and left out."""
    yield [*path, merkle.EMPTY]
    for n, step in enumerate(path):
        yield [*path[:n], merkle.join(step, step), *path[n + 1 :]]
        yield [*path[:n], *path[n + 1 :]]


@given(st.integers(1, 300), st.data())
def test_proofs_hold_for_what_they_are_of_and_nothing_else(size: int, data: st.DataObject) -> None:
    """Any leaf of any tree, any two sizes; one changed, missing or added hash and they fail."""
    leaves = [merkle.leaf_hash(str(n).encode()) for n in range(size)]
    root = merkle.root_of(leaves)
    at = data.draw(st.integers(0, size - 1))
    path = path_over(merkle.inclusion(at, size), leaves)
    assert merkle.proves_inclusion(leaves[at], at, size, root, path)
    assert not merkle.proves_inclusion(leaves[at], size, size, root, path)
    first = data.draw(st.integers(1, size))
    before = first, merkle.root_of(leaves[:first])
    grew = path_over(merkle.consistency(first, size), leaves)
    assert merkle.proves_consistency(before, (size, root), grew)
    assert not merkle.proves_consistency((first, bytes(32)), (size, root), grew)
    for bad in spoilt(path):
        assert not merkle.proves_inclusion(leaves[at], at, size, root, bad)
    for bad in spoilt(grew):
        assert not merkle.proves_consistency(before, (size, root), bad)


def test_a_published_note_opens_with_its_key_only() -> None:
    """The example of the format's first implementation, and what is a bit off it."""
    public = b64decode(NEUMANN.rpartition("+")[2])[1:]
    assert checkpoint.verifier_key("PeterNeumann", public) == NEUMANN
    assert checkpoint.open_note(NOTE, "PeterNeumann", public).startswith("If you think")
    for note, name, key in (
        (NOTE.replace("problem", "trouble", 1), "PeterNeumann", public),
        (NOTE, "EnochRoot", public),
        (NOTE, "PeterNeumann", bytes(32)),
        (NOTE.replace("— ", "- "), "PeterNeumann", public),
        (NOTE.replace("x08go", "x08g!"), "PeterNeumann", public),
        ("", "PeterNeumann", public),
    ):
        with pytest.raises(InvalidInput):
            checkpoint.open_note(note, name, key)


def test_a_checkpoint_is_what_was_signed() -> None:
    """A head that is signed opens as it was; another log's, and no checkpoint at all, do not."""
    signer = Signer(Secret(SEED))
    assert signer.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signed = Checkpoint(checkpoint.origin("ins_1", "org_1"), 8, bytes.fromhex(ROOTS[7]))
    note = signer.sign(signed)
    assert note.startswith(
        "dd0c/ins_1/org_1\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n\n— dd0c/ins_1/org_1 "
    )
    assert checkpoint.open_checkpoint(note, signed.origin, signer.public) == signed
    with pytest.raises(InvalidInput):
        checkpoint.open_checkpoint(note, "dd0c/ins_1/org_2", signer.public)
    for size in ("08", "-1", "x"):
        text = str(signed).replace("\n8\n", f"\n{size}\n")
        with pytest.raises(InvalidInput, match="changed"):
            checkpoint.open_checkpoint(
                note.replace(str(signed), text), signed.origin, signer.public
            )
    with pytest.raises(SetupError):
        Signer(Secret("no key"))
