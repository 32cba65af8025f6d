"""What the kernel itself adds to the console."""

from __future__ import annotations

from dd0c.base.ids import Kind
from dd0c.kernel.auth import keyring
from dd0c.kernel.web.console import keys, parts, settings
from dd0c.kernel.web.console.frame import HERE, Entry, Finder, Section
from dd0c.kernel.web.console.live import Topic

SECTION = Section(
    templates=HERE / "templates",
    title="Installation",
    nav=(
        Entry("Keys", keys.PATH, "k", "key", first=False),
        Entry("Parts", parts.PATH, "p", "parts", first=False),
        Entry("Settings", settings.PATH, "s", "settings", first=False),
    ),
    jumps={Kind.KEY: f"{keys.PATH}/{{}}"},
    topics=(
        Topic(keys.TOPIC, keys.READ, keyring.mark),
        Topic(parts.TOPIC, parts.PERMISSION, parts.mark),
    ),
    finders=(Finder(keys.READ, keys.find),),
)
