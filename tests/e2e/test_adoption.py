"""The spool of a host that is gone comes into the ledger by hand (R-15)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dd0c.base import ids
from tests.products.route import records
from tests.products.route.ledger import spools
from tests.support.product import Product

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
