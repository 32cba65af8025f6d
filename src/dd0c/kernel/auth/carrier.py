"""What the library of OpenID Connect sends goes out through `outbound`, as everything does."""

from __future__ import annotations

import httpx2

from dd0c.base.outbound import Breaker, Outbound, Policy, Request


class Carrier(httpx2.AsyncBaseTransport):
    """The transport of a client of httpx2. Errors are those of `outbound`."""

    def __init__(self, outbound: Outbound, breaker: Breaker, within_s: float):
        self._outbound = outbound
        self._breaker = breaker
        self._within_s = within_s

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        answer = await self._outbound.send(
            Request(request.method, str(request.url), dict(request.headers), body),
            within_s=self._within_s,
            policy=Policy.CONFIGURED,
            breaker=self._breaker,
        )
        return httpx2.Response(answer.status, headers=dict(answer.headers), content=answer.body)
