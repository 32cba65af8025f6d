"""The first parser: mvdan/sh, as the program `shfmt --to-json`, under limits.

One process parses many texts, because a start costs two milliseconds. They are kept apart by a line
with the command `:` between them. That a text cannot reach into its neighbour is not hoped for but
checked: only where the marks before and behind a text stand in the tree as commands of their own,
at the very places where they were put, was the parser at rest at both (no quote, no here-document,
no compound command was open), so that it read the text as it would have alone. Every other text is
parsed again by itself, and so is every text where the whole was refused.

The program is a stranger's: it gets bounded memory and time, what it says is read up to a bound,
and how deep it says it is known before anything recursive looks at it.
"""

from __future__ import annotations

import os
import re
import resource
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import msgspec


@dataclass(frozen=True, slots=True)
class Limits:
    """What the program may use up; beyond any of it there is no tree."""

    memory_bytes: int = 512 * 1024 * 1024
    """Of data that can be written; of addresses the runtime of Go reserves any number."""
    output_bytes: int = 96 * 1024 * 1024
    time_s: int = 5


LIMITS = Limits()
BATCH_BYTES_MAX = 128 * 1024
BATCH_TEXTS_MAX = 64
"""Few enough that one text that spoils its batch costs the others little."""
SPOILT_MAX = 8
"""Refusals of a batch after which its other texts are parsed one by one."""
LEVELS_MAX = 700
"""Of the tree as it is printed: some 60 levels of shell in shell."""
_DEEP = re.compile(rb"\n\t{%d}" % LEVELS_MAX)
_MARK = b"\n:\n"
_CHUNK_BYTES = 1 << 16
_WHERE = re.compile(rb"^(?:<standard input>:)?(\d+):(\d+): (.*)")

Node: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The statements of one text."""

    statements: tuple[Node, ...]
    base: int
    """Where the text began in what was parsed, in bytes."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No tree, and why: `syntax`, `limit` or `absent` (the program is not there, or it failed)."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Said:
    code: int
    out: bytes
    err: bytes


def parse(texts: Sequence[bytes], limits: Limits = LIMITS) -> list[Parsed | Refused]:
    """A tree for each text, or why there is none."""
    found: list[Parsed | Refused] = []
    for batch in _batches(texts):
        found += _parse_together(batch, limits)
    return found


