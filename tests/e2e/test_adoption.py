"""The spool of a host that is gone comes into the ledger by hand (R-15)."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from pathlib import Path

from psycopg import AsyncConnection

from dd0c.base import ids, settings
from dd0c.kernel.cache.client import open_client
from dd0c.kernel.db import address, roles
from dd0c.kernel.guard.counters import Counters
from dd0c.products.route.gateway.configuration import rule_of
from dd0c.products.route.gateway.leases import Lease
from dd0c.products.route.store import rules
from tests.products.route import records
from tests.products.route.ledger import spools
from tests.support.product import Product, until

GATEWAY = ids.text(ids.Kind.GATEWAY, ids.new())
FIRST, LAST = "2026-11-03T12:00:00+00:00", "2026-11-03T12:00:05+00:00"


def rescued(folder: Path, product: Product, key: str) -> Path:
    """A home without its gateway: five attempts, of which one was open, one has no known cost."""
    org = ids.parse(ids.Kind.ORGANISATION, product.get_json("/me", key=key)["org_id"])
    opens = [
        records.opened(org, at_us=records.START_US + n * 10**6, reserved_pico=3 * 10**12)
        for n in (5, 0, 1, 2, 3)
    ]
    closes = [records.closed(each) for each in opens[1:]]
    closes[0] = records.closed(opens[1], cost_pico=None, price_id=None, cost_reason="no_usage")
    spools.write(folder / "spool" / GATEWAY, [*opens, *closes])
    (folder / "home.json").write_text("{}")
    return folder


def test_a_dead_hosts_spool_is_adopted(product: Product, tmp_path: Path) -> None:
    """A dry run tells what there is and changes nothing; then each attempt is in the ledger once,
    the open one as lost, and nothing is left; another copy of the folder adds nothing (R-15)."""
    _, key = product.new_org()
    home = rescued(tmp_path / "home", product, key)
    copy = shutil.copytree(home / "spool" / GATEWAY, tmp_path / "copy" / GATEWAY)
    looked = product.cli("spool", "ship", str(home), "--dry-run", "--json")
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout)
    assert found == {
        "attempts": 5,
        "first": FIRST,
        "last": LAST,
        "cost_usd": "0.0004365",  # three of 145,500,000 p$
        "unknown_cost": 1,
        "lost": 1,
        "lost_reserved_usd": "3",
        "damaged": 0,
    }
    assert product.get_json("/route/requests", key=key)["items"] == []
    shipped = product.cli("spool", "ship", str(home), "--json")
    assert shipped.returncode == 0, shipped.stderr
    assert json.loads(shipped.stdout) == found | {"new_rows": 5, "kept_aside": 0}
    assert not (home / "spool" / GATEWAY).exists()
    ends = [
        item["attempts"][0]["end_reason"]
        for item in product.get_json("/route/requests", key=key)["items"]
    ]
    assert sorted(ends) == ["complete"] * 4 + ["lost"]
    again = product.cli("spool", "ship", str(copy), "--json")
    assert json.loads(again.stdout)["new_rows"] == 0
    assert product.get_json("/route/usage", key=key)["total"]["attempts"] == 5
    gone = product.cli("spool", "ship", str(home))
    assert (gone.returncode, len(gone.stderr.splitlines())) == (4, 2)


async def hold(product: Product, org: uuid.UUID, nano: int) -> None:
    """Have the dead gateway hold money of the organisation's budget."""
    found = settings.load({"home": product.home}, {})
    conninfo = address.conninfo(found, roles.GATEWAY).reveal()
    async with await AsyncConnection.connect(conninfo) as connection:
        rows = [rule_of(row) for row in await rules.list_rules(connection) if row.org == org]
    client = open_client(found, 1)
    try:
        held = [(Lease(rule, 0).counter, nano) for rule in rows]
        await Counters(client, f"{GATEWAY}.before").post(held)
    finally:
        await client.aclose()


def test_budgets_go_by_the_ledger_again(product: Product, tmp_path: Path) -> None:
    """What a dead gateway held counts until its spool is shipped; then the ledger says what was
    spent: costs that are known, and what was reserved for the others (R-15, R-16)."""
    _, key = product.new_org()
    org = ids.parse(ids.Kind.ORGANISATION, product.get_json("/me", key=key)["org_id"])
    wanted = {"scope": "organisation", "window": "total", "usd": "10.00", "hard": True}
    assert product.api("POST", "/route/budgets", key=key, json=wanted).status_code == 201
    asyncio.run(hold(product, org, 4 * 10**9))

    def stands() -> tuple[str, str]:
        (shown,) = product.get_json("/route/budgets", key=key)["items"]
        return shown["spent_usd"], shown["reserved_usd"]

    assert stands() == ("0", "4")
    home = rescued(tmp_path / "home", product, key)
    shipped = product.cli("spool", "ship", str(home))
    assert (shipped.returncode, shipped.stderr) == (0, "")
    until(lambda: stands() == ("6.0004365", "0"), "the budget is counted from the ledger")


def test_what_is_not_ours_to_ship_is_refused(product: Product, tmp_path: Path) -> None:
    """A folder whose gateway lives, and one of another installation, are refused in a line and a
    hint, and stay as they are (R-15)."""
    _, key = product.new_org()
    own = next((product.home / "spool").glob("gwy_*"))
    product.chat(key=key)
    assert any(own.glob("*.spool"))
    lives = product.cli("spool", "ship", str(product.home))
    assert (lives.returncode, len(lives.stderr.splitlines())) == (2, 2)
    assert "still runs" in lives.stderr
    foreign = tmp_path / GATEWAY
    opened = records.opened(ids.new())
    spools.write(foreign, [opened, records.closed(opened)])
    refused = product.cli("spool", "ship", str(foreign))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 2)
    assert "another installation" in refused.stderr
    assert len(spools.files(foreign)) == 1
