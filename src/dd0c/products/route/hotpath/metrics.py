"""Counters of a worker: plain numbers, named as Prometheus knows them once a second."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from dd0c.products.route.hotpath.tariff import BUCKETS
from dd0c.products.route.models import NO_USAGE, EndReason, Usage


class Metrics:
    """Everything counted since the start. Labels come from closed sets: paths of ours, statuses,
    names of providers; never from what a caller writes."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._attempts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._tokens: defaultdict[tuple[str, str], int] = defaultdict(int)

    def request(self, endpoint: str, status: int) -> None:
        """A request was answered; status 0: its caller left before."""
        self._requests[endpoint, status] += 1

    def attempt(self, provider: str, end: EndReason, usage: Usage) -> None:
        """An attempt has ended."""
        self._attempts[provider, end] += 1
        if usage is NO_USAGE:
            return
        for bucket, count in zip(BUCKETS, msgspec.structs.astuple(usage), strict=True):
            if count:
                self._tokens[provider, bucket] += count

    def counters(self) -> dict[str, float]:
        """All counters by their name with labels."""
        named: dict[str, float] = {}
        for (endpoint, status), count in self._requests.items():
            labels = f'{{endpoint="{endpoint}",status="{status}"}}'
            named["dd0c_route_requests_total" + labels] = count
        for (provider, end), count in self._attempts.items():
            labels = f'{{provider="{provider}",end_reason="{end}"}}'
            named["dd0c_route_attempts_total" + labels] = count
        for (provider, bucket), count in self._tokens.items():
            labels = f'{{provider="{provider}",bucket="{bucket}"}}'
            named["dd0c_route_tokens_total" + labels] = count
        return named
