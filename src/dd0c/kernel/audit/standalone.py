#!/usr/bin/env python3
"""Checks an audit export of dd0c with nothing but Python's standard library (3.9 or newer).

    python3 -I verify.py BUNDLE [--checkpoint FILE] [--key KEY] [--complete]

BUNDLE is the zip of `dd0c audit export --format bundle`, or a folder with what is in it:

    entries.jsonl    one entry a line: canonical JSON (RFC 8785); these bytes are what is hashed
    checkpoint.txt   log, size and root of the Merkle tree (RFC 9162), signed (C2SP signed note)
    key.txt          whose signature that is: NAME+HASH+KEY; compare it with one you got elsewhere
    proofs.jsonl     only in a selection: for each entry its path to the root
    disclosed.jsonl  texts and names behind `private` commitments, each with its salt
    consistency.json only when asked for: that the tree of a checkpoint kept elsewhere grew to this

Checked are: the signature; of a whole log every entry, the chain and the root; of a selection every
entry's proof; every disclosed text; and that the log is the one of a checkpoint kept elsewhere
(--checkpoint). Only such a checkpoint shows that a log was cut or made anew by whoever holds its
signing key. Exit status: 0 nothing is wrong, 1 something is, 2 it could not be checked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

LINE_MAX, SHOWN_MAX = 1 << 20, 50
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
FIELDS = {"actor", "at", "event", "facts", "id", "log", "previous", "sequence", "subject", "v"}
Point = tuple[int, int, int, int]  # (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z
ZERO: Point = (0, 1, 1, 0)


class Unreadable(Exception):
    """There is nothing that could be checked."""


# Ed25519: RFC 8032, 5.1.
def _add(a: Point, b: Point) -> Point:
    q, r = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    s, t = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = r - q, t - s, t + s, r + q
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(n: int, point: Point) -> Point:
    total = ZERO
    while n:
        total = _add(total, point) if n & 1 else total
        point, n = _add(point, point), n >> 1
    return total


def _same(a: Point, b: Point) -> bool:
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 == (a[1] * b[2] - b[1] * a[2]) % P


def _point(encoded: bytes) -> Point:
    """ValueError unless it is a point, in its only spelling, and not of small order."""
    y, odd = int.from_bytes(encoded, "little") & (1 << 255) - 1, encoded[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and odd):
        raise ValueError("no point")
    x = P - x if x & 1 != odd else x
    point = (x, y, 1, x * y % P)
    if _same(_times(8, point), ZERO):
        raise ValueError("a point of small order")
    return point


BASE = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is this key's over the message; anything odd is not."""
    s = int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or s >= L:
        return False
    try:
        a, r = _point(key), _point(signature[:32])
    except ValueError:
        return False
    hashed = hashlib.sha512(signature[:32] + key + message).digest()
    return _same(_times(s, BASE), _add(r, _times(int.from_bytes(hashed, "little") % L, a)))


# The Merkle tree of RFC 9162, 2.1.
def leaf(entry: bytes) -> bytes:
    """The hash of an entry's bytes."""
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two that stand side by side."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass
class Tree:
    """A tree that grows leaf by leaf and remembers only the roots of its whole subtrees."""

    size: int = 0
    roots: list[bytes] = field(default_factory=list)

    def append(self, hashed: bytes) -> None:
        size, self.size = self.size, self.size + 1
        while size & 1:
            hashed, size = node(self.roots.pop(), hashed), size >> 1
        self.roots.append(hashed)

    @property
    def root(self) -> bytes:
        """Of all leaves so far."""
        if not self.roots:
            return hashlib.sha256().digest()
        found = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            found = node(left, found)
        return found


