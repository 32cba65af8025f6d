"""The control server's own metrics, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from dd0c.base.telemetry import Metric
from dd0c.kernel.db.pool import Pool
from dd0c.kernel.guard import breakers
from dd0c.kernel.guard.breakers import Breakers

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Metric(
    "dd0c_http_requests_total",
    "counter",
    "Requests to the control server; status 0: the client left before an answer.",
    ("method", "route", "status"),
)
DURATION = Metric(
    "dd0c_http_request_seconds",
    "histogram",
    "Time until the whole answer was handed to the socket.",
    ("route",),
)
_POOL_FAMILIES = {
    Metric("dd0c_database_connections", "gauge", "Open connections.", ("pool",)): "pool_size",
    Metric(
        "dd0c_database_connections_idle", "gauge", "Connections nobody uses now.", ("pool",)
    ): "pool_available",
    Metric(
        "dd0c_database_requests_waiting", "gauge", "Tasks that wait for a connection.", ("pool",)
    ): "requests_waiting",
}
CATALOGUE = (
    REQUESTS,
    DURATION,
    *_POOL_FAMILIES,
    *breakers.CATALOGUE,
    Metric("process_cpu_seconds_total", "counter", "Processor time of the control server."),
    Metric("process_resident_memory_bytes", "gauge", "Its resident memory."),
    Metric("process_virtual_memory_bytes", "gauge", "Its virtual memory."),
    Metric("process_start_time_seconds", "gauge", "When it started, in Unix seconds."),
    Metric("process_open_fds", "gauge", "Its open descriptors."),
    Metric("process_max_fds", "gauge", "How many it may open."),
)

_without_creation_times: Callable[[], None] = disable_created_metrics  # untyped in the library
"""They would be a second series beside each."""


class Metrics:
    """Counts requests by route template, never by path: ids in paths would make endless series."""

    def __init__(self, pools: Iterable[Pool], broken: Breakers):
        _without_creation_times()
        self._registry = CollectorRegistry()
        self._requests = Counter(
            REQUESTS.name, REQUESTS.help, REQUESTS.labels, registry=self._registry
        )
        self._seconds = Histogram(
            DURATION.name, DURATION.help, DURATION.labels, buckets=SECONDS, registry=self._registry
        )
        self._registry.register(_Pools(tuple(pools)))
        self._registry.register(_Broken(broken))
        ProcessCollector(registry=self._registry)

    def observe(self, request: Request, status: int, seconds: float) -> None:
        """Count one request. Status 0 means that the client left before an answer."""
        route = route_of(request)
        self._requests.labels(method_of(request), route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def render(self) -> Response:
        """All of it in the Prometheus text format."""
        text = generate_latest(self._registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


def route_of(request: Request) -> str:
    """The template of the path that answered, never the path."""
    return str(getattr(request.scope.get("route"), "path", "unknown"))


def method_of(request: Request) -> str:
    """The method, if it is one that exists."""
    return request.method if request.method in METHODS else "other"


class _Pools(Collector):
    """Connections of each pool, read when asked."""

    def __init__(self, pools: tuple[Pool, ...]):
        self._pools = pools

    def collect(self) -> Iterator[Family]:
        for metric, key in _POOL_FAMILIES.items():
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for pool in self._pools:
                family.add_metric([pool.name], pool.get_stats().get(key, 0))
            yield family


class _Broken(Collector):
    """The breakers that this process has had to do with."""

    def __init__(self, broken: Breakers):
        self._broken = broken

    def collect(self) -> Iterator[Family]:
        state, opened = breakers.CATALOGUE
        states = GaugeMetricFamily(state.name, state.help, labels=state.labels)
        times = CounterMetricFamily(opened.name, opened.help, labels=opened.labels)
        for known in self._broken.list_known():
            states.add_metric([known.name], breakers.NUMBERS[known.state])
            times.add_metric([known.name], self._broken.opened[known.name])
        yield from (states, times)
