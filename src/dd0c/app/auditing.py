"""The key that signs the audit log: a file of the home, made once by the preparing step.

Who has it can make a log anew that looks genuine to all but those who kept a checkpoint. So it may
lie elsewhere than the database, and only a machine that chains needs it.
"""

from __future__ import annotations

import os
from pathlib import Path

from dd0c.base.home import Home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.audit.checkpoint import SEED_BYTES, Signer
from dd0c.kernel.vault import keyfile

FILE = "audit.key"


def path(settings: Settings, place: Home) -> Path:
    """Where it is."""
    return Path(settings.audit_key) if settings.audit_key else place.secrets / FILE


def ensure(settings: Settings, place: Home) -> Signer:
    """The key, made when there is none yet: where no log was ever signed."""
    made = keyfile.ensure(path(settings, place), lambda: Secret(os.urandom(SEED_BYTES).hex()))
    return Signer(made)


def find(settings: Settings, place: Home) -> Signer | None:
    """The key; None where this machine has none, and another chains."""
    file = path(settings, place)
    return Signer(keyfile.read(file)) if file.exists() else None