def root_of_path(hashed: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that an inclusion path leads to (2.1.3.2); None when it cannot be one."""
    at, last = index, size - 1
    for other in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            hashed = node(other, hashed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            hashed = node(hashed, other)
        at, last = at >> 1, last >> 1
    return hashed if last == 0 and 0 <= index < size else None


def grew(old: Checkpoint, new: Checkpoint, path: list[bytes]) -> bool:
    """Whether the path shows that the tree of `old` became that of `new` (2.1.4.2)."""
    if old.size & (old.size - 1) == 0:
        path = [old.root, *path]
    at, last = old.size - 1, new.size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not path or not 0 < old.size < new.size:
        return False
    first = second = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node(other, first), node(other, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node(second, other)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old.root and second == new.root


@dataclass
class Checkpoint:
    """How large a log was, and the root of its tree then."""

    origin: str
    size: int
    root: bytes

    @staticmethod
    def read(note: bytes, key: str) -> Checkpoint:
        """Of a signed note; ValueError, with what is wrong, unless the key NAME+HASH+KEY signed."""
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
        raise ValueError(f"it is not signed by the key {name}+{tag}, or was changed")


@dataclass
class Bundle:
    """What there is to check. Without proofs, the entries are the whole log."""

    entries: Iterable[bytes]
    checkpoint: bytes
    key: str
    proofs: Iterable[bytes] | None = None
    disclosed: Iterable[bytes] = ()
    consistency: bytes = b"{}"


@dataclass
class Report:
    """What was found: `failures` are wrong (the first of them, `count` is all)."""

    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    count: int = 0

    def fail(self, text: str) -> None:
        """Something is wrong."""
        self.count += 1
        if self.count <= SHOWN_MAX:
            self.failures.append(text)


def canonical(value: object) -> bytes:
    """The only spelling of what has neither floats nor keys beyond the BMP."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _decode(line: bytes) -> dict[str, Any]:
    """ValueError unless it is an entry, in its only spelling."""
    try:
        found = json.loads(line)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict) or canonical(found) != line:
        raise ValueError("it is not canonical JSON")
    at = found.get("sequence")
    if set(found) - {"private"} != FIELDS or found["v"] != 1 or type(at) is not int or at < 0:
        raise ValueError("its fields are not those of an entry of version 1")
    return found


class Beside:
    """Lines that belong to entries and stand in the same order; each is taken once."""

    def __init__(self, lines: Iterable[bytes]):
        self._lines = iter(lines)
        self.next: dict[str, Any] = {}
        self.of(None)

    def of(self, sequence: int | None) -> dict[str, Any]:
        """What belongs to this entry; empty when nothing does."""
        found = self.next
        if found.get("sequence") != sequence:
            return {}
        self.next = json.loads(next(self._lines, b"{}"))
        return found


class Check:
    """Goes through the entries once; memory does not grow with them."""

    def __init__(self, bundle: Bundle, now: Checkpoint, kept: Checkpoint | None, report: Report):
        self.bundle, self.now, self.kept, self.report = bundle, now, kept, report
        self.whole = bundle.proofs is None
        self.proofs, self.disclosed = Beside(bundle.proofs or ()), Beside(bundle.disclosed)
        self.tree, self.last, self.hash = Tree(), -1, "0" * 64
        self.entries = self.private = self.shown = 0

    def run(self) -> None:
        """Fill the report."""
        for line in self.bundle.entries:
            try:
                entry = _decode(line)
                self.look_at(entry, line)
                self.last = entry["sequence"]
            except (ValueError, TypeError, AttributeError) as error:
                self.last += 1
                self.report.fail(f"entry {self.last} cannot be read: {error}")
            self.hash = hashlib.sha256(line).hexdigest()
            self.tree.append(leaf(line))
            self.entries += 1
            if self.whole and self.kept and self.kept.size == self.tree.size:
                self.compare(self.tree.root)
        self.finish()

    def look_at(self, entry: dict[str, Any], line: bytes) -> None:
        """One entry, and its place after the one before."""
        fail, at, beyond = self.report.fail, entry["sequence"], entry["sequence"] - self.last - 1
        if entry["log"] != self.now.origin.rpartition("/")[2]:
            fail(f"entry {at} is of another log: {entry['log']}")
        if beyond < 0:
            fail(f"entry {at} stands after {self.last}: it is there twice, or out of order")
        elif beyond and self.whole:
            fail(f"entry {at} stands after {self.last}: {beyond} are missing between them")
        elif not beyond and entry["previous"] != self.hash:
            fail(f"entry {at} does not follow from the one before: one of both was changed")
        if not self.whole:
            path = [bytes.fromhex(each) for each in self.proofs.of(at).get("path", ())]
            if root_of_path(leaf(line), at, self.now.size, path) != self.now.root:
                fail(f"entry {at} is not in the log like this: its proof misses the signed root")
        if "private" in entry:
            self.private += 1
            if shown := self.disclosed.of(at):
                self.shown += 1
                salted = bytes.fromhex(shown["salt"]) + canonical(shown["private"])
                if hashlib.sha256(salted).hexdigest() != entry["private"]:
                    fail(f"entry {at}: the text disclosed for it is not the one that was noted")

    def finish(self) -> None:
        """What only all entries together can say."""
        fail, now, kept = self.report.fail, self.now, self.kept
        if kept and kept.size > now.size:
            fail(f"the log was cut: {kept.size} entries in the checkpoint kept, {now.size} now")
        elif kept and not self.whole and kept.size == now.size:
            self.compare(now.root)
        elif kept and not self.whole and kept.size:
            grown = json.loads(self.bundle.consistency)
            if grown.get("size") != kept.size:
                fail("the checkpoint kept could not be compared: export with --checkpoint, or all")
            elif not grew(kept, now, [bytes.fromhex(each) for each in grown["path"]]):
                fail("the log was made anew: it did not grow from the checkpoint kept elsewhere")
        if self.whole and self.entries != now.size:
            fail(f"here are {self.entries} entries, {now.size} were signed")
        elif self.whole and self.tree.root != now.root:
            fail("the entries do not add up to the root that was signed")
        for beside, what in ((self.proofs, "a proof"), (self.disclosed, "a text")):
            if beside.next:
                fail(f"{what} is there for entry {beside.next.get('sequence')}, which is not")
        of = "the whole log" if self.whole else f"a selection of {now.size:,}"
        self.report.notes += [
            f"{now.origin}: {self.entries:,} entries, {of}",
            f"{self.shown:,} of {self.private:,} private texts are disclosed",
            f"signed root {base64.b64encode(now.root).decode()} at {now.size:,} entries",
        ]

    def compare(self, root: bytes) -> None:
        """With the checkpoint kept, at its own size."""
        assert self.kept
        if root != self.kept.root:
            size = self.kept.size
            self.report.fail(f"the log was made anew, or forked: its first {size} are others now")


