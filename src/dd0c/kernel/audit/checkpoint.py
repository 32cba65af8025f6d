"""Checkpoints: the head of a log, signed as a C2SP signed note with Ed25519.

    dd0c/ins_…/org_…                 the origin: which log of which installation
    42                               how many entries
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=        the root over them

    — dd0c/ins_…/org_… Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+…

Formats: c2sp.org/signed-note and c2sp.org/tlog-checkpoint. The key bears the name of the origin.
Its hash, the first four bytes of each signature, tells readers which of several keys they need.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dd0c.base.errors import InvalidInput, SetupError
from dd0c.base.secrets import Secret
from dd0c.kernel.audit.merkle import HASH_BYTES

FINGERPRINT = "the audit key"
"""Under which the installation's fingerprints have the public key, as hex."""

ED25519 = b"\x01"
KEY_HASH_BYTES = 4
SEED_BYTES = 32
SIZE_BYTES_MAX = 4096
_SIGNATURE = "\u2014 "  # an em dash: no line of a text that is signed begins like this by chance


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was signed: so many entries, and the root over them."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


class Signer:
    """The key that signs checkpoints; `seed`: 64 hexadecimal digits."""

    def __init__(self, seed: Secret):
        try:
            self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed.reveal()))
        except ValueError:
            raise SetupError(
                "the audit key is not 64 hexadecimal digits",
                hint="restore it from a backup of the home; nothing was changed here",
            ) from None
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, checkpoint: Checkpoint) -> str:
        """The note, signed under the name of the origin."""
        name, text = checkpoint.origin, str(checkpoint)
        signature = key_hash(name, self.public) + self._key.sign(text.encode())
        return f"{text}\n{_SIGNATURE}{name} {b64encode(signature).decode()}\n"


def origin(installation: str, log: str) -> str:
    """Which log of which installation, as checkpoints name it."""
    return f"dd0c/{installation}/{log}"


def key_hash(name: str, public: bytes) -> bytes:
    """What tells the key of that name from others."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:KEY_HASH_BYTES]


def verifier_key(name: str, public: bytes) -> str:
    """The public key as tools for signed notes take it: `name+hash+base64`."""
    return f"{name}+{key_hash(name, public).hex()}+{b64encode(ED25519 + public).decode()}"


def open_note(note: str, name: str, public: bytes) -> str:
    """The text of a note; InvalidInput unless the key of that name signed it."""
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines() if separator and len(note) <= SIZE_BYTES_MAX else ():
        signer, _, coded = line.removeprefix(_SIGNATURE).rpartition(" ")
        try:
            signature = b64decode(coded, validate=True)
        except binascii.Error:
            continue
        if not line.startswith(_SIGNATURE) or signer != name:
            continue
        if signature[:KEY_HASH_BYTES] == key_hash(name, public):
            return _opened(text, public, signature[KEY_HASH_BYTES:])
    raise InvalidInput(f"the note has no signature of {name[:200]}")


def _opened(text: str, public: bytes, signature: bytes) -> str:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except InvalidSignature:
        raise InvalidInput("the note was changed after it was signed") from None
    return text


def open_checkpoint(note: str, name: str, public: bytes) -> Checkpoint:
    """The checkpoint in a note; InvalidInput unless it is of that origin and was signed by its key.

    Lines behind the root are of others, who may add what they like.
    """
    lines = open_note(note, name, public).split("\n")
    try:
        found = Checkpoint(lines[0], int(lines[1]), b64decode(lines[2], validate=True))
        if found.size < 0 or str(found.size) != lines[1] or len(found.root) != HASH_BYTES:
            raise ValueError
    except (IndexError, ValueError):
        raise InvalidInput(
            "the note is no checkpoint: origin, size and root in a line each"
        ) from None
    if found.origin != name:
        raise InvalidInput(f"the checkpoint is of {found.origin[:200]}, not of {name}")
    return found
