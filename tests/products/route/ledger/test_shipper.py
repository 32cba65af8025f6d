"""The shipper on a real database: what was written to the spool is in the ledger, once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
import pytest

from dd0c.base.clock import SystemClock
from dd0c.base.errors import Internal
from dd0c.kernel.db import roles, tenancy
from dd0c.kernel.db.pool import Pool
from dd0c.products.route.hotpath import spool
from dd0c.products.route.models import AttemptClosed, AttemptOpened, Usage
from dd0c.products.route.prices import PriceTable
from dd0c.products.route.shipper import Shipper
from dd0c.products.route.shipper.folder import BATCH_ROWS
from dd0c.products.route.shipper.listener import Shipment
from dd0c.products.route.store import reading, usage
from dd0c.products.route.store.selection import Filter
from tests.conftest import TwoOrgs
from tests.products.route import records
from tests.products.route.ledger import spools
from tests.support.database import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The spool folder of this gateway."""
    (tmp_path / "gwy_own").mkdir()
    return tmp_path / "gwy_own"


@pytest.fixture
def shipper(folder: Path, shipper_pool: Pool) -> Shipper:
    """A shipper of that folder."""
    return Shipper(folder, shipper_pool, PriceTable(), SystemClock())


def attempts(org: uuid.UUID, count: int) -> list[tuple[AttemptOpened, AttemptClosed]]:
    """Attempts that went well, a microsecond apart."""
    found = []
    for n in range(count):
        opened = records.opened(org, at_us=records.START_US + n)
        found.append((opened, records.closed(opened)))
    return found


async def in_ledger(app_pool: Pool, org: uuid.UUID) -> dict[bytes, reading.Attempt]:
    """All final attempts of an organisation by request id."""
    found: dict[bytes, reading.Attempt] = {}
    wanted = Filter()
    async with tenancy.tenant(app_pool, org) as tx:
        while True:
            page = await reading.list_requests(tx, wanted, limit=500)
            found |= {r.request_id.bytes: r.final for r in page.requests}
            if page.next_before is None:
                return found
            wanted = Filter(before=page.next_before)


