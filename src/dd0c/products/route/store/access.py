"""What the database roles may do in route's schema; compared with the catalogue at every start."""

from __future__ import annotations

from dd0c.kernel.db.roles import (
    APP,
    GATEWAY,
    INSERT,
    JOBS,
    SELECT,
    SHIPPER,
    UPDATE,
    Access,
    Definer,
    Policy,
    grant,
)

_RULES = ("route.budgets", "route.limits", "route.terms")
_SHIPPED = ("route.attempts", "route.ratings")
_LEDGER = (*_SHIPPED, "route.attempt_tags")
_SUMS = ("route.rollups", "route.tag_rollups", "route.latencies")
_CHARGED = {
    "route.attempts": "request_id org team key_id requested_model sent_model tags charged_pico",
    "route.rollups": "step at org team key_id requested_model sent_model charged_pico",
    "route.tag_rollups": "tag step at org charged_pico",
}
"""What a gateway needs to see of the ledger to count what was charged to a budget."""

ACCESS = Access(
    schema="route",
    usage=frozenset({APP, GATEWAY, SHIPPER, JOBS}),
    grants=(
        *(grant(APP, table, SELECT) for table in (*_LEDGER, *_SUMS)),
        grant(APP, "route.prices", SELECT, INSERT),
        *(grant(SHIPPER, table, INSERT) for table in (*_SHIPPED, "route.prices")),
        *(grant(GATEWAY, table, SELECT, columns=names) for table, names in _CHARGED.items()),
        grant(
            APP,
            "route.providers",
            SELECT,
            columns="id org name dialect base_url price_provider simulated enabled created_at",
        ),
        grant(GATEWAY, "route.providers", SELECT),
        *(grant(APP, table, SELECT, INSERT, UPDATE) for table in _RULES),
        *(grant(GATEWAY, table, SELECT) for table in _RULES),
        grant(SHIPPER, "route.token_factors", SELECT, INSERT, UPDATE),
        grant(APP, "route.token_factors", SELECT),
        grant(APP, "route.reconciliations", SELECT, INSERT),
        grant(APP, "route.erasures", SELECT, INSERT, UPDATE),
        grant(APP, "route.price_overrides", SELECT, INSERT),
        grant(APP, "route.price_overrides", UPDATE, columns="holds_until removed_at"),
        grant(GATEWAY, "route.price_overrides", SELECT),
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
            for table in _SHIPPED
        ),
        *(
            Policy(
                table=table,
                name="gateway",
                role=GATEWAY,
                command=SELECT,
                using="true",
                reason="a gateway serves every tenant, and counts what each was charged",
            )
            for table in _CHARGED
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
        *(
            Policy(
                table=table,
                name="gateway",
                role=GATEWAY,
                command=SELECT,
                using="true",
                reason="a gateway holds every tenant to its own rules",
            )
            for table in _RULES
        ),
        Policy(
            table="route.price_overrides",
            name="gateway",
            role=GATEWAY,
            command=SELECT,
            using="true",
            reason="a worker prices the requests of every tenant",
        ),
        Policy(
            table="route.prices",
            name="list",
            role=APP,
            command=SELECT,
            using="(org IS NULL)",
            reason="the price list is everybody's",
        ),
        Policy(
            table="route.prices",
            name="listed",
            role=APP,
            command=INSERT,
            check="(org IS NULL)",
            reason="a re-rating brings the list price it uses; an id is the hash of its rates",
        ),
        Policy(
            table="route.prices",
            name="ship",
            role=SHIPPER,
            command=INSERT,
            check="(org IS NULL)",
            reason="a shipper keeps the list prices it has rows for",
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
            "route.settle(uuid, smallint, text, bigint[], text, json, text, bigint,"
            " timestamp with time zone)",
            frozenset({APP}),
            "gives an attempt of the transaction's tenant the cost that was unknown, nothing else",
        ),
        Definer(
            "route.rerate(uuid[], smallint[], smallint[], text[], bigint[], bigint[], bigint[],"
            " text, timestamp with time zone)",
            frozenset({APP}),
            "gives attempts of the transaction's tenant another rating, nothing else",
        ),
        Definer(
            "route.erase_end_users(timestamp with time zone, integer)",
            frozenset({JOBS}),
            "takes end users out of requests whose organisations asked for it; it reads none",
        ),
        Definer(
            "route.merge_rollups(timestamp with time zone, integer, integer)",
            frozenset({JOBS}),
            "sums of all tenants are merged alike; the job worker reads none of them",
        ),
        Definer(
            "route.delete_expired(timestamp with time zone, integer)",
            frozenset({JOBS}),
            "deletes what each tenant said that it does not keep; the job worker reads none of it",
        ),
    ),
    shared=(("route.token_factors", "how many tokens a model makes of a text is of no tenant"),),
)