def _batches(texts: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for text in texts:
        if batch and (size + len(text) > BATCH_BYTES_MAX or len(batch) == BATCH_TEXTS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _parse_together(texts: Sequence[bytes], limits: Limits) -> list[Parsed | Refused]:
    """All in one go; whoever spoils it is parsed alone, and those around him without him."""
    found: list[Parsed | Refused | None] = [None] * len(texts)
    pending = [(0, len(texts))]
    spoilt = 0
    while pending:
        first, end = pending.pop()
        some = texts[first:end]
        if len(some) <= 1 or spoilt > SPOILT_MAX:
            continue
        said = _ask(_MARK + _MARK.join(some) + _MARK, limits)
        if isinstance(said, _Said) and not said.code and not _DEEP.search(said.out):
            statements = msgspec.json.decode(said.out).get("Stmts") or []
            found[first:end] = _apart(statements, some)
            continue
        spoilt += 1
        bad = len(some) // 2
        if isinstance(said, _Said) and (where := _WHERE.match(said.err)):
            bad = _holder(int(where[1]), some)
        pending += [(first + bad + 1, end), (first, first + bad)]
    return [tree or _parse_alone(text, limits) for tree, text in zip(found, texts, strict=True)]


def _holder(line: int, texts: Sequence[bytes]) -> int:
    """Which text has this line of the whole."""
    at = 3
    for number, text in enumerate(texts):
        at += text.count(b"\n") + 2
        if line < at:
            return number
    return len(texts) - 1


def _apart(statements: Sequence[Node], texts: Sequence[bytes]) -> list[Parsed | None]:
    """The trees of the texts; None where the marks do not prove that it is the text's own."""
    found: list[Parsed | None] = []
    marks = {s["Pos"]["Offset"]: n for n, s in enumerate(statements) if _is_mark(s)}
    begins = 1
    for text in texts:
        base = begins + 2
        ends = base + len(text) + 1
        if begins in marks and ends in marks:
            own = statements[marks[begins] + 1 : marks[ends]]
            inside = all(
                base <= s["Pos"]["Offset"] and s["End"]["Offset"] <= base + len(text) for s in own
            )
            found.append(Parsed(tuple(own), base) if inside else None)
        else:
            found.append(None)
        begins = ends
    return found


def _is_mark(statement: Node) -> bool:
    if set(statement) != {"Pos", "End", "Position", "Cmd"}:
        return False
    command = statement["Cmd"]
    if command["Type"] != "CallExpr" or set(command) != {"Type", "Pos", "End", "Args"}:
        return False
    (word, *more) = command["Args"]
    (part, *others) = word["Parts"]
    return not more and not others and part["Type"] == "Lit" and part["Value"] == ":"


def _parse_alone(text: bytes, limits: Limits) -> Parsed | Refused:
    said = _ask(text, limits)
    if isinstance(said, Refused):
        return said
    if said.code:
        where = _WHERE.match(said.err)
        if where is None:
            return Refused("limit", "the parser gave up")
        return Refused("syntax", where[3].decode(errors="replace"))
    if _DEEP.search(said.out):
        return Refused("limit", "it is nested too deep")
    return Parsed(tuple(msgspec.json.decode(said.out).get("Stmts") or []), 0)


def _ask(source: bytes, limits: Limits) -> _Said | Refused:
    """What the program says of a source; it does not begin before its limits are set."""
    try:
        child = subprocess.Popen(
            [_program(), "-ln", "bash", "--to-json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"GOMAXPROCS": "2", "GOTRACEBACK": "none"},
            cwd="/",
        )
    except OSError as error:
        return Refused("absent", f"the shell parser could not be started: {error.strerror}")
    with child:
        try:
            if hasattr(resource, "prlimit"):  # not on macOS
                memory, time_s = limits.memory_bytes, limits.time_s
                resource.prlimit(child.pid, resource.RLIMIT_DATA, (memory, memory))
                resource.prlimit(child.pid, resource.RLIMIT_CPU, (time_s, time_s))
            said = _exchange(child, source, limits)
        finally:
            child.kill()
    if said is None:
        return Refused("limit", "the parser took too long or said too much")
    return _Said(child.returncode, *said)


def _program() -> str:
    return str(Path(sys.executable).with_name("shfmt"))


def _exchange(
    child: subprocess.Popen[bytes], source: bytes, limits: Limits
) -> tuple[bytes, bytes] | None:
    """Feed it and hear it out; None if that takes too long or is too much."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    said: dict[IO[bytes], bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    left = memoryview(source)
    end = time.monotonic() + limits.time_s
    os.set_blocking(child.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        for stream in said:
            selector.register(stream, selectors.EVENT_READ)
        selector.register(child.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(end - time.monotonic())
            if not ready:
                return None
            for key, _ in ready:
                if key.fileobj is child.stdin:
                    left = _write(child.stdin, left)
                    if not left:
                        selector.unregister(child.stdin)
                        child.stdin.close()
                    continue
                some = os.read(key.fd, _CHUNK_BYTES)
                heard = said[child.stdout if key.fileobj is child.stdout else child.stderr]
                heard += some
                if not some:
                    selector.unregister(key.fileobj)
                if len(heard) > limits.output_bytes:
                    return None
    child.wait(max(0.1, end - time.monotonic()))
    return bytes(said[child.stdout]), bytes(said[child.stderr])


def _write(pipe: IO[bytes], left: memoryview) -> memoryview:
    """What is still to be written; nothing where nobody reads any more."""
    try:
        return left[os.write(pipe.fileno(), left[:_CHUNK_BYTES]) :]
    except BrokenPipeError:
        return left[:0]
