"""Counters of a worker: plain numbers, named as Prometheus knows them once a second."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from dd0c.base.telemetry import Histogram, Metric, sample
from dd0c.products.route.hotpath.snapshot import Price, Provider
from dd0c.products.route.hotpath.tariff import BUCKETS
from dd0c.products.route.models import NO_USAGE, AttemptClosed

MODELS_MAX = 200  # pairs of provider and model with series of their own
PROVIDERS_MAX = 50
TOGETHER_MAX = 2000  # attempts that are counted at once
OTHER = "other"
TENANTS = "of an organisation"  # its providers' names are its own business

CATALOGUE = (
    Metric(
        "dd0c_route_requests_total",
        "counter",
        "Requests answered; status 0: the caller left before.",
        ("endpoint", "status"),
    ),
    Metric(
        "dd0c_route_attempts_total",
        "counter",
        "Calls to providers, by how they ended.",
        ("provider", "end_reason"),
    ),
    Metric(
        "dd0c_route_attempt_seconds",
        "histogram",
        "From sending to the end of the provider's answer.",
        ("provider",),
    ),
    Metric(
        "dd0c_route_first_byte_seconds",
        "histogram",
        "From sending to the provider's first byte.",
        ("provider",),
    ),
    Metric(
        "dd0c_route_tokens_total",
        "counter",
        "Tokens as providers counted them, in disjoint buckets.",
        ("provider", "model", "bucket"),
    ),
    Metric(
        "dd0c_route_cost_usd_total",
        "counter",
        "Cost of attempts in dollars, simulated ones too; the ledger is exact, this is a float.",
        ("provider", "model"),
    ),
    Metric(
        "dd0c_route_unpriced_attempts_total",
        "counter",
        "Attempts whose cost is not known, by the reason.",
        ("reason",),
    ),
    Metric("dd0c_route_spool_records_total", "counter", "Records written to the spool."),
    Metric(
        "dd0c_route_requests_unrecorded_total",
        "counter",
        "Requests served without a record while the spool was full: nobody bills them.",
    ),
    Metric(
        "dd0c_route_limit_refusals_total",
        "counter",
        "Requests that limits and budgets refused, by what is limited of whom.",
        ("measure", "scope"),
    ),
    Metric(
        "dd0c_route_limit_waits_total",
        "counter",
        "Requests that waited for permission: what a worker had at hand was too little.",
    ),
    Metric("dd0c_route_connections", "gauge", "Open connections of callers."),
    Metric("dd0c_route_requests_open", "gauge", "Requests that are being served."),
    Metric("dd0c_route_upstream_connections", "gauge", "Open connections to providers."),
    Metric("dd0c_route_upstream_connections_idle", "gauge", "Those that wait for a request."),
)


class Metrics:
    """Everything counted since the start; `requests` by endpoint and status (0: the caller left
    before). Labels come from closed sets, and what could still grow
    is bounded: the parent takes a megabyte of it at most."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._attempts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._tokens: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._cost_pico: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._unpriced: Counter[str] = Counter()
        self._ended: list[tuple[Provider, Price | None, AttemptClosed]] = []
        self._seconds = Histogram("dd0c_route_attempt_seconds", "provider")
        self._first_byte = Histogram("dd0c_route_first_byte_seconds", "provider")
        self._providers: set[str] = set()
        self._models: set[tuple[str, str]] = set()

    def attempt(self, provider: Provider, price: Price | None, record: AttemptClosed) -> None:
        """An attempt has ended. It is counted with others like it, at once."""
        self._ended.append((provider, price, record))
        if len(self._ended) >= TOGETHER_MAX:
            self._count_ended()

    def _count_ended(self) -> None:
        ended, self._ended = self._ended, []
        alike: defaultdict[tuple[str, str], list[AttemptClosed]] = defaultdict(list)
        for provider, price, record in ended:
            name = self._name(provider)
            alike[name, self._model(name, price)].append(record)
        for (name, model), records in alike.items():
            self._count_alike(name, model, records)

    def _count_alike(self, name: str, model: str, records: list[AttemptClosed]) -> None:
        for end, number in Counter(record.end_reason for record in records).items():
            self._attempts[name, end] += number
        first = [one.first_byte_us / 1e6 for one in records if one.first_byte_us is not None]
        self._seconds.observe_all(name, [one.total_us / 1e6 for one in records])
        self._first_byte.observe_all(name, first)
        self._unpriced.update(one.cost_reason for one in records if one.cost_reason is not None)
        used = [one for one in records if one.usage is not NO_USAGE]
        costs = [one.cost_pico for one in used if one.cost_pico is not None]
        if costs:
            self._cost_pico[name, model] += sum(costs)
        columns = zip(*(msgspec.structs.astuple(one.usage) for one in used), strict=True)
        for bucket, column in zip(BUCKETS, columns, strict=False):
            if count := sum(filter(None, column)):
                self._tokens[name, model, bucket] += count

    def _name(self, provider: Provider) -> str:
        if provider.org is not None:
            return TENANTS
        if provider.name not in self._providers and len(self._providers) >= PROVIDERS_MAX:
            return OTHER
        self._providers.add(provider.name)
        return provider.name

    def _model(self, provider: str, price: Price | None) -> str:
        """A name that the price table knows: callers may invent others without end."""
        if price is None:
            return OTHER
        pair = provider, price.model
        if pair not in self._models and len(self._models) >= MODELS_MAX:
            return OTHER
        self._models.add(pair)
        return price.model

    def counters(self) -> dict[str, float]:
        """All counters by their name with labels."""
        self._count_ended()
        named: dict[str, float] = {}
        for (endpoint, status), count in self.requests.items():
            labels = {"endpoint": endpoint, "status": status}
            named[sample("dd0c_route_requests_total", labels)] = count
        for (provider, end), count in self._attempts.items():
            labels = {"provider": provider, "end_reason": str(end)}
            named[sample("dd0c_route_attempts_total", labels)] = count
        for (provider, model, bucket), count in self._tokens.items():
            labels = {"provider": provider, "model": model, "bucket": bucket}
            named[sample("dd0c_route_tokens_total", labels)] = count
        for (provider, model), pico in self._cost_pico.items():
            labels = {"provider": provider, "model": model}
            named[sample("dd0c_route_cost_usd_total", labels)] = pico / 10**12
        for reason, count in self._unpriced.items():
            named[sample("dd0c_route_unpriced_attempts_total", {"reason": reason})] = count
        named.update(self._seconds.samples())
        named.update(self._first_byte.samples())
        return named
