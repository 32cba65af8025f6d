"""Callers that keep asking while processes die, and remember every answer they got whole."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.plain import NO_TLS
from tests.support.product import Product

CALLERS = 4
BODY = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}]}
PAUSE_S = 0.02


@dataclass(slots=True)
class Traffic:
    """`answered` has the ids of requests whose answers arrived whole; `failed` counts the rest."""

    product: Product
    key: str
    answered: list[str] = field(default_factory=list)
    failed: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for number in range(CALLERS):
            thread = threading.Thread(target=self._call, args=(number % 2 == 0,))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)

    def goes_on(self, *, more: int = 20, within_s: float = 20.0) -> None:
        """Return when `more` further requests were answered."""
        wanted = len(self.answered) + more
        deadline = time.monotonic() + within_s
        while len(self.answered) < wanted:
            assert time.monotonic() < deadline, f"only {len(self.answered)} of {wanted} answers"
            time.sleep(0.02)

    def _call(self, stream: bool) -> None:
        url = f"{self.product.gateway_url}/v1/chat/completions"
        headers = {"Authorization": f"Bearer {self.key}", "x-sim-fault": "tokens=20"}
        with httpx.Client(headers=headers, timeout=10.0, verify=NO_TLS) as client:
            while not self._stopped.wait(PAUSE_S):
                try:
                    answer = client.post(url, json=BODY | {"stream": stream})
                except httpx.HTTPError:
                    self.failed += 1
                    continue
                whole = answer.text.rstrip().endswith("data: [DONE]") if stream else True
                if answer.status_code == 200 and whole:
                    self.answered.append(answer.headers["x-dd0c-request-id"])
                else:
                    self.failed += 1


def ledger(product: Product, key: str) -> list[dict[str, Any]]:
    """Every request of the key's organisation, over all pages."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": 500} | ({"cursor": cursor} if cursor else {})
        page = product.get_json("/route/requests", key=key, **query)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def check_complete(product: Product, key: str, answered: list[str]) -> None:
    """R-15: every whole answer has exactly one final, priced row; no attempt stands there twice."""
    deadline = time.monotonic() + 15
    while True:
        requests = ledger(product, key)
        missing = set(answered) - {request["request_id"] for request in requests}
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert answered
    assert not missing
    ids = [request["request_id"] for request in requests]
    assert len(ids) == len(set(ids))
    wanted = set(answered)
    for request in requests:
        attempts = [attempt["attempt"] for attempt in request["attempts"]]
        assert len(attempts) == len(set(attempts))
        if request["request_id"] in wanted:
            finals = [attempt for attempt in request["attempts"] if attempt["final"]]
            assert [final["end_reason"] for final in finals] == ["complete"], request
            assert finals[0]["cost_usd"] is not None
