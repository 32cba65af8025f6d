#!/usr/bin/env python3
"""Checks an audit export of dd0c with nothing but Python's standard library (3.10 or newer).

    python3 -I verify.py BUNDLE [--checkpoint FILE] [--key KEY] [--complete]

BUNDLE is the zip of `dd0c audit export --format bundle`, or a folder with its files:
    entries.jsonl     an entry a line: canonical JSON (RFC 8785), the very bytes that are hashed
    checkpoint.txt    size and root of the Merkle tree (RFC 9162), as a signed note (C2SP)
    key.txt           whose signature that is: NAME+HASH+KEY
    proofs.jsonl      of a selection only: each entry's path to the root
    disclosed.jsonl   texts behind commitments, which are SHA-256(salt || canonical JSON of it)

That a log was cut or made anew by who holds the key, only a checkpoint kept elsewhere shows.
Exit status: 0 nothing is wrong, 1 something is, 2 it could not be checked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LINE_MAX, SHOWN_MAX = 1 << 20, 50
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
FIELDS = {"actor", "at", "event", "facts", "id", "log", "previous", "sequence", "subject", "v"}

NEEDED = {"entries.jsonl", "checkpoint.txt", "key.txt"}


# Ed25519, RFC 8032, 5.1: the points (x, y) of a curve.
def _add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    cross, bent = a[0] * b[1] + b[0] * a[1], D * a[0] * b[0] * a[1] * b[1]
    straight = a[1] * b[1] + a[0] * b[0]
    return cross * pow(1 + bent, -1, P) % P, straight * pow(1 - bent, -1, P) % P


def _times(n: int, point: tuple[int, int]) -> tuple[int, int]:
    total = (0, 1)
    while n:
        total = _add(total, point) if n & 1 else total
        point, n = _add(point, point), n >> 1
    return total


def _point(encoded: bytes) -> tuple[int, int]:
    """ValueError unless it is a point, in its only spelling, and not of small order."""
    y, odd = int.from_bytes(encoded, "little") & (1 << 255) - 1, encoded[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    point = (P - x if x & 1 != odd else x, y)
    if y >= P or x * x % P != square or (x == 0 and odd) or _times(8, point) == (0, 1):
        raise ValueError("no point of the curve, or one of small order")
    return point


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is this key's over the message; anything odd is not."""
    s = int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or s >= L:
        return False
    try:
        a, r = _point(key), _point(signature[:32])
    except ValueError:
        return False
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little")
    base = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    return _times(s, base) == _add(r, _times(hashed % L, a))


# The Merkle tree, RFC 9162, 2.1: hashes of an entry, and of two that stand side by side.
def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(subtrees: list[bytes]) -> bytes:
    """The root over full subtrees, the greatest first."""
    found = subtrees[-1] if subtrees else hashlib.sha256().digest()
    for left in reversed(subtrees[:-1]):
        found = node(left, found)
    return found


def lefts_of(at: int, last: int) -> list[bool]:
    """Of each hash of a path, from the leaf up, whether it stands on the left."""
    lefts: list[bool] = []
    while last:
        lefts.append(bool(at & 1) or at == last)
        while lefts[-1] and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    return lefts


def is_in(now: Checkpoint, index: int, hashed: bytes, path: list[bytes]) -> bool:
    """Whether the path leads from this leaf to the root (2.1.3.2)."""
    if not 0 <= index < now.size or len(path) != len(lefts := lefts_of(index, now.size - 1)):
        return False
    for other, left in zip(path, lefts, strict=True):
        hashed = node(other, hashed) if left else node(hashed, other)
    return hashed == now.root


