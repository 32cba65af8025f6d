"""`dd0c reload`, as somebody types it."""

from __future__ import annotations

import json

import pytest

from tests.chaos.traffic import Traffic, check_complete
from tests.support.product import Product

pytestmark = pytest.mark.e2e


def test_a_reload_cuts_nobody_off_and_wrong_settings_change_nothing(product: Product) -> None:
    """K-7: all workers are others, no request failed, each has its row; a wrong setting is named
    with exit status 2, and what runs goes on."""
    _, key = product.new_org()
    settings = product.home / "dd0c.toml"
    before = workers(product)
    with Traffic(product, key) as traffic:
        traffic.goes_on()
        done = product.cli("reload", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["workers"] == len(before)
        traffic.goes_on()
        settings.write_text("drain_s = 'long'\n")
        try:
            refused = product.cli("reload")
        finally:
            settings.unlink()
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"error: drain_s in {settings} must be a number")
        traffic.goes_on()
    assert traffic.failed == 0
    check_complete(product, key, traffic.answered)
    assert not workers(product) & before


def test_a_gateway_that_stays_what_it_was_is_told_of(product: Product) -> None:
    """K-7: `dd0c up` says what came of a reload once the gateway has followed or refused."""
    settings, said = product.home / "dd0c.toml", len(product.lines)
    settings.write_text("gateway_host = '127.0.0.2'\n")
    try:
        refused = product.cli("reload")
    finally:
        settings.unlink()
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: not reloaded: gateway: the running gateway listens on")
    told = [line for line in product.lines[said:] if "reloaded" in line]
    assert len(told) == 1
    assert told[0].startswith("not reloaded: gateway: the running gateway listens on")
    assert product.is_ready()


def workers(product: Product) -> set[int]:
    """Process ids of the gateway's workers."""
    parts = product.parts().items()
    return {pid for name, pid in parts if name.startswith("gateway_worker")}