def check(bundle: Bundle, kept: bytes | None = None) -> Report:
    """Everything that can be said about a bundle, `kept` being a checkpoint kept elsewhere."""
    report, notes = Report(), [("", bundle.checkpoint)]
    if kept is not None:
        notes.append((" kept elsewhere", kept))
    found = []
    for where, note in notes:
        try:
            found.append(Checkpoint.read(note, bundle.key))
        except ValueError as error:
            report.fail(f"checkpoint{where}: {error}")
            return report
    if found[0].origin != found[-1].origin:
        report.fail(f"the checkpoint kept elsewhere is of another log: {found[-1].origin}")
    else:
        Check(bundle, found[0], found[1] if kept is not None else None, report).run()
    return report


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(LINE_MAX + 1):
        if len(line) > LINE_MAX:
            raise Unreadable("a line is longer than 1 MiB")
        yield line[:-1] if line.endswith(b"\n") else line


def open_bundle(path: Path) -> Bundle:
    """The bundle in a zip or a folder; Unreadable, OSError or zipfile.BadZipFile."""
    if path.is_dir():
        names, opened = (
            [each.name for each in path.iterdir()],
            lambda name: (path / name).open("rb"),
        )
    else:
        archive = zipfile.ZipFile(path)
        names, opened = archive.namelist(), archive.open  # type: ignore[assignment]
    if len(set(names)) < len(names):
        raise Unreadable("two files in it have the same name")
    if missing := {"entries.jsonl", "checkpoint.txt", "key.txt"} - set(names):
        raise Unreadable(f"it lacks {', '.join(sorted(missing))}")

    def small(name: str) -> bytes:
        with opened(name) as stream:
            return stream.read(LINE_MAX)

    return Bundle(
        entries=_lines(opened("entries.jsonl")),
        checkpoint=small("checkpoint.txt"),
        key=small("key.txt").decode(errors="replace"),
        proofs=_lines(opened("proofs.jsonl")) if "proofs.jsonl" in names else None,
        disclosed=_lines(opened("disclosed.jsonl")) if "disclosed.jsonl" in names else (),
        consistency=small("consistency.json") if "consistency.json" in names else b"{}",
    )


def main(arguments: list[str]) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(description="Checks an audit export of dd0c.")
    parser.add_argument("bundle", type=Path, help="the zip of the export, or its folder")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that was kept elsewhere")
    parser.add_argument("--key", help="NAME+HASH+KEY, known from elsewhere than the export")
    parser.add_argument("--complete", action="store_true", help="a selection is wrong")
    given = parser.parse_args(arguments)
    try:
        bundle = open_bundle(given.bundle)
        report = check(bundle, given.checkpoint.read_bytes() if given.checkpoint else None)
    except (OSError, Unreadable, zipfile.BadZipFile, zlib.error, ValueError, RuntimeError) as error:
        sys.stdout.write(f"could not be checked: {error}\n")
        return 2
    if given.key and given.key.strip() != bundle.key.strip():
        report.fail("it is signed by another key than the one you know")
    if given.complete and bundle.proofs is not None:
        report.fail("it is a selection, not the whole log")
    said = [f"      {note}" for note in report.notes] + [f"WRONG {f}" for f in report.failures]
    total = f"{report.count} wrong" if report.count else "nothing is wrong"
    sys.stdout.write("\n".join([*said, total, ""]))
    return 1 if report.count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