async def test_closed_attempts_are_shipped(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Each attempt of every worker is in its organisation's ledger; the dead worker's file goes."""
    ours, theirs = attempts(two_orgs.acme, 5), attempts(two_orgs.globex, 3)
    dead = spools.write(folder, [r for p in ours for r in p])
    alive = spools.write(folder, [r for p in theirs for r in p], pid=spools.ALIVE)
    assert shipper.backlog_bytes() == dead.stat().st_size + alive.stat().st_size
    assert await shipper.ship_once(lambda: {spools.ALIVE}) == 8
    assert set(await in_ledger(app_pool, two_orgs.acme)) == {o.request_id for o, _ in ours}
    assert set(await in_ledger(app_pool, two_orgs.globex)) == {o.request_id for o, _ in theirs}
    assert (dead.exists(), alive.exists()) == (False, True)
    assert shipper.backlog_bytes() == 0


async def test_an_attempt_in_flight_waits_for_its_end(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """An open record of a living worker is no row; its close makes it one, rotated or not."""
    [(opened, closed), *others] = attempts(two_orgs.acme, 3)
    spools.write(folder, [opened], pid=spools.ALIVE)
    assert await shipper.ship_once(lambda: {spools.ALIVE}) == 0
    first = spools.write(folder, [r for p in others for r in p], pid=spools.ALIVE)
    assert await shipper.ship_once(lambda: {spools.ALIVE}) == 2
    second = spools.write(folder, [closed], pid=spools.ALIVE, sequence=2)
    assert await shipper.ship_once(lambda: {spools.ALIVE}) == 1
    assert len(await in_ledger(app_pool, two_orgs.acme)) == 3
    assert (first.exists(), second.exists()) == (False, True)


async def test_a_restart_between_open_and_close(
    shipper_pool: Pool, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A new gateway parent finds the opens of attempts whose closes come later."""
    pairs = attempts(two_orgs.acme, 4)
    spools.write(folder, [pairs[0][0], pairs[1][0], pairs[1][1], pairs[2][0]], pid=spools.ALIVE)
    old = Shipper(folder, shipper_pool, PriceTable(), SystemClock())
    assert await old.ship_once(lambda: {spools.ALIVE}) == 1
    spools.write(folder, [pairs[0][1], pairs[3][0], pairs[2][1], pairs[3][1]], pid=spools.ALIVE)
    new = Shipper(folder, shipper_pool, PriceTable(), SystemClock())
    await new.ship_once()
    found = await in_ledger(app_pool, two_orgs.acme)
    assert {a.end_reason for a in found.values()} == {"complete"}
    assert len(found) == 4
    assert new.counts.rejected == 0
    assert spools.files(folder) == []


async def test_a_restart_tells_shipped_closes_from_orphans(
    shipper_pool: Pool, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Reading again, a close whose attempt was shipped is nothing new; one never opened is kept."""
    [first, second, third] = attempts(two_orgs.acme, 3)
    old = Shipper(folder, shipper_pool, PriceTable(), SystemClock())
    spools.write(folder, [first[0]], pid=spools.ALIVE)
    await old.ship_once(lambda: {spools.ALIVE})
    spools.write(folder, [second[0], first[1]], pid=spools.ALIVE)
    await old.ship_once(lambda: {spools.ALIVE})
    new = Shipper(folder, shipper_pool, PriceTable(), SystemClock())
    spools.write(folder, [third[1], second[1]], pid=spools.ALIVE)
    await new.ship_once(lambda: {spools.ALIVE})
    expected = {first[0].request_id, second[0].request_id}
    assert set(await in_ledger(app_pool, two_orgs.acme)) == expected
    assert new.counts.rejected == 1
    assert (folder / "orphans.bad").read_bytes() == spool.encode(third[1])


async def test_what_a_dead_worker_left_open_is_lost(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """An attempt whose worker died is a row that says so, with no cost and no invented numbers."""
    [(opened, _), (other, end)] = attempts(two_orgs.acme, 2)
    spools.write(folder, [opened, other, end])
    assert await shipper.ship_once() == 2
    lost = (await in_ledger(app_pool, two_orgs.acme))[opened.request_id]
    assert (lost.end_reason, lost.cost_pico, lost.cost_reason) == ("lost", None, "lost")
    assert (lost.usage, lost.total_us, lost.status) == (Usage(), None, None)
    assert lost.requested_model == "gpt-5-mini"
    assert shipper.counts.lost == 1


async def test_a_worker_that_rotates_and_dies_while_we_look(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A close in a file that was begun after we listed the files is found before its open is lost;
    a worker that was started after that is not taken for a dead one."""
    [(opened, closed), (other, _)] = attempts(two_orgs.acme, 2)
    spools.write(folder, [opened])

    asked: list[set[int]] = []

    def living() -> set[int]:
        if asked:
            return {spools.ALIVE}
        spools.write(folder, [closed], sequence=2)
        spools.write(folder, [other], pid=spools.ALIVE)
        asked.append(set())
        return asked[0]

    assert await shipper.ship_once(living) == 1
    found = await in_ledger(app_pool, two_orgs.acme)
    assert found[opened.request_id].end_reason == "complete"
    assert len(found) == 1


async def test_a_torn_last_record_is_counted(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Half a record at the end waits while its worker lives, and is dropped when that is dead."""
    [(opened, closed), (second, _)] = attempts(two_orgs.acme, 2)
    path = spools.write(folder, [opened, closed], pid=spools.ALIVE)
    frame = spool.encode(second)
    with path.open("ab") as file:
        file.write(frame[:30])
    assert await shipper.ship_once(lambda: {spools.ALIVE}) == 1
    assert await shipper.ship_once(lambda: {spools.ALIVE}) == 0
    assert shipper.counts.torn == 0
    assert await shipper.ship_once() == 0
    assert (shipper.counts.torn, shipper.counts.rejected) == (1, 0)
    assert not path.exists()
    assert set(await in_ledger(app_pool, two_orgs.acme)) == {opened.request_id}


@pytest.mark.parametrize("byte", [0, 2, 6, 40], ids=["magic", "length", "checksum", "payload"])
async def test_a_damaged_frame_costs_only_itself(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs, byte: int
) -> None:
    """Behind a damaged frame shipping goes on; its bytes, and a close without open, are kept."""
    pairs = attempts(two_orgs.acme, 5)
    path = spools.write(folder, [r for p in pairs for r in p])
    content = bytearray(path.read_bytes())
    frames = [spool.encode(r) for p in pairs for r in p]
    at = sum(map(len, frames[:4]))  # the open record of the third attempt
    content[at + byte] ^= 0xFF
    path.write_bytes(content)
    assert await shipper.ship_once() == 4
    expected = {o.request_id for o, _ in pairs} - {pairs[2][0].request_id}
    assert set(await in_ledger(app_pool, two_orgs.acme)) == expected
    assert (folder / f"{path.stem}.bad").read_bytes() == bytes(content[at : at + len(frames[4])])
    assert (folder / "orphans.bad").read_bytes() == frames[5]
    assert (shipper.counts.rejected, shipper.counts.torn) == (2, 0)
    assert not path.exists()


HOSTILE = [
    "nul\0inside",
    "m" * 10_240,
    "ж" * 10_240,
    "\U0001f600" * 300,
    "line\nbreak\x1b[31m\\N\t",
    "",
    "'; DROP TABLE route.attempts; --",
]


async def test_hostile_text_never_blocks_the_spool(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """Any text and number a record can hold gets its row, and what was changed shows."""
    pairs = []
    for n, text in enumerate(HOSTILE):
        opened = records.opened(
            two_orgs.acme,
            at_us=records.START_US + n,
            requested_model=text,
            sent_model=text,
            end_user=text,
            tags=(text, text),
            caller_key=text,
            trace_id=b"",
        )
        pairs.append((opened, records.closed(opened, served_model=text, error_code=text)))
    big = records.opened(two_orgs.acme, caller_retry=2**64 - 1, queue_us=2**63)
    usage = Usage(input=2**64 - 1, output=1)
    pairs.append((big, records.closed(big, usage=usage, status=2**40, total_us=-(2**63))))
    raw = records.opened(two_orgs.acme)
    pairs.append(
        (raw, records.closed(raw, usage_raw=b"\xff not json \0", usage_error=float("nan")))
    )
    rich = records.opened(two_orgs.acme)
    pairs.append((rich, records.closed(rich, cost_pico=2**63)))
    spools.write(folder, [r for p in pairs for r in p])

    assert await shipper.ship_once() == len(pairs)
    found = await in_ledger(app_pool, two_orgs.acme)
    assert set(found) == {o.request_id for o, _ in pairs}
    models = [found[o.request_id].requested_model for o, _ in pairs[: len(HOSTILE)]]
    assert models[0] == "nul␀inside"
    assert models[1] == "m" * 224 + "… (10240 characters)"
    assert models[2].startswith("жжж")
    assert models[4:] == HOSTILE[4:]
    shown = found[big.request_id]
    assert (shown.usage, shown.status, shown.queue_us) == (Usage(output=1), 2**40, None)
    assert (shown.cost_pico, shown.cost_reason) == (None, "out_of_range")
    assert found[rich.request_id].cost_reason == "out_of_range"
    assert found[raw.request_id].usage_raw == "� not json ␀"
    assert shipper.counts.rejected == 0


async def test_what_fits_nowhere_is_kept_beside_the_ledger(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A record without a usable id, time or number stays out, whole, and holds up nobody."""
    good = attempts(two_orgs.acme, 3)
    odd = [
        records.opened(two_orgs.acme, request_id=b"short"),
        msgspec.structs.replace(records.opened(two_orgs.acme), org=b""),
        records.opened(two_orgs.acme, attempt=40_000),
        records.opened(two_orgs.acme, attempt=-1),
        records.opened(two_orgs.acme, started_us=2**63),
        records.opened(two_orgs.acme, request_id=bytes(16)),
        records.opened(two_orgs.acme, request_id=b"\xff" * 16),
    ]
    bad = [(o, records.closed(o)) for o in odd]
    spools.write(folder, [r for p in [good[0], *bad, *good[1:]] for r in p])
    await shipper.ship_once()
    assert set(await in_ledger(app_pool, two_orgs.acme)) == {o.request_id for o, _ in good}
    kept = spool.decode((folder / "unfit.bad").read_bytes())
    assert kept.records == [r for p in bad for r in p]
    assert shipper.counts.rejected == len(bad)


async def test_a_row_the_database_refuses_stays_alone(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """Should PostgreSQL refuse a row for a reason we did not foresee, only that row stays out."""
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute("ALTER TABLE route.attempts ADD CHECK (requested_model <> 'odd')")
    pairs = attempts(two_orgs.acme, 20)
    for n in (3, 11):
        opened = records.opened(two_orgs.acme, requested_model="odd")
        pairs[n] = (opened, records.closed(opened))
    spools.write(folder, [r for p in pairs for r in p])
    await shipper.ship_once()
    expected = {o.request_id for o, _ in pairs if o.requested_model != "odd"}
    assert set(await in_ledger(app_pool, two_orgs.acme)) == expected
    assert shipper.counts.rejected == 2


async def test_refused_rows_do_not_make_a_batch_full(
    shipper: Shipper, folder: Path, two_orgs: TwoOrgs, database: Database
) -> None:
    """Whether there may be more is what it was when the batch was read: each is shipped once,
    though rows that PostgreSQL refused were added to what the last batch keeps out (R-15)."""
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute("ALTER TABLE route.attempts ADD CHECK (requested_model <> 'odd')")
    odd = records.opened(two_orgs.acme, requested_model="odd")
    spools.write(folder, [odd, records.closed(odd)])
    spools.write(folder, [r for p in attempts(two_orgs.acme, BATCH_ROWS - 2) for r in p])
    assert await shipper.ship_once() == BATCH_ROWS - 1
    assert shipper.counts.rows == BATCH_ROWS - 2
    kept = spool.decode((folder / "unfit.bad").read_bytes())
    assert kept.records == [odd, records.closed(odd)]


async def test_rows_that_are_all_refused_stay_in_the_spool(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """A database that refuses everything is not the rows' fault: they wait until it is mended."""
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute("ALTER TABLE route.attempts ADD CONSTRAINT odd CHECK (provider = 'x')")
    pairs = attempts(two_orgs.acme, 20)
    spools.write(folder, [r for p in pairs for r in p])
    with pytest.raises(Internal, match="refuses every row"):
        await shipper.ship_once()
    assert shipper.counts.rejected == 0
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute("ALTER TABLE route.attempts DROP CONSTRAINT odd")
    assert await shipper.ship_once() == 20
    assert len(await in_ledger(app_pool, two_orgs.acme)) == 20


async def test_what_was_told_is_not_told_again(
    folder: Path, shipper_pool: Pool, two_orgs: TwoOrgs, database: Database
) -> None:
    """While an early attempt is open, what follows it is read again after each failure; who counts
    what is spent hears of each attempt once all the same (R-16): whether the ledger took no rows,
    or the disk no note of what was shipped."""
    told: list[bytes] = []

    class Ear:
        async def shipped(self, shipment: Shipment) -> None:
            told.extend(charge.opened.request_id for charge in shipment.charges)

        async def caught_up(self, living: Collection[int]) -> None: ...

    def living() -> set[int]:
        return {spools.ALIVE}

    shipper = Shipper(folder, shipper_pool, PriceTable(), SystemClock(), listener=Ear())
    [(early, end), *others] = attempts(two_orgs.acme, 31)
    spools.write(folder, [early, *(r for p in others[:10] for r in p)], pid=spools.ALIVE)
    assert await shipper.ship_once(living) == 10

    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute(
            "ALTER TABLE route.attempts ADD CONSTRAINT odd CHECK (provider = 'x') NOT VALID"
        )
    spools.write(folder, [r for p in others[10:20] for r in p], pid=spools.ALIVE)
    with pytest.raises(Internal, match="refuses every row"):
        await shipper.ship_once(living)
    with psycopg.connect(database.conninfo(roles.OWNER).reveal()) as owner:
        owner.execute("ALTER TABLE route.attempts DROP CONSTRAINT odd")
    assert await shipper.ship_once(living) == 10

    in_the_way = folder / "shipped.json.new"
    in_the_way.mkdir()
    spools.write(folder, [r for p in others[20:] for r in p], pid=spools.ALIVE)
    with pytest.raises(IsADirectoryError):
        await shipper.ship_once(living)
    in_the_way.rmdir()
    spools.write(folder, [end], pid=spools.ALIVE)
    assert await shipper.ship_once() == 1
    assert told == [o.request_id for o, _ in others] + [early.request_id]
    assert spools.files(folder) == []


async def test_old_months_get_their_partitions(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A spool that lay about for years, or is from a clock that ran ahead, is shipped as well."""
    moments = [datetime(2021, 2, 28, 23, 59, tzinfo=UTC), datetime(2031, 12, 1, tzinfo=UTC)]
    opens = [records.opened(two_orgs.acme, at_us=int(m.timestamp()) * 10**6) for m in moments]
    spools.write(folder, [r for o in opens for r in (o, records.closed(o))])
    assert await shipper.ship_once() == 2
    assert set(await in_ledger(app_pool, two_orgs.acme)) == {o.request_id for o in opens}


async def test_a_price_the_worker_did_not_know_yet(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """An attempt without a price is rated before it is billed; one nobody knows is not."""
    known, unknown = records.opened(two_orgs.acme), records.opened(two_orgs.acme)
    spools.write(
        folder,
        [
            known,
            records.closed(known, cost_pico=None, price_id=None, cost_reason="no_price"),
            unknown,
            records.closed(
                unknown, cost_pico=None, price_id=None, cost_reason="no_price", served_model="x-1"
            ),
        ],
    )
    await shipper.ship_once()
    found = await in_ledger(app_pool, two_orgs.acme)
    # gpt-5-mini: 100 x 0.25 + 20 x 0.025 + (50 + 10) x 2.00 dollars a million
    assert found[known.request_id].cost_pico == 145_500_000
    price = found[known.request_id].price
    assert price is not None
    assert price.model == "gpt-5-mini"
    unrated = found[unknown.request_id]
    assert (unrated.cost_pico, unrated.cost_reason) == (None, "no_price")


async def test_the_price_of_an_attempt_is_kept(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """The rates that a worker billed with can be read beside the row."""
    opened = records.opened(two_orgs.acme)
    price = PriceTable().find("openai", "gpt-5-mini-2025-08-07")
    assert price is not None
    spools.write(folder, [opened, records.closed(opened, price_id=price.price_id)])
    await shipper.ship_once()
    row = (await in_ledger(app_pool, two_orgs.acme))[opened.request_id].price
    assert row is not None
    assert (row.id, row.rates["tiers"][0]["input"]) == (price.price_id, "0.25")


async def test_another_gateways_folder_is_taken_over(
    folder: Path, shipper_pool: Pool, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """What a gateway before us left in the same home is shipped, its open ones as lost."""
    left = folder.parent / "gwy_before"
    [(opened, closed), (lost, _)] = attempts(two_orgs.acme, 2)
    spools.write(left, [opened, closed, lost])
    spools.write(left, [], pid=spools.ALIVE)
    shipper = Shipper(folder, shipper_pool, PriceTable(), SystemClock())
    assert shipper.backlog_bytes() > 0
    assert await shipper.ship_once(lambda: {spools.DEAD}) == 2
    found = await in_ledger(app_pool, two_orgs.acme)
    assert {a.end_reason for a in found.values()} == {"complete", "lost"}
    assert not left.exists()


async def test_more_than_a_batch(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """A backlog of several batches and files is shipped completely, with bounded memory."""
    pairs = attempts(two_orgs.acme, BATCH_ROWS + 500)
    for n in range(3):
        spools.write(folder, [r for p in pairs[n::3] for r in p], sequence=n + 1)
    assert await shipper.ship_once() == len(pairs)
    async with tenancy.tenant(app_pool, two_orgs.acme) as tx:
        report = await usage.usage_by(tx, "day", Filter())
    assert report.total.attempts == len(pairs)


async def test_it_runs_until_it_is_told(
    shipper: Shipper, folder: Path, app_pool: Pool, two_orgs: TwoOrgs
) -> None:
    """The loop ships what is written while it runs, and what is there when it stops."""
    stop = asyncio.Event()
    first, second = attempts(two_orgs.acme, 2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shipper.run(lambda: {spools.ALIVE}, stop))
        spools.write(folder, first, pid=spools.ALIVE)
        async with asyncio.timeout(5):
            await spools.until(lambda: shipper.counts.rows > 0)
        spools.write(folder, second, pid=spools.ALIVE)
        stop.set()
    assert len(await in_ledger(app_pool, two_orgs.acme)) == 2
    assert shipper.backlog_age_s() == 0
