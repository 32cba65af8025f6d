"""Passwords of the embedded server's accounts: one file of the home, one random text an account."""

from __future__ import annotations

import json
import secrets

from dd0c.base.errors import SetupError
from dd0c.base.home import Home, write_atomically
from dd0c.base.secrets import Secret, keep
from dd0c.kernel.db import roles

FILE = "database.json"


def ensure(home: Home) -> dict[str, Secret]:
    """The password of each account; new accounts get one. Only the supervisor calls this."""
    known = _read(home)
    missing = [name for name in (roles.ADMIN, *roles.ALL) if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(32) for name in missing}
        write_atomically(home.secrets / FILE, json.dumps(known, indent=1) + "\n")
    return {name: keep(Secret(text)) for name, text in known.items()}


def get(home: Home, role: str) -> Secret:
    """The password of one account; SetupError when there is none yet."""
    try:
        return keep(Secret(_read(home)[role]))
    except KeyError:
        raise SetupError(
            f"{home.secrets / FILE} has no password for {role}", hint="start `dd0c up` first"
        ) from None


def _read(home: Home) -> dict[str, str]:
    path = home.secrets / FILE
    try:
        content = json.loads(path.read_text())
        return {str(name): str(text) for name, text in content.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError):
        raise SetupError(
            f"{path} is damaged: it should hold the passwords of the database's accounts",
            hint="restore it from a backup of the home; nothing was changed here",
        ) from None
