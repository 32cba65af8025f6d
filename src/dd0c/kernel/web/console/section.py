"""What the kernel itself adds to the console."""

from __future__ import annotations

from dd0c.base.ids import Kind
from dd0c.kernel.auth import keyring
from dd0c.kernel.web.console import keys
from dd0c.kernel.web.console.frame import HERE, Entry, Finder, Section
from dd0c.kernel.web.console.live import Topic

SECTION = Section(
    templates=HERE / "templates",
    title="Installation",
    nav=(Entry("Keys", keys.PATH, "k", "key"),),
    jumps={Kind.KEY: f"{keys.PATH}/{{}}"},
    topics=(Topic(keys.TOPIC, keys.READ, keyring.mark),),
    finders=(Finder(keys.READ, keys.find),),
)