class Checkpoint(NamedTuple):
    """How large a log was, and the root of its tree then."""

    origin: str
    size: int
    root: bytes

    @staticmethod
    def read(note: bytes, key: str) -> Checkpoint:
        """Of a signed note; ValueError, with what is wrong, unless this key has signed it."""
        name, tag, encoded = key.strip().split("+", 2)
        public = base64.b64decode(encoded, validate=True)
        tagged = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        if public[:1] != b"\1" or tagged.hex() != tag:
            raise ValueError("the key is not NAME+HASH+KEY of an Ed25519 key")
        text, _, signatures = note.rpartition(b"\n\n")
        for line in signatures.decode().split("\n"):
            start, _, encoded = line.rpartition(" ")
            signed = base64.b64decode(encoded, validate=True) if start == f"\u2014 {name}" else b""
            if signed[:4] == tagged and is_signed(public[1:], text + b"\n", signed[4:]):
                origin, size, root, *_ = text.decode().split("\n")
                return Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
        raise ValueError(f"it was changed, or the key {name}+{tag} did not sign it")


class Bundle(NamedTuple):
    """What there is to check: its files' names, and a way to read the lines of one."""

    names: set[str]
    lines: Callable[[str], Iterator[bytes]]


def open_bundle(path: Path) -> Bundle:
    """A zip, or a folder with the same files."""
    root = path if path.is_dir() else zipfile.Path(path)
    names = [each.name for each in root.iterdir()]
    if len(names) > len(set(names)) or not set(names) >= NEEDED:
        raise ValueError("it is no audit export: a file is missing, or there twice")

    def lines(name: str) -> Iterator[bytes]:
        with (root / name).open("rb") as stream:
            while line := stream.readline(LINE_MAX):
                yield line[:-1] if line.endswith(b"\n") else line

    return Bundle(set(names), lambda name: lines(name) if name in names else iter(()))


class Beside:
    """Lines that belong to entries and stand in the same order; each is taken once."""

    def __init__(self, lines: Iterator[bytes]):
        self._lines = lines
        self.next: dict[str, Any] = json.loads(next(lines, b"{}"))

    def of(self, sequence: int) -> dict[str, Any]:
        if self.next.get("sequence") != sequence:
            return {}
        found, self.next = self.next, json.loads(next(self._lines, b"{}"))
        return found


def canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


