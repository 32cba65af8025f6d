"""Where the database is, and as whom we speak to it.

Embedded: a unix socket and the role's own password. External: the installation's one runtime
account logs in and takes the role with `-c role=…`; it must be a member of the runtime roles and of
nothing else, which `checks.py` verifies.
"""

from __future__ import annotations

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dd0c.base import home, secrets
from dd0c.base.errors import SetupError
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import passwords, roles

CONNECT_TIMEOUT_S = 5


def conninfo(settings: Settings, role: str, *, database: str = roles.DATABASE) -> Secret:
    """How to connect as `role`; `database` is for tests and holds for the embedded server only."""
    if settings.database_url:
        return _external(settings, role)
    place = home.find(settings.home)
    return Secret(
        make_conninfo(
            host=str(place.sockets),
            dbname=database,
            user=role,
            password=passwords.get(place, role).reveal(),
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=role,
        )
    )


def login(settings: Settings) -> str | None:
    """The runtime account of an external database; None where each role logs in itself."""
    if not settings.database_url:
        return None
    return _parse("DD0C_DATABASE_URL", settings.database_url).get("user", "")


def _external(settings: Settings, role: str) -> Secret:
    if role in (roles.ADMIN, roles.OWNER):
        name, url = "DD0C_DATABASE_ADMIN_URL", settings.database_admin_url
        if not url:
            raise SetupError(
                f"{name} is needed to migrate",
                hint=f"set {name} for this command: an account that may create roles",
            )
    else:
        name, url = "DD0C_DATABASE_URL", settings.database_url
    parts = _parse(name, url)
    if role != roles.ADMIN:
        parts["options"] = f"{parts.get('options', '')} -c role={role}".strip()
    parts.setdefault("connect_timeout", str(CONNECT_TIMEOUT_S))
    return Secret(make_conninfo(**parts))


def _parse(name: str, url: Secret) -> dict[str, str]:
    try:
        parts = {k: str(v) for k, v in conninfo_to_dict(url.reveal()).items() if v is not None}
    except ProgrammingError:  # its message repeats the text, password included
        raise SetupError(
            f"{name} is not a PostgreSQL address", hint="postgresql://user:…@host/database"
        ) from None
    secrets.keep(Secret(parts.get("password", "")))
    return parts
