"""What the kernel itself adds to the console."""

from __future__ import annotations

from dd0c.base.ids import Kind
from dd0c.kernel.auth import keyring, members
from dd0c.kernel.web import sources
from dd0c.kernel.web.audit import logs
from dd0c.kernel.web.console import (
    audit,
    autonomy,
    flags,
    jobs,
    keys,
    parts,
    people,
    plan,
    roles,
    settings,
    teams,
    webhooks,
)
from dd0c.kernel.web.console.frame import HERE, Entry, Finder, Section
from dd0c.kernel.web.console.live import Topic
from dd0c.kernel.web.people import READ

SECTION = Section(
    templates=HERE / "templates",
    title="Installation",
    nav=(
        Entry("People", people.PATH, "o", "person", first=False),
        Entry("Teams", teams.PATH, "t", "team", first=False),
        Entry("Roles", roles.PATH, "l", "list", first=False),
        Entry("Keys", keys.PATH, "k", "key", first=False),
        Entry("Audit log", audit.PATH, "a", "page", first=False),
        Entry("Parts", parts.PATH, "p", "parts", first=False),
        Entry("Webhooks", webhooks.PATH, "w", "hook", first=False),
        Entry("Jobs", jobs.PATH, "j", "list", first=False),
        Entry("Autonomy", autonomy.PATH, "x", "brake", first=False),
        Entry("Flags", flags.PATH, "f", "flag", first=False),
        Entry("Plan", plan.PATH, "q", "budget", first=False),
        Entry("Settings", settings.PATH, "s", "settings", first=False),
    ),
    jumps={
        Kind.KEY: f"{keys.PATH}/{{}}",
        Kind.PERSON: f"{people.PATH}/{{}}",
        Kind.TEAM: f"{teams.PATH}/{{}}",
        Kind.EVENT: f"{audit.PATH}/{{}}",
        Kind.SOURCE: f"{webhooks.PATH}/sources/{{}}",
        Kind.ENDPOINT: f"{webhooks.PATH}/endpoints/{{}}",
        Kind.DELIVERY: f"{webhooks.PATH}/deliveries/{{}}",
    },
    topics=(
        Topic(keys.TOPIC, keys.READ, keyring.mark),
        Topic(people.TOPIC, READ, members.mark),
        Topic(parts.TOPIC, parts.PERMISSION, parts.mark),
        Topic(audit.TOPIC, logs.READ, audit.mark),
        Topic(webhooks.TOPIC, sources.READ, webhooks.mark),
        Topic(jobs.TOPIC, jobs.PERMISSION, jobs.mark),
    ),
    finders=(Finder(keys.READ, keys.find), Finder(READ, people.find)),
)
