#!/bin/sh
# Copy a running dd0c with its embedded database: deploy/backup.sh FOLDER, as the user of dd0c.
# The folder must not exist. It becomes a home: `dd0c up --home FOLDER` starts it.
# The order matters: what is in neither spool nor database at its turn happened later.
set -eu
umask 077
home=${DD0C_HOME:-$HOME/.dd0c}
to=${1:?a folder that does not exist yet}
python=$(dirname "$0")/../.venv/bin/python
[ -x "$python" ] || python=python3

eval "$("$python" - "$home" <<'END'
import importlib.util
import json
import shlex
import sys
from pathlib import Path

from dd0c.base import home
from dd0c.kernel.db import embedded

place = home.find(Path(sys.argv[1]).absolute())
passwords = json.loads((place.secrets / "database.json").read_text())
wheel = Path(importlib.util.find_spec(embedded.WHEEL).origin).parents[1]
print(f"programs={shlex.quote(str(wheel / embedded.PROGRAMS))}")
print(f"export PGHOST={shlex.quote(str(place.sockets))} PGUSER=dd0c_admin")
print(f"export PGPASSWORD={shlex.quote(passwords['dd0c_admin'])}")
END
)"

mkdir "$to"
cp -a "$home/home.json" "$home/owner.key" "$home/secrets" "$home/spool" "$to"
[ ! -e "$home/dd0c.toml" ] || cp -a "$home/dd0c.toml" "$to"
"$programs/pg_basebackup" --pgdata "$to/postgres" --checkpoint fast --wal-method stream
[ "$(id -u)" != 0 ] || chown -R --reference "$home/postgres" "$to/postgres"
