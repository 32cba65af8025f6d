"""What a gateway's admin port shows besides its workers' counters."""

from __future__ import annotations

from dd0c.base.telemetry import Metric
from dd0c.kernel.guard import breakers
from dd0c.products.route.hotpath import metrics

CATALOGUE = (
    *metrics.CATALOGUE,
    *breakers.CATALOGUE,
    Metric("dd0c_route_workers", "gauge", "Worker processes that there should be."),
    Metric("dd0c_route_workers_ready", "gauge", "Worker processes that serve."),
    Metric("dd0c_route_worker_restarts_total", "counter", "Workers that died and were replaced."),
    Metric("dd0c_route_keys", "gauge", "Keys that may use the gateway."),
    Metric("dd0c_route_snapshot_version", "gauge", "Changes of keys, providers and prices seen."),
    Metric(
        "dd0c_route_snapshot_age_seconds",
        "gauge",
        "Since PostgreSQL last confirmed keys and providers; absent before it ever did.",
    ),
    Metric(
        "dd0c_route_prices_age_days",
        "gauge",
        "Since the newest price change that the built-in list knows of; absent where unknown.",
    ),
    Metric("dd0c_route_database_away", "gauge", "1 while PostgreSQL is not followed."),
    Metric("dd0c_route_panics", "gauge", "Panics that are on: of organisations, and everywhere."),
    Metric("dd0c_route_spool_backlog_bytes", "gauge", "Records that are not in the ledger yet."),
    Metric(
        "dd0c_route_spool_lag_seconds",
        "gauge",
        "Since the ledger last had everything; 0 while it has.",
    ),
    Metric(
        "dd0c_route_spool_full",
        "gauge",
        "1 while requests are refused for want of a place to book.",
    ),
    Metric("dd0c_route_spool_torn_total", "counter", "Records cut by the death of a worker."),
    Metric("dd0c_route_spool_rejected_total", "counter", "Records set aside as unreadable."),
    Metric("dd0c_route_ledger_rows_total", "counter", "Attempts inserted into the ledger."),
    Metric(
        "dd0c_route_ledger_lost_total", "counter", "Attempts booked as lost: their worker died."
    ),
    Metric("dd0c_route_ledger_failures_total", "counter", "Times the ledger took no rows."),
    Metric("dd0c_route_token_counts_total", "counter", "Texts whose tokens were counted here."),
    Metric(
        "dd0c_route_token_counts_refused_total",
        "counter",
        "Texts that were not counted: too many waited, or they were too long.",
    ),
    Metric("dd0c_route_limit_store_away", "gauge", "1 while the counters of limits are away."),
    Metric("dd0c_route_limit_asks_total", "counter", "Times workers asked for permission."),
    Metric("dd0c_route_limit_recalls_total", "counter", "Times idle permission was called in."),
    Metric("dd0c_route_limit_counts_total", "counter", "Budgets counted anew from the ledger."),
    Metric("dd0c_route_limit_leased_usd", "gauge", "Money of budgets that workers have out."),
    Metric(
        "dd0c_route_limit_unsettled",
        "gauge",
        "Transactions of the ledger that are not yet taken off their budgets.",
    ),
)
