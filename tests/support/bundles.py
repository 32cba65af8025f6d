"""Audit exports made by other means than ours: `cryptography` signs, the tree is the recursion that
RFC 9162 defines."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "dd0c/ins_1/org_1"
SALT = bytes(range(16))


def written(value: Any) -> bytes:
    """Canonical JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1."""
    if len(leaves) < 2:
        return hashlib.sha256(*(b"\0" + leaf for leaf in leaves)).digest()
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:cut]) + root(leaves[cut:])).digest()


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if index < cut:
        return [*path(index, leaves[:cut]), root(leaves[cut:])]
    return [*path(index - cut, leaves[cut:]), root(leaves[:cut])]


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs checkpoints."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    name: str = ORIGIN

    @property
    def _typed(self) -> bytes:
        return b"\1" + self.key.public_key().public_bytes_raw()

    @property
    def _tag(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:4]

    @property
    def text(self) -> bytes:
        """NAME+HASH+KEY."""
        public = base64.b64encode(self._typed).decode()
        return f"{self.name}+{self._tag.hex()}+{public}\n".encode()

    def sign(self, lines: Sequence[bytes], origin: str = ORIGIN) -> bytes:
        """The checkpoint of a log of these lines."""
        text = f"{origin}\n{len(lines)}\n{base64.b64encode(root(lines)).decode()}\n"
        signed = base64.b64encode(self._tag + self.key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {signed}\n".encode()


def entries(count: int, said: str = "fine") -> list[bytes]:
    """A log; every third entry has a private text."""
    lines: list[bytes] = []
    previous = "0" * 64
    for sequence in range(1, count + 1):
        entry: dict[str, Any] = {
            "v": 1,
            "log": "org_1",
            "sequence": sequence,
            "id": f"evt_{sequence}",
            "at": "2026-11-21T21:00:00.000000Z",
            "event": "KeyCreated",
            "actor": "key_1",
            "subject": f"key_{sequence}",
            "facts": {"said": said, "roles": ["viewer"], "n": sequence, "null": None},
            "previous": previous,
        }
        if sequence % 3 == 0:
            entry["private"] = hashlib.sha256(SALT + written(private(sequence))).hexdigest()
        lines.append(written(entry))
        previous = hashlib.sha256(lines[-1]).hexdigest()
    return lines


def private(sequence: int) -> dict[str, Any]:
    """The private text of an entry."""
    return {"name": f'Zoë № {sequence} \u0001"\\'}


@dataclass(frozen=True, slots=True)
class Export:
    """An export before it is written."""

    lines: list[bytes]
    checkpoint: bytes
    key: bytes
    proofs: list[bytes] | None = None
    disclosed: list[bytes] = field(default_factory=list)

    def write(self, to: Path) -> Path:
        """As a zip."""
        with zipfile.ZipFile(to, "w") as archive:
            archive.writestr("entries.jsonl", _joined(self.lines))
            archive.writestr("checkpoint.txt", self.checkpoint)
            archive.writestr("key.txt", self.key)
            if self.proofs is not None:
                archive.writestr("proofs.jsonl", _joined(self.proofs))
            archive.writestr("disclosed.jsonl", _joined(self.disclosed))
        return to


def whole(signer: Signer, lines: list[bytes]) -> Export:
    """All entries, every private text disclosed."""
    disclosed = [
        written({"private": private(n), "salt": SALT.hex(), "sequence": n})
        for n in range(3, len(lines) + 1, 3)
    ]
    return Export(lines, signer.sign(lines), signer.text, disclosed=disclosed)


def selection(signer: Signer, lines: list[bytes], chosen: Sequence[int]) -> Export:
    """Some entries by sequence, with their proofs."""
    proofs = [
        written({"path": [each.hex() for each in path(n - 1, lines)], "sequence": n})
        for n in chosen
    ]
    every = whole(signer, lines)
    return replace(every, lines=[lines[n - 1] for n in chosen], proofs=proofs, disclosed=[])


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)
