"""What the database roles may do in route's schema; compared with the catalogue at every start."""

from __future__ import annotations

from dd0c.kernel.db.roles import (
    APP,
    GATEWAY,
    INSERT,
    JOBS,
    RUNTIME,
    SELECT,
    SHIPPER,
    Access,
    Definer,
    Policy,
    grant,
)

_LEDGER = ("route.attempts", "route.ratings", "route.attempt_tags")
_SUMS = ("route.rollups", "route.latencies")

ACCESS = Access(
    schema="route",
    usage=frozenset(RUNTIME),
    grants=(
        *(grant(APP, table, SELECT) for table in (*_LEDGER, *_SUMS, "route.prices")),
        *(grant(SHIPPER, table, INSERT) for table in (*_LEDGER, "route.prices")),
        grant(
            APP,
            "route.providers",
            SELECT,
            columns="id org name dialect base_url price_provider simulated enabled created_at",
        ),
        grant(GATEWAY, "route.providers", SELECT),
    ),
    policies=(
        *(
            Policy(
                table=table,
                name="ship",
                role=SHIPPER,
                command=INSERT,
                check="true",
                reason="one gateway serves every tenant and writes what it saw; it reads none",
            )
            for table in _LEDGER
        ),
        Policy(
            table="route.providers",
            name="installation",
            role=APP,
            command=SELECT,
            using="(org IS NULL)",
            reason="providers of the installation are everybody's; the secret is not granted",
        ),
        Policy(
            table="route.providers",
            name="gateway",
            role=GATEWAY,
            command=SELECT,
            using="true",
            reason="a worker serves every tenant",
        ),
    ),
    definers=(
        Definer(
            "route.ensure_partitions(timestamp with time zone, timestamp with time zone)",
            frozenset({SHIPPER, JOBS}),
            "runtime roles cannot create tables",
        ),
        Definer(
            "route.roll_up()",
            frozenset(),
            "a trigger: whoever adds to the ledger adds to the sums, and may do neither by hand",
        ),
        Definer(
            "route.merge_rollups(timestamp with time zone, integer, integer)",
            frozenset({JOBS}),
            "sums of all tenants are merged alike; the job worker reads none of them",
        ),
    ),
    shared=(("route.prices", "a price belongs to a provider, not to a tenant"),),
)
