"""Refuses to serve from a database that is more open than the table in `roles.py` says (K-10).

Row-level security protects nothing when we speak as a superuser or as the owner, when a table or a
partition does not force it, or when a policy, a view or a function of the owner's goes around it.
None of that shows in a test of the product, so every serving process asks the catalogue at its
start. Load, then decide: what is read here is compared in `findings`, without I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg.rows import class_row

from dd0c.base.errors import SetupError
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool, Transaction
from dd0c.kernel.db.roles import Access

TENANT_IS = "(NULLIF(current_setting('dd0c.org'::text, true), ''::text))::uuid"
ORGANISATIONS = "kernel.organisations"
SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class Role:
    """A role that we speak as or might take, or one of ours."""

    name: str
    taken: bool  # the account that logged in is it, or may become it
    superuser: bool
    bypasses: bool
    creates: bool
    owns: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, partition or view."""

    name: str
    kind: str
    owner: str
    forced: bool
    invoker: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """One privilege of one role; `on` is a schema, a table or a column."""

    role: str
    on: str
    privilege: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as the catalogue has it."""

    table: str
    name: str
    roles: list[str]
    command: str
    using: str | None
    check: str | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function that runs with its owner's rights."""

    name: str
    owner: str
    pinned: bool  # its search_path is set
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that is compared."""

    roles: list[Role]
    relations: list[Relation]
    granted: list[Granted]
    policies: list[Policy]
    functions: list[Function]


_ROLES: LiteralString = """
    SELECT r.rolname::text AS name, pg_has_role(session_user, r.oid, 'MEMBER') AS taken,
        r.rolsuper AS superuser, r.rolbypassrls AS bypasses,
        has_database_privilege(r.oid, current_database(), 'CREATE') AS creates,
        EXISTS (
            SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE r.oid IN (c.relowner, n.nspowner) AND n.nspname = ANY(%(schemas)s)
        ) AS owns
    FROM pg_roles r
    WHERE pg_has_role(session_user, r.oid, 'MEMBER') OR r.rolname = ANY(%(ours)s)
    ORDER BY r.rolname
"""
_RELATIONS: LiteralString = """
    SELECT format('%%s.%%s', n.nspname, c.relname) AS name, c.relkind::text AS kind,
        pg_get_userbyid(c.relowner)::text AS owner,
        c.relrowsecurity AND c.relforcerowsecurity AS forced,
        coalesce((
            SELECT option_value::boolean FROM pg_options_to_table(c.reloptions)
            WHERE option_name = 'security_invoker'
        ), false) AS invoker
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%(schemas)s) AND c.relkind = ANY('{r,p,v,m,f}')
    ORDER BY 1
