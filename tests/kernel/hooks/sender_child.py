"""The part of the job worker that sends, in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from dd0c.base import home
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.db import checks
from dd0c.kernel.hooks import dispatcher
from dd0c.kernel.vault import configured
from dd0c.kernel.vault.envelope import Vault
from dd0c.products.route.store.access import ACCESS
from tests.kernel.hooks.worker import Shifted, sender_of


def main(place: str) -> None:
    """Send until killed; how to connect is said on standard input."""
    settings = Settings(home=Path(place), outbound_allow="127.0.0.0/8")
    conninfo = Secret(sys.stdin.readline().strip())
    vault = Vault(configured.load(settings, home.find(settings.home)))
    sender = sender_of(settings, Shifted())
    judge = partial(checks.refuse_unsafe, products=[ACCESS])
    asyncio.run(dispatcher.serve(conninfo, vault, sender, lambda org: True, refuse_unfit=judge))


if __name__ == "__main__":
    main(sys.argv[1])
