"""Who may do what in the database: the table that every start compares with the catalogue (K-10).

The migrations grant; this table says what they shall have granted. A grant, a policy or a function
with its owner's rights that is not here stops the start, so nothing opens up unnoticed.

The embedded server has one more account, `dd0c_admin`, its superuser: it makes the roles, takes
backups and never serves.
"""

from __future__ import annotations

from dataclasses import dataclass

DATABASE = "dd0c"

ADMIN = "dd0c_admin"
OWNER = "dd0c_owner"
APP = "dd0c_app"
GATEWAY = "dd0c_gateway"
SHIPPER = "dd0c_shipper"
JOBS = "dd0c_jobs"
CHAINER = "dd0c_chainer"

RUNTIME = {
    APP: "control server: the rows of the tenant set in the transaction",
    GATEWAY: "gateway: reads keys, data keys, providers and rules of all tenants, writes nothing",
    SHIPPER: "gateway: adds ledger rows of all tenants, reads none; reports itself",
    JOBS: "job worker: its queue, and the maintenance functions it was given",
    CHAINER: "job worker: chains the events of all tenants, changes no entry that is chained",
}
"""The roles of serving processes, and what each is for."""

REPORTING = (APP, SHIPPER, JOBS)
"""Those that say of their process that it runs; the gateway's does so as shipper."""

ALL = (OWNER, *RUNTIME)

SELECT, INSERT, UPDATE, DELETE = "SELECT", "INSERT", "UPDATE", "DELETE"