"""
_GRANTED: LiteralString = """
    WITH acls AS (
        SELECT n.nspname::text AS on, n.nspacl AS acl, n.nspowner AS owner
        FROM pg_namespace n WHERE n.nspname = ANY(%(schemas)s)
        UNION ALL
        SELECT format('%%s.%%s', n.nspname, c.relname), c.relacl, c.relowner
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY(%(schemas)s) AND c.relkind <> 'S'
        UNION ALL
        SELECT format('%%s.%%s(%%s)', n.nspname, c.relname, a.attname), a.attacl, c.relowner
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY(%(schemas)s) AND a.attacl IS NOT NULL AND NOT a.attisdropped
    )
    SELECT coalesce(r.rolname::text, 'public') AS role, acls.on, x.privilege_type
            || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege
    FROM acls, aclexplode(acls.acl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
    WHERE x.grantee <> acls.owner
"""
_POLICIES: LiteralString = """
    SELECT format('%%s.%%s', schemaname, tablename) AS table, policyname::text AS name,
        roles::text[] AS roles, cmd AS command, qual AS using, with_check AS check
    FROM pg_policies WHERE schemaname = ANY(%(schemas)s) ORDER BY 1, 2
"""
_FUNCTIONS: LiteralString = """
    SELECT format('%%s.%%s(%%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) AS name,
        pg_get_userbyid(p.proowner)::text AS owner,
        EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%%') AS pinned,
        ARRAY(
            SELECT coalesce(r.rolname::text, 'public')
            FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
                LEFT JOIN pg_roles r ON r.oid = x.grantee
            WHERE x.grantee <> p.proowner
        ) AS roles
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND NOT EXISTS (  -- an extension's is the server's own
            SELECT FROM pg_depend d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        )
    ORDER BY 1
"""


async def refuse_unsafe(pool: Pool, products: Iterable[Access] = ()) -> None:
    """SetupError that names what is more open, or less, than the kernel and `products` say.

    An entry of `products` for the kernel's own schema replaces the table of this program.
    """
    listed = {access.schema: access for access in (roles.KERNEL, roles.QUEUE, *products)}
    accesses = tuple(listed.values())
    async with tenancy.system(pool) as tx:
        catalogue = await load(tx, [access.schema for access in accesses])
    found = list(findings(catalogue, accesses))
    if found:
        more = len(found) - SHOWN_MAX
        text = "; ".join(found[:SHOWN_MAX]) + (f"; and {more} more" if more > 0 else "")
        raise SetupError(
            f"the database would not keep tenants apart: {text}",
            hint="undo what was changed by hand, then run `dd0c migrate`",
        )


async def load(tx: Transaction, schemas: list[str]) -> Catalogue:
    """What the catalogue says about the schemas and the roles."""
    arguments = {"schemas": schemas, "ours": list(roles.ALL)}

    async def rows(kind: type[Any], query: LiteralString) -> list[Any]:
        async with tx.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(query, arguments)
            return await cursor.fetchall()

    return Catalogue(
        roles=await rows(Role, _ROLES),
        relations=await rows(Relation, _RELATIONS),
        granted=await rows(Granted, _GRANTED),
        policies=await rows(Policy, _POLICIES),
        functions=await rows(Function, _FUNCTIONS),
    )


def findings(catalogue: Catalogue, accesses: Sequence[Access]) -> Iterator[str]:
    """Every difference between the catalogue and the table, in words."""
    for role in sorted(catalogue.roles, key=lambda role: not role.superuser):  # it explains others
        yield from _role_findings(role)
    shared = {table for access in accesses for table, _ in access.shared}
    for relation in catalogue.relations:
        yield from _relation_findings(relation, shared)
    tables = [relation.name for relation in catalogue.relations]
    wanted = {g for access in accesses for g in _wanted_grants(access, tables)}
    have = set(catalogue.granted)
    for extra in sorted(have - wanted, key=str):
        yield f"{extra.role} has {extra.privilege} on {extra.on}, which no table of grants lists"
    for lost in sorted(wanted - have, key=str):
        yield f"{lost.role} lacks {lost.privilege} on {lost.on}"
    yield from _policy_findings(catalogue.policies, accesses)
    yield from _function_findings(catalogue.functions, accesses)


def _role_findings(role: Role) -> Iterator[str]:
    if role.superuser:
        yield f"the role {role.name} is a superuser"
    elif role.bypasses:
        yield f"the role {role.name} has BYPASSRLS"
    elif role.taken and role.owns:
        yield f"the role {role.name}, which this process can take, owns tables"
    elif role.creates:
        yield f"the role {role.name} may create schemas"
    elif role.taken and role.name.startswith("pg_"):
        yield f"this process may act as {role.name}"


def _relation_findings(relation: Relation, shared: set[str]) -> Iterator[str]:
    is_shared = {relation.name, relation.name.partition(".")[0] + ".*"} & shared
    if relation.owner != roles.OWNER:
        yield f"{relation.name} belongs to {relation.owner}, not to {roles.OWNER}"
    if relation.kind == "v" and not relation.invoker:
        yield f"the view {relation.name} is not security_invoker"
    elif relation.kind in "mf":
        yield f"{relation.name} is no table: row-level security cannot hold there"
    elif relation.kind in "rp" and not relation.forced and not is_shared:
        yield f"the table {relation.name} does not force row-level security"


def _wanted_grants(access: Access, tables: Sequence[str]) -> Iterator[Granted]:
    for role in access.usage:
        yield Granted(role, access.schema, "USAGE")
    for grant in access.grants:
        prefix = grant.table.removesuffix("*")
        every = grant.table.endswith(".*")
        for table in [t for t in tables if t.startswith(prefix)] if every else [grant.table]:
            places = [table] if grant.columns is None else [f"{table}({c})" for c in grant.columns]
            for place in places:
                for privilege in grant.privileges:
                    yield Granted(grant.role, place, privilege)


def _policy_findings(policies: Sequence[Policy], accesses: Sequence[Access]) -> Iterator[str]:
    listed = {
        (p.table, p.name, p.role, p.command, p.using, p.check)
        for access in accesses
        for p in access.policies
    }
    for policy in policies:
        column = "id" if policy.table == ORGANISATIONS else "org"
        own = f"({column} = {TENANT_IS})"
        if policy.roles == [roles.OWNER]:
            continue
        if policy.roles == [roles.APP] and policy.using == own and policy.check in (None, own):
            continue
        key = (policy.table, policy.name, policy.command, policy.using, policy.check)
        if any((key[0], key[1], role, *key[2:]) not in listed for role in policy.roles):
            yield (
                f"the policy {policy.name} on {policy.table} for {', '.join(policy.roles)} "
                "is not the tenant's and not listed"
            )


def _function_findings(functions: Sequence[Function], accesses: Sequence[Access]) -> Iterator[str]:
    listed = {d.function: d.roles for access in accesses for d in access.definers}
    for function in functions:
        if function.name not in listed:
            yield f"the function {function.name} runs with its owner's rights and is not listed"
        elif set(function.roles) != listed[function.name]:
            may = ", ".join(sorted(function.roles)) or "nobody"
            yield f"the function {function.name} may be called by {may}"
        elif not function.pinned or function.owner != roles.OWNER:
            yield f"the function {function.name} has no search_path or the wrong owner"
