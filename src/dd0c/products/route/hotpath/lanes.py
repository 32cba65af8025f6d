"""What all requests with the same head for the same model have in common.

Where they go, what is said to the provider and to the caller about that, what stands in their
records: put together once, and remembered beside the head. A lane belongs to one state of keys,
providers and rules; when any of them changes, heads are forgotten and their lanes with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dd0c.products.route.hotpath import heads, plain
from dd0c.products.route.hotpath.opening import Opening
from dd0c.products.route.hotpath.plain import Sheet
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.routes import Choice
from dd0c.products.route.hotpath.snapshot import Price
from dd0c.products.route.models import AttemptOpened, Endpoint

if TYPE_CHECKING:
    from dd0c.products.route.hotpath.holds import Seat
    from dd0c.products.route.hotpath.plane import DataPlane

LANES_MAX = 16  # of one head; with its texts a lane may take 5 kB
PRICES_MAX = 16  # of one lane: names that a provider answers with
STRAIGHT = frozenset((Endpoint.CHAT,))
_NOBODY = bytes(16)

Priced = tuple[Price, Sheet | None]


class Lane:
    """One way through. `outward`: the head to the provider up to the trace's id; `straight`: an
    express may take it; `seat` with its `table`, as the purse noted them."""

    __slots__ = (
        *(
            "_held",
            "_held_told",
            "_prices",
            "_record",
            "_told",
            "about",
            "dialect",
            "endpoint",
            "model",
            "opening",
            "org",
            "outward",
        ),
        *("reason", "requested_model", "seat", "straight", "table", "target"),
    )

    def __init__(self, request: Request, choice: Choice, requested_model: str):
        assert request.head.route is not None
        assert request.head.entry is not None
        self.target = choice.target
        self.model = choice.model
        self.reason = choice.reason
        self.requested_model = requested_model
        self.dialect = request.head.route.dialect
        self.endpoint = request.head.route.endpoint
        self.straight = self.endpoint in STRAIGHT and choice.model == requested_model
        self.outward = heads.to_provider(request, choice.target)
        self.about = heads.about(choice.model, choice.reason) + choice.target.line
        self.opening: Opening | None = None
        self.seat: Seat | None = None
        self.table: object = None
        self.org = request.head.entry.org
        self._prices: dict[str, Priced] = {}
        self._told = self._held_told = -1
        self._held: Sequence[Price] = ()
        self._record: AttemptOpened | None = None

    def price(self, plane: DataPlane, model: str) -> Priced | None:
        """The price of a model as its provider calls it, and its rates if they are plain."""
        if self._told != plane.prices_told or len(self._prices) > PRICES_MAX:
            self._told = plane.prices_told
            self._prices.clear()
        found = self._prices.get(model)
        if found is None:
            provider = self.target.provider.price_provider
            price = plane.find_price(provider, model, self.org)
            if price is not None:
                found = self._prices[model] = price, plain.sheet(price)
        return found

    def holds_at(self, plane: DataPlane, prices: Sequence[Price]) -> bool:
        """Whether money is held for its requests at these prices still."""
        if self._held_told != plane.prices_told or self._held is not prices:
            self._held_told = plane.prices_told
            provider = self.target.provider.price_provider
            self._held = plane.find_prices(provider, self.model, self.org)
        return self._held is prices

    def record(self, request: Request) -> AttemptOpened:
        """The open record of a request, but for what differs from the next one's."""
        if self._record is None:
            self._record = self._make_record(request)
        return self._record

    def _make_record(self, request: Request) -> AttemptOpened:
        entry, provider = request.head.entry, self.target.provider
        assert entry is not None
        return AttemptOpened(
            request_id=_NOBODY,
            attempt=1,
            org=entry.org,
            key_id=entry.key_id,
            started_us=0,
            endpoint=self.endpoint,
            dialect=self.dialect,
            stream=False,
            requested_model=self.requested_model,
            sent_model=self.model,
            provider=provider.name,
            price_provider=provider.price_provider,
            credential_id=provider.id,
            route=None,
            route_reason=self.reason,
            trace_id=_NOBODY,
            queue_us=0,
            caller_key=request.head.caller_key,
            caller_retry=request.head.caller_retry,
            tags=request.head.tags,
            team=entry.team,
        )

    def make_opening(self, request: Request) -> Opening:
        """The same, packed."""
        self.opening = Opening(self.record(request))
        return self.opening