@dataclass(frozen=True, slots=True)
class Grant:
    """`role` has exactly these privileges on `table` (`schema.name`); `columns` None: on all."""

    role: str
    table: str
    privileges: frozenset[str]
    columns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy besides `tenant` and `owner`, and why rows of other tenants may pass it.

    `using` and `check` are its expressions as PostgreSQL prints them; None: it has none.
    """

    table: str
    name: str
    role: str
    command: str
    reason: str
    using: str | None = None
    check: str | None = None


@dataclass(frozen=True, slots=True)
class Definer:
    """A function with its owner's rights: who may call it, and why it needs them."""

    function: str
    roles: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Access:
    """What one schema opens, and to whom. Tables in `shared` have no tenant, with the reason.

    `schema.*` as a table stands for each table there is.
    """

    schema: str
    usage: frozenset[str]
    grants: tuple[Grant, ...]
    policies: tuple[Policy, ...] = ()
    definers: tuple[Definer, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()


def grant(role: str, table: str, *privileges: str, columns: str = "") -> Grant:
    """A row of the table; `columns` are separated by blanks."""
    return Grant(role, table, frozenset(privileges), frozenset(columns.split()) or None)


_OF_THE_INSTALLATION = {
    "kernel.migrations": "the schema's own history",
    "kernel.installation": "which secrets this database needs, by fingerprint",
    "kernel.access": "what the newest dd0c lists here, for an older one",
}

_ABOVE_TENANTS = {
    "kernel.find_person(uuid, text, text, text)": "who signs in is of no tenant yet",
    "kernel.add_person(uuid, text, text, text)": "an invitation's address has no person yet",
    "kernel.set_password(uuid, text)": "of a member: it is the person's, in all organisations",
    "kernel.set_identity(uuid, text, text)": "so is what a provider of identities calls them",
    "kernel.set_standing(uuid, boolean, timestamp with time zone)": "of a member, by platform",
    "kernel.list_memberships(uuid)": "which organisations a person who signed in may enter",
    "kernel.end_sessions(uuid)": "who signs out everywhere does so in every organisation",
    "kernel.find_invitation(bytea)": "the tenant of an invitation is not known before it is found",
    "kernel.erase_person(uuid, timestamp with time zone)": "for the platform role only",
}
"""What a person does before, or in more than, one organisation; callers know whose id it is."""

_UPKEEP = {
    "kernel.list_erased(timestamp with time zone)": "which organisations are to be emptied",
    "kernel.erase_rows(uuid, integer)": "deletes what organisations left that are erased, no other",
    "kernel.mark_emptied(uuid, timestamp with time zone)": "notes that nothing of one is left",
    "kernel.delete_expired(timestamp with time zone, integer)": "deletes what is over, of all",
    "kernel.delete_expired_contents(timestamp with time zone, integer)": "ends what is over",
    "kernel.sweep_content_chunks(uuid, integer)": "deletes bytes that are of no content",
    "kernel.list_orphans(uuid[])": "which of these blobs are of no content",
    "kernel.delete_old_hooks(timestamp with time zone, integer)": "deletes webhooks of last month",
    "kernel.list_due_hooks(timestamp with time zone)": "which organisations have any to deliver",
}
"""What the job worker does to rows of all tenants, reading none of them."""

_AUDIT_TABLES = ("kernel.audit_entries", "kernel.audit_tiles", "kernel.audit_heads")
_NO_TENANT = (
    "((org IS NULL) AND (NULLIF(current_setting('dd0c.org'::text, true), ''::text) IS NULL))"
)

_AUDIT_GRANTS = (
    *(
        grant(
            role,
            "kernel.audit_outbox",
            INSERT,
            columns="id org name actor subject facts commitment",
        )
        for role in (APP, JOBS, SHIPPER, CHAINER)
    ),
    grant(APP, "kernel.audit_contents", SELECT, INSERT),
    *(grant(APP, table, SELECT) for table in _AUDIT_TABLES),
    grant(CHAINER, "kernel.audit_outbox", SELECT, DELETE),
    grant(CHAINER, "kernel.audit_entries", SELECT, INSERT),
    grant(CHAINER, "kernel.audit_tiles", SELECT, INSERT),
    grant(CHAINER, "kernel.audit_heads", SELECT, INSERT, UPDATE),
)

_AUDIT_POLICIES = (
    Policy(
        table="kernel.audit_outbox",
        name="emits",
        role=APP,
        command=INSERT,
        check="((org IS NULL) OR (org ="
        " (NULLIF(current_setting('dd0c.org'::text, true), ''::text))::uuid))",
        reason="what is done to the installation is told to its own log, by whoever did it",
    ),
    *(
        Policy(
            table="kernel.audit_outbox",
            name="emits_of_all",
            role=role,
            command=INSERT,
            check="true",
            reason="does things for all tenants, and tells each; it reads none",
        )
        for role in (JOBS, SHIPPER)
    ),
    *(
        Policy(
            table=table,
            name="chainer",
            role=CHAINER,
            command="ALL",
            using="true",
            reason="one process chains the logs of all",
        )
        for table in ("kernel.audit_outbox", *_AUDIT_TABLES)
    ),
    *(
        Policy(
            table=table,
            name="installation",
            role=APP,
            command=SELECT,
            using=_NO_TENANT,
            reason="the installation's log, seen by no tenant's transaction; checked by the caller",
        )
        for table in (*_AUDIT_TABLES, "kernel.audit_contents")
    ),
    Policy(
        table="kernel.audit_contents",
        name="seals",
        role=APP,
        command=INSERT,
        check="(org IS NULL)",
        reason="what is private in an event of the installation",
    ),
    Policy(
        table="kernel.data_keys",
        name="installation",
        role=APP,
        command="ALL",
        using=_NO_TENANT,
        reason="seals what is private in an event of the installation; they are wrapped",
    ),
)

_TENANT = "(org = (NULLIF(current_setting('dd0c.org'::text, true), ''::text))::uuid)"
_HOOK_RETRY = "state tries due_at"

_HOOK_GRANTS = (
    grant(APP, "kernel.hook_sources", SELECT, INSERT, DELETE),
    grant(APP, "kernel.hook_events", SELECT, INSERT),
    grant(APP, "kernel.hook_endpoints", SELECT, INSERT, DELETE),
    grant(APP, "kernel.hook_endpoints", UPDATE, columns="paused_at paused_why"),
    grant(APP, "kernel.hook_secrets", SELECT, INSERT, DELETE),
    grant(APP, "kernel.hook_secrets", UPDATE, columns="expires_at"),
    grant(APP, "kernel.hook_deliveries", SELECT, INSERT),
    grant(APP, "kernel.hook_deliveries", UPDATE, columns=_HOOK_RETRY),
    grant(APP, "kernel.hook_attempts", SELECT),
    grant(JOBS, "kernel.hook_endpoints", SELECT),
    grant(JOBS, "kernel.hook_endpoints", UPDATE, columns="cursor paused_at paused_why"),
    grant(JOBS, "kernel.hook_secrets", SELECT),
    grant(JOBS, "kernel.hook_deliveries", SELECT, INSERT),
    grant(JOBS, "kernel.hook_deliveries", UPDATE, columns=_HOOK_RETRY),
    grant(JOBS, "kernel.hook_attempts", SELECT, INSERT),
    grant(JOBS, "kernel.hook_attempts", UPDATE, columns="took_ms status said"),
    grant(JOBS, "kernel.data_keys", SELECT),
    grant(JOBS, "kernel.audit_entries", SELECT),
)

_CONTENT_GRANTS = (
    grant(APP, "kernel.contents", SELECT, INSERT, DELETE),
    grant(APP, "kernel.contents", UPDATE, columns="expires_at"),
    grant(APP, "kernel.content_chunks", SELECT, INSERT, DELETE),
    grant(APP, "kernel.content_policies", SELECT, INSERT, UPDATE),
)

_HOOK_POLICIES = (
    *(
        Policy(
            table=table,
            name="sends",
            role=JOBS,
            command="ALL",
            using=_TENANT,
            reason="delivers webhooks in a tenant's transaction, one organisation at a time",
        )
        for table in (
            "kernel.hook_endpoints",
            "kernel.hook_secrets",
            "kernel.hook_deliveries",
            "kernel.hook_attempts",
            "kernel.data_keys",
        )
    ),
    Policy(
        table="kernel.audit_entries",
        name="sends",
        role=JOBS,
        command="ALL",
        using="(NOT (org IS DISTINCT FROM"
        " (NULLIF(current_setting('dd0c.org'::text, true), ''::text))::uuid))",
        reason="what it delivers: of the tenant, or of the installation where none is set",
    ),
)

KERNEL = Access(
    schema="kernel",
    usage=frozenset(RUNTIME),
    grants=(
        *(grant(role, table, SELECT) for table in _OF_THE_INSTALLATION for role in RUNTIME),
        grant(APP, "kernel.organisations", SELECT, INSERT),
        grant(APP, "kernel.organisations", UPDATE, columns="plan time_zone"),
        grant(APP, "kernel.quota_uses", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.teams", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.api_keys", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.key_uses", SELECT),
        grant(APP, "kernel.sessions", SELECT, INSERT, DELETE),
        grant(
            APP,
            "kernel.people",
            SELECT,
            columns="id email name issuer platform created_at disabled_at erased_at",
        ),
        grant(APP, "kernel.memberships", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.invitations", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.sign_in_failures", SELECT, INSERT, UPDATE, DELETE),
        grant(APP, "kernel.data_keys", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.autonomy", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.panics", SELECT, INSERT, UPDATE),
        grant(APP, "kernel.flags", SELECT, INSERT, UPDATE, DELETE),
        grant(APP, "kernel.flag_overrides", SELECT, INSERT, UPDATE, DELETE),
        grant(JOBS, "kernel.flags", SELECT, INSERT, UPDATE),
        *(grant(role, "kernel.flag_revision", SELECT) for role in (APP, JOBS)),
        *(grant(role, "kernel.flag_revision", UPDATE, columns="revision") for role in (APP, JOBS)),
        grant(GATEWAY, "kernel.api_keys", SELECT),
        grant(GATEWAY, "kernel.data_keys", SELECT),
        grant(GATEWAY, "kernel.organisations", SELECT, columns="id time_zone changed_xid"),
        *(grant(role, "kernel.parts", SELECT, INSERT, UPDATE, DELETE) for role in REPORTING),
        *_AUDIT_GRANTS,
        *_HOOK_GRANTS,
        *_CONTENT_GRANTS,
        grant(JOBS, "kernel.job_failures", SELECT, INSERT, UPDATE, DELETE),
    ),
    policies=(
        Policy(
            table="kernel.people",
            name="members",
            role=APP,
            command=SELECT,
            using="(id IN ( SELECT memberships.person\n   FROM kernel.memberships))",
            reason="people are no tenant's: an organisation sees those who are or were its members",
        ),
        Policy(
            table="kernel.api_keys",
            name="gateway",
            role=GATEWAY,
            command=SELECT,
            using="true",
            reason="every worker knows every live key",
        ),
        Policy(
            table="kernel.data_keys",
            name="gateway",
            role=GATEWAY,
            command=SELECT,
            using="true",
            reason="the gateway opens the providers' secrets of every tenant",
        ),
        Policy(
            table="kernel.organisations",
            name="gateway",
            role=GATEWAY,
            command=SELECT,
            using="true",
            reason="days of budgets begin by the clock of each; names are not granted",
        ),
        Policy(
            table="kernel.panics",
            name="everywhere",
            role=APP,
            command="ALL",
            using="(org IS NULL)",
            check=_NO_TENANT,
            reason="a panic of all is told to each, and written by no tenant's transaction",
        ),
        *(
            Policy(
                table="kernel.parts",
                name="own",
                role=role,
                command="ALL",
                using="(role = CURRENT_USER)",
                reason="no tenant's: which processes run; each role has the rows it made",
            )
            for role in REPORTING
        ),
        Policy(
            table="kernel.parts",
            name="health",
            role=APP,
            command=SELECT,
            using="true",
            reason="shown to those who run the installation; checked by the caller",
        ),
        Policy(
            table="kernel.parts",
            name="forgets",
            role=APP,
            command=DELETE,
            using="((stopped_at IS NOT NULL)"
            " OR (abs(EXTRACT(epoch FROM (now() - seen_at))) > (20)::numeric))",
            reason="whoever runs the installation forgets what is gone; checked by the caller",
        ),
        *_AUDIT_POLICIES,
        *_HOOK_POLICIES,
    ),
    definers=(
        Definer(
            "kernel.authenticate_key(bytea)",
            frozenset({APP}),
            "the tenant of a key is not known before the key is found",
        ),
        Definer(
            "kernel.authenticate_session(bytea)",
            frozenset({APP}),
            "the tenant of a session is not known before the session is found",
        ),
        *(
            Definer(function, frozenset({APP}), reason)
            for function, reason in _ABOVE_TENANTS.items()
        ),
        Definer(
            "kernel.mark_used(uuid[], timestamp with time zone[])",
            frozenset({APP, SHIPPER}),
            "one process serves every tenant and notes when each key was used; it reads none",
        ),
        Definer(
            "kernel.list_panics()",
            frozenset({APP, GATEWAY}),
            "one process serves all tenants and stops for each; it tells no reasons",
        ),
        Definer(
            "kernel.find_organisation(text)",
            frozenset({APP}),
            "names are unique over the installation; the permission is checked by its caller",
        ),
        Definer(
            "kernel.list_organisations()",
            frozenset({APP}),
            "for the platform role; the permission is checked by its caller",
        ),
        Definer(
            "kernel.erase_organisation(uuid, timestamp with time zone)",
            frozenset({APP}),
            "for the platform role; the permission is checked by its caller",
        ),
        Definer(
            "kernel.find_hook_source(uuid)",
            frozenset({APP}),
            "who sends to a source is of no tenant: what it signs says whether it may",
        ),
        Definer(
            "kernel.queue_mark()",
            frozenset({APP}),
            "live pages of jobs: tells that the queue changed, and nothing of what is in it",
        ),
        Definer(
            "kernel.list_flag_overrides()",
            frozenset({APP, JOBS}),
            "flags are published whole; who may look at them is checked by the caller",
        ),
        Definer(
            "kernel.blank_people(uuid[], timestamp with time zone)",
            frozenset(),
            "part of erasing a person, and an organisation with those who belong to no other",
        ),
        *(Definer(function, frozenset({JOBS}), reason) for function, reason in _UPKEEP.items()),
    ),
    shared=(
        *_OF_THE_INSTALLATION.items(),
        ("kernel.flags", "the installation's: administered by the platform role, of no tenant"),
        ("kernel.flag_revision", "one number for all flags"),
        ("kernel.sign_in_failures", "counted before the tenant is known; only keyed hashes"),
        ("kernel.job_failures", "runs are the installation's; only the job worker's role"),
    ),
)

QUEUE = Access(
    schema="jobs",
    usage=frozenset({JOBS}),
    grants=(grant(JOBS, "jobs.*", SELECT, INSERT, UPDATE, DELETE),),
    shared=(("jobs.*", "the tables of procrastinate; no other role may enter"),),
)