class Check:
    """Looks at each entry once; memory does not grow with them. `wrong` has the first findings."""

    def __init__(self, bundle: Bundle, kept: bytes | None = None):
        self.wrong, self.subtrees, self.hash = list[str](), list[bytes](), "0" * 64
        self.found = self.entries = self.private = self.shown = self.last = 0
        self.whole, self.now = "proofs.jsonl" not in bundle.names, None
        self.proofs = Beside(bundle.lines("proofs.jsonl"))
        self.disclosed = Beside(bundle.lines("disclosed.jsonl"))
        self.key = b"".join(bundle.lines("key.txt")).decode()
        try:
            now = Checkpoint.read(b"\n".join(bundle.lines("checkpoint.txt")), self.key)
            self.kept = now if kept is None else Checkpoint.read(kept, self.key)
        except ValueError as error:
            self.fail(f"a checkpoint does not hold: {error}")
            return
        self.now = now
        for line in bundle.lines("entries.jsonl"):
            self.take(line, now)
        self.finish(now, self.kept)

    def fail(self, text: str) -> None:
        self.found += 1
        self.wrong += [text] if self.found <= SHOWN_MAX else []

    def take(self, line: bytes, now: Checkpoint) -> None:
        """The next entry: by itself, after the one before, in the tree."""
        at, hashed, size = self.last + 1, leaf(line), self.entries
        try:
            entry = json.loads(line)
            if canonical(entry) != line or set(entry) - {"private"} != FIELDS or entry["v"] != 1:
                raise ValueError("it is not canonical JSON, or no entry of version 1")
            at = int(entry["sequence"])
            self.look_at(at, entry, now)
            if not self.whole:
                path = [bytes.fromhex(each) for each in self.proofs.of(at).get("path", ())]
                if not is_in(now, at - 1, hashed, path):
                    self.fail(f"entry {at} is not like this in the log: its proof misses the root")
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            self.fail(f"entry {at} cannot be read: {error}")
        self.last, self.hash, self.entries = at, hashlib.sha256(line).hexdigest(), size + 1
        while size & 1:
            hashed, size = node(self.subtrees.pop(), hashed), size >> 1
        self.subtrees.append(hashed)
        if self.whole and self.kept.size == self.entries:
            self.compare(root_of(self.subtrees))

    def look_at(self, at: int, entry: dict[str, Any], now: Checkpoint) -> None:
        """Its place after the one before, and the text behind its commitment."""
        if entry["log"] != now.origin.rpartition("/")[2]:
            self.fail(f"entry {at} is of another log: {entry['log']}")
        if at <= self.last:
            self.fail(f"entry {at} stands after {self.last}: it is there twice, or out of order")
        elif at > self.last + 1 and self.whole:
            self.fail(f"entry {at} stands after {self.last}: what was between them is missing")
        elif at == self.last + 1 and entry["previous"] != self.hash:
            self.fail(f"entry {at} does not follow from the one before: one of both was changed")
        self.private += "private" in entry
        if shown := self.disclosed.of(at):
            self.shown += 1
            salted = bytes.fromhex(shown["salt"]) + canonical(shown["private"])
            if hashlib.sha256(salted).hexdigest() != entry.get("private"):
                self.fail(f"entry {at}: the text disclosed for it is not the one that was noted")

    def finish(self, now: Checkpoint, kept: Checkpoint) -> None:
        """What only all entries together can say."""
        if kept.origin != now.origin:
            self.fail(f"the checkpoint kept elsewhere is of another log: {kept.origin}")
        elif kept.size > now.size:
            self.fail(f"the log was cut: it had {kept.size} entries once, and {now.size} now")
        elif not self.whole and kept.size < now.size:
            self.fail("a selection cannot be tied to an older checkpoint: export the whole log")
        elif not self.whole:
            self.compare(now.root)
        if self.whole and self.entries != now.size:
            self.fail(f"here are {self.entries} entries, {now.size} were signed")
        elif self.whole and root_of(self.subtrees) != now.root:
            self.fail("the entries do not add up to the root that was signed")
        if alone := self.proofs.next or self.disclosed.next:
            self.fail(f"a proof or a text is of entry {alone.get('sequence')}, which is not here")

    def compare(self, root: bytes) -> None:
        if root != self.kept.root and self.kept is not self.now:
            size = self.kept.size
            self.fail(f"the log was made anew, or forked: its first {size} entries were others")

    def words(self) -> Iterator[str]:
        if now := self.now:
            of = f"all {now.size:,}" if self.whole else f"a selection of {now.size:,}"
            yield f"log      {now.origin}"
            yield f"entries  {self.entries:,} of {of}; texts: {self.shown:,} of {self.private:,}"
            yield f"root     {base64.b64encode(now.root).decode()}"
        yield from (f"WRONG    {each}" for each in self.wrong)
        yield f"{self.found:,} wrong" if self.found else "nothing is wrong"


def main(arguments: list[str]) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(description="Checks an audit export of dd0c.")
    parser.add_argument("bundle", type=Path, help="the zip of the export, or its folder")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that was kept elsewhere")
    parser.add_argument("--key", help="NAME+HASH+KEY, known from elsewhere")
    parser.add_argument("--complete", action="store_true", help="refuse a selection")
    given = parser.parse_args(arguments)
    try:
        kept = given.checkpoint.read_bytes() if given.checkpoint else None
        check = Check(open_bundle(given.bundle), kept)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        sys.stdout.write(f"could not be checked: {error}\n")
        return 2
    if given.key and given.key.strip() != check.key.strip():
        check.fail("it is signed by another key than the one you know")
    if given.complete and not check.whole:
        check.fail("it is a selection, not the whole log")
    sys.stdout.write("".join(f"{line}\n" for line in check.words()))
    return 1 if check.found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
