"""Follows keys, providers, rules and prices in PostgreSQL, and goes on without it.

One connection listens and looks: at a notification, and every `POLL_EVERY_S` for notifications that
got lost. A look reads what changed since the watermark (store/keys.py says why nothing is missed).

When the connection breaks, the next one first catches up from the old watermark, which is fast, and
then reads everything once: only that notices a database that was restored to an earlier state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import psycopg

from dd0c.base.errors import Error, Unavailable
from dd0c.base.secrets import Secret
from dd0c.kernel.autonomy import panics
from dd0c.kernel.autonomy.states import Channel
from dd0c.kernel.db.listening import Connection, connected, deadline
from dd0c.kernel.vault.envelope import Sealed, Vault
from dd0c.products.route import overrides, providers
from dd0c.products.route.gateway.configuration import Configuration
from dd0c.products.route.hotpath.snapshot import Provider, ToWorker
from dd0c.products.route.models import Dialect
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.store import keys as key_store
from dd0c.products.route.store import overrides as override_store
from dd0c.products.route.store import providers as provider_store
from dd0c.products.route.store import rules as rule_store

CHANNELS = ("dd0c_keys", "dd0c_providers", "dd0c_price_overrides", "dd0c_rules")
POLL_EVERY_S = 0.5
LOOK_MAX_S = 5.0
LOAD_MAX_S = 60.0
RETRY_MIN_S = 0.1
RETRY_MAX_S = 2.0

log = logging.getLogger(__name__)


class Feed:
    """Keeps `configuration` as PostgreSQL says, and passes each change to `tell`."""

    def __init__(
        self,
        conninfo: Secret,
        vault: Vault,
        prices: PriceTable,
        configuration: Configuration,
        tell: Callable[[ToWorker], None],
    ):
        self.away: bool | None = None  # None: not known yet
        self._looked_at: float | None = None
        self._conninfo = conninfo
        self._vault = vault
        self._prices = prices
        self._configuration = configuration
        self._tell = tell
        self._watermark: str | None = None

    async def run(self) -> None:
        """Follow for ever."""
        delay_s = RETRY_MIN_S
        while True:
            try:
                async with connected(self._conninfo) as connection:
                    await self._catch_up(connection)
                    await self._load(connection)
                    self._set_away(None)
                    delay_s = RETRY_MIN_S
                    await self._follow(connection)
            except (psycopg.Error, OSError, Error) as error:
                self._set_away(error)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RETRY_MAX_S)

    def begin_at_age(self, seconds: float) -> None:
        """What is known already is from so long ago."""
        self._looked_at = asyncio.get_running_loop().time() - seconds

    def age_s(self) -> float | None:
        """Seconds since PostgreSQL said what is known; None while nothing is."""
        if self._looked_at is None:
            return None
        return round(asyncio.get_running_loop().time() - self._looked_at, 3)

    async def _catch_up(self, connection: Connection) -> None:
        with deadline(connection, LOOK_MAX_S):
            for channel in CHANNELS:
                await connection.execute(f"LISTEN {channel}")
        if self._watermark is not None:
            await self._look(connection, self._watermark)

    async def _follow(self, connection: Connection) -> None:
        while self._watermark is not None:
            async for _ in connection.notifies(timeout=POLL_EVERY_S, stop_after=1):
                pass
            if self._configuration.behind:
                await self._load(connection)
            else:
                await self._look(connection, self._watermark)

    async def _look(self, connection: Connection, since: str) -> None:
        """Take in what changed since the watermark."""
        with deadline(connection, LOOK_MAX_S):
            watermark = await key_store.get_watermark(connection)
            rows = await key_store.list_changed(connection, since)
            if await rule_store.has_changed(connection, since):  # first: no key without its limits
                await self._load_rules(connection)
            self._pass_on(self._configuration.apply_keys(rows))
            if await provider_store.has_changed(connection, since):
                await self._load_providers(connection)
            if await override_store.has_changed(connection, since):
                await self._load_overrides(connection)
        self._remember(watermark)

    async def _load(self, connection: Connection) -> None:
        """Take in everything; the first time the workers get it as their snapshot."""
        self._configuration.behind = False
        with deadline(connection, LOAD_MAX_S):
            answered = self._configuration.brake.asks(Channel.DATABASE)
            answered(await panics.list_said(connection))  # first: no door opens that is to be shut
            watermark = await key_store.get_watermark(connection)
            rows = await key_store.list_usable(connection)
            await self._load_providers(connection)
            await self._load_overrides(connection)
            await self._load_rules(connection)
        self._pass_on(self._configuration.replace_keys(rows))
        self._remember(watermark)
        self._configuration.confirm()
        if not self._configuration.loaded:
            self._configuration.loaded = True
            for message in self._configuration.greeting():
                self._tell(message)

    async def _load_providers(self, connection: Connection) -> None:
        found = [
            provider
            for row in await provider_store.list_sealed(connection)
            if (provider := await self._open(connection, row)) is not None
        ]
        self._pass_on(self._configuration.replace_providers(found))
        for name in sorted({p.price_provider for p in found}):
            prices = await asyncio.to_thread(self._prices.prices, name)  # compiling takes 0.5 s
            self._pass_on(self._configuration.add_prices(prices))

    async def _load_overrides(self, connection: Connection) -> None:
        rows = await override_store.list_all(connection)
        found = await asyncio.to_thread(overrides.compiled, self._prices, rows)
        self._pass_on(self._configuration.replace_overrides(found))

    async def _load_rules(self, connection: Connection) -> None:
        rules = await rule_store.list_rules(connection)
        terms = await rule_store.list_terms(connection)
        self._pass_on(self._configuration.replace_rules(rules, terms))

    async def _open(self, connection: Connection, row: provider_store.Sealed) -> Provider | None:
        """The provider with its secret in the clear; None for one that we cannot use."""
        try:
            address = providers.parse_base_url(row.base_url, Dialect(row.dialect))
            secret = Secret("")
            if row.secret is not None and row.data_key is not None:
                sealed = Sealed(row.data_key, row.secret)
                secret = await self._vault.open(connection, row.org, row.id, sealed)
        except Unavailable:  # a KMS that is away takes no provider from anybody: ask again
            raise
        except (Error, ValueError) as error:  # ValueError: a dialect of a newer dd0c
            log.warning("a provider is left out: %s", error, extra={"provider": row.name})
            return None
        return Provider(
            id=row.id.bytes,
            org=None if row.org is None else row.org.bytes,
            name=row.name,
            dialect=row.dialect,
            scheme=address.scheme,
            host=address.host,
            port=address.port,
            path_prefix=address.path_prefix,
            secret=secret,
            price_provider=row.price_provider,
            simulated=row.simulated,
        )

    def _remember(self, watermark: str) -> None:
        self._watermark = watermark
        self._looked_at = asyncio.get_running_loop().time()

    def _pass_on(self, change: ToWorker | None) -> None:
        """Tell the workers of a change; before the first load they wait for the whole."""
        if change is not None and self._configuration.loaded:
            self._tell(change)

    def _set_away(self, error: Exception | None) -> None:
        away = error is not None
        if away == self.away:
            return
        self.away = away
        if (change := self._configuration.set_stale(away)) is not None:
            self._tell(change)
        if away:
            cause = str(error).partition("\n")[0]
            log.warning("PostgreSQL is away, serving with what is known: %s", cause)
        else:
            log.info("following PostgreSQL", extra={"keys": self._configuration.key_count})
