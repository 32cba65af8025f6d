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

ACCESS = Access(
    schema="route",
    usage=frozenset(RUNTIME),
    grants=(
        *(grant(APP, table, SELECT) for table in (*_LEDGER, "route.prices")),
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
    ),
    shared=(("route.prices", "a price belongs to a provider, not to a tenant"),),
)
