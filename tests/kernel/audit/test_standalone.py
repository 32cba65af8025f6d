"""The one file for an auditor who has nothing of ours: run as it is run there, by `python -I`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dd0c.kernel.audit import standalone
from tests.support import bundles
from tests.support.bundles import Export, Signer

PROGRAM = Path(standalone.__file__)
L = 2**252 + 27742317777372353535851937790883648493
VECTORS = {  # RFC 8032, 7.1: public key, message, signature
    "1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
        "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
        "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ec"
        "fdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}
SMALL_ORDER = (  # the eight points of the small subgroup, and other spellings of them
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


@pytest.mark.parametrize("name", VECTORS)
def test_signatures_are_checked_as_published(name: str) -> None:
    """The auditor's Ed25519 takes the vectors of RFC 8032, and none of them with a bit changed
    (K-51)."""
    key, message, signature = map(bytes.fromhex, VECTORS[name])
    assert standalone.is_signed(key, message, signature)
    for at in (0, 31, 32, 63):
        bent = bytearray(signature)
        bent[at] ^= 1
        assert not standalone.is_signed(key, message, bytes(bent))
    assert not standalone.is_signed(key, message + b"\0", signature)
    assert not standalone.is_signed(bytes([key[0] ^ 1]) + key[1:], message, signature)


def test_a_signature_has_one_spelling() -> None:
    """S beyond the order, inputs of another length and points of small order are refused (K-51)."""
    key, message, signature = map(bytes.fromhex, VECTORS["3"])
    higher = int.from_bytes(signature[32:], "little") + L
    assert not standalone.is_signed(key, message, signature[:32] + higher.to_bytes(32, "little"))
    for odd in (b"", signature[:-1], signature + b"\0"):
        assert not standalone.is_signed(key, message, odd)
    for odd in (b"", key[:-1], key + b"\0"):
        assert not standalone.is_signed(odd, message, signature)
    for beyond in range(19):
        with pytest.raises(ValueError, match="no point"):
            standalone._point((standalone.P + beyond).to_bytes(32, "little"))
    for small in map(bytes.fromhex, SMALL_ORDER):
        assert not standalone.is_signed(small, message, small + bytes(32))
        assert not standalone.is_signed(small, message, signature)
        assert not standalone.is_signed(key, message, small + signature[32:])


def test_a_path_leads_to_the_root_from_its_own_leaf_only() -> None:
    """Inclusion holds for each leaf of each small tree, and for no other leaf, place, size or path
    (K-51)."""
    for size in range(1, 18):
        lines = bundles.entries(size)
        now = standalone.Checkpoint("", size, bundles.root(lines))
        for index, line in enumerate(lines):
            way, leaf = bundles.path(index, lines), standalone.leaf(line)
            assert standalone.is_in(now, index, leaf, way)
            assert not standalone.is_in(now, index, standalone.leaf(line + b" "), way)
            assert not standalone.is_in(now, index, leaf, [*way, leaf])
            assert not standalone.is_in(now, index, leaf, way[:-1]) or not way
            assert not standalone.is_in(now, index + size, leaf, way)
            assert not any(standalone.is_in(now, n, leaf, way) for n in range(size) if n != index)


def test_it_is_one_short_file_of_the_standard_library() -> None:
    """The verifier can be read: at most 300 lines, and it imports nothing that Python lacks
    (K-51)."""
    text = PROGRAM.read_text()
    assert text.count("\n") <= 300
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    assert names <= sys.stdlib_module_names


def run(*arguments: str | Path) -> tuple[int, str]:
    """Its exit status and what it says, away from our code."""
    done = subprocess.run(
        [sys.executable, "-I", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def signer() -> Signer:
    """Who signs."""
    return Signer()


def test_a_good_export_is_good(signer: Signer, tmp_path: Path) -> None:
    """The whole log and a selection pass, as zip and as folder, with the checkpoint of before and
    the known key (K-51)."""
    lines = bundles.entries(21)
    kept = tmp_path / "kept.txt"
    kept.write_bytes(signer.sign(lines[:13]))
    full = bundles.whole(signer, lines).write(tmp_path / "full.zip")
    some = bundles.selection(signer, lines, [2, 3, 17]).write(tmp_path / "some.zip")
    status, said = run(full, "--checkpoint", kept, "--key", signer.text.decode(), "--complete")
    assert (status, said.splitlines()[-1]) == (0, "nothing is wrong")
    assert "21 of all 21; texts: 7 of 7" in said
    zipfile.ZipFile(some).extractall(tmp_path / "folder")
    status, said = run(tmp_path / "folder")
    assert (status, "3 of a selection of 21" in said) == (0, True)


def _again(lines: list[bytes], at: int) -> list[bytes]:
    """The log made anew from there on, all hashes right."""
    return [*lines[:at], *bundles.entries(len(lines), "other")[at:]]


TAMPERED: dict[str, tuple[Callable[[Export], Export], str]] = {
    "edit": (
        lambda e: replace(
            e, lines=[*e.lines[:4], e.lines[4].replace(b"fine", b"fake"), *e.lines[5:]]
        ),
        "entry 6 does not follow from the one before",
    ),
    "edit of the last": (
        lambda e: replace(e, lines=[*e.lines[:-1], e.lines[-1].replace(b"fine", b"fake")]),
        "do not add up to the root",
    ),
    "delete": (
        lambda e: replace(e, lines=e.lines[:4] + e.lines[5:]),
        "entry 6 stands after 4: what was between them is missing",
    ),
    "truncate": (lambda e: replace(e, lines=e.lines[:-6]), "here are 15 entries, 21 were signed"),
    "swap": (
        lambda e: replace(e, lines=[*e.lines[:4], e.lines[5], e.lines[4], *e.lines[6:]]),
        "entry 5 stands after 6: it is there twice, or out of order",
    ),
    "duplicate": (
        lambda e: replace(e, lines=[*e.lines[:5], e.lines[4], *e.lines[5:]]),
        "entry 5 stands after 5: it is there twice",
    ),
    "another spelling": (
        lambda e: replace(e, lines=[*e.lines[:-1], e.lines[-1].replace(b'":', b'": ', 1)]),
        "entry 21 cannot be read: it is not canonical JSON",
    ),
    "no JSON": (lambda e: replace(e, lines=[*e.lines[:-1], b"[" * 100_000]), "entry 21 cannot be"),
    "another log": (
        lambda e: replace(e, lines=[x.replace(b'"org_1"', b'"org_2"') for x in e.lines]),
        "entry 1 is of another log: org_2",
    ),
    "rebuild": (lambda e: replace(e, lines=_again(e.lines, 0)), "do not add up to the root"),
    "another text": (
        lambda e: replace(e, disclosed=[x.replace(b"Zo", b"Za") for x in e.disclosed]),
        "entry 3: the text disclosed for it is not the one that was noted",
    ),
    "a text of nothing": (
        lambda e: replace(e, disclosed=[*e.disclosed, b'{"sequence":99}']),
        "a proof or a text is of entry 99, which is not here",
    ),
    "checkpoint": (
        lambda e: replace(e, checkpoint=e.checkpoint.replace(b"\n21\n", b"\n20\n")),
        "it was changed, or the key",
    ),
    "another key": (lambda e: replace(e, key=Signer().text), "did not sign it"),
    "the key's hash": (
        lambda e: replace(e, key=re.sub(rb"\+[0-9a-f]{8}\+", b"+00000000+", e.key)),
        "the key is not NAME+HASH+KEY",
    ),
    "no key": (lambda e: replace(e, key=b"x+y+AAAA"), "the key is not NAME+HASH+KEY"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_tampered_with_is_named(how: str, signer: Signer, tmp_path: Path) -> None:
    """Each way to tamper with an export is found, in words that say what and where (K-51)."""
    tamper, words = TAMPERED[how]
    export = tamper(bundles.whole(signer, bundles.entries(21)))
    status, said = run(export.write(tmp_path / "x.zip"))
    assert (status, words in said) == (1, True), said


def test_a_selection_cannot_be_tampered_with(signer: Signer, tmp_path: Path) -> None:
    """An entry of a selection that was edited, or whose proof is another's or gone, is named
    (K-51)."""
    good = bundles.selection(signer, bundles.entries(21), [2, 3, 17])
    assert good.proofs is not None
    swapped = [good.proofs[0].replace(b":2}", b":3}"), good.proofs[1], good.proofs[2]]
    for bad, words in (
        (
            replace(good, lines=[good.lines[0].replace(b"fine", b"fake"), *good.lines[1:]]),
            "entry 2",
        ),
        (replace(good, proofs=swapped), "entry 2 is not like this in the log"),
        (replace(good, proofs=good.proofs[:2]), "entry 17 is not like this in the log"),
        (replace(good, lines=good.lines[:2]), "of entry 17, which is not here"),
        (replace(good, proofs=None), "here are 3 entries, 21 were signed"),
    ):
        status, said = run(bad.write(tmp_path / "x.zip"))
        assert (status, words in said) == (1, True), said
    status, said = run(good.write(tmp_path / "x.zip"), "--complete")
    assert (status, "it is a selection, not the whole log" in said) == (1, True)


def test_a_checkpoint_kept_elsewhere_shows_what_the_key_cannot(
    signer: Signer, tmp_path: Path
) -> None:
    """Who holds the signing key cuts a log, makes it anew or forks it: the checkpoint kept
    elsewhere shows it, and one of another key or log is not taken for it (K-51)."""
    lines = bundles.entries(21)
    kept = tmp_path / "kept.txt"
    kept.write_bytes(signer.sign(lines[:13]))
    cases = [
        (bundles.whole(signer, lines[:9]), "the log was cut: it had 13 entries once, and 9 now"),
        (bundles.whole(signer, _again(lines, 0)), "its first 13 entries were others"),
        (bundles.whole(signer, bundles.entries(13, "b")), "its first 13 entries were others"),
        (bundles.whole(Signer(), lines), "did not sign it"),
        (bundles.selection(signer, lines, [3]), "a selection cannot be tied to an older"),
    ]
    for export, words in cases:
        path = export.write(tmp_path / "x.zip")
        assert run(path)[0] == 0
        status, said = run(path, "--checkpoint", kept)
        assert (status, words in said) == (1, True), said
    kept.write_bytes(signer.sign(lines, "dd0c/ins_1/org_2"))
    status, said = run(bundles.whole(signer, lines).write(tmp_path / "x.zip"), "--checkpoint", kept)
    assert (status, "is of another log: dd0c/ins_1/org_2" in said) == (1, True), said


def test_what_cannot_be_checked_is_not_called_wrong(signer: Signer, tmp_path: Path) -> None:
    """No file, no zip, a part missing or there twice: status 2, which is neither good nor bad
    (K-51)."""
    (tmp_path / "text").write_text("hello")
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    good = bundles.whole(signer, bundles.entries(3)).write(tmp_path / "twice.zip")
    with zipfile.ZipFile(good, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("entries.jsonl", "")
    torn = tmp_path / "torn.zip"
    torn.write_bytes(bundles.whole(signer, bundles.entries(3)).write(torn).read_bytes()[:-30])
    for path in ("nowhere", "text", "twice.zip", "empty.zip", "torn.zip"):
        status, said = run(tmp_path / path)
        assert (status, said.startswith("could not be checked: ")) == (2, True), (path, said)
    assert run("--nonsense")[0] == 2


def test_another_key_than_the_known_one_is_wrong(signer: Signer, tmp_path: Path) -> None:
    """An export that brings a key of its own passes alone, and not beside the key that is known
    (K-51)."""
    forged = bundles.whole(Signer(), bundles.entries(3)).write(tmp_path / "x.zip")
    assert run(forged)[0] == 0
    status, said = run(forged, "--key", signer.text.decode())
    assert (status, "signed by another key than the one you know" in said) == (1, True)


def test_findings_are_bounded(signer: Signer, tmp_path: Path) -> None:
    """A log that is wrong everywhere is counted, not printed whole (K-51)."""
    export = bundles.whole(signer, bundles.entries(300))
    every = [line.replace(b"fine", b"fake") for line in export.lines]
    status, said = run(replace(export, lines=every).write(tmp_path / "x.zip"))
    assert (status, said.splitlines()[-1]) == (1, "300 wrong")
    assert said.count("WRONG") == 50
