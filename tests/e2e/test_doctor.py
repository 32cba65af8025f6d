"""`dd0c doctor` on a running product in which one thing after the other is broken."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.support.product import Product, running, until

WARNED = ("providers", "backup")  # simulated, and never made


def wrong(product: Product) -> dict[str, dict[str, str]]:
    """What the verb finds not well, by name."""
    findings = json.loads(product.cli("doctor", "--json").stdout)["findings"]
    return {one["name"]: one for one in findings if one["state"] != "ok"}


def test_a_stopped_cache_and_a_crash_loop_are_named() -> None:
    """K-5: Valkey that stands still is `cache` and nothing else; a gateway that cannot start any
    more is named with how it ended, what it said last, and where its log is."""
    with running() as product:
        until(lambda: reported(product), "the gateway says what it goes by")
        valkey = product.parts()["valkey"]
        os.kill(valkey, signal.SIGSTOP)
        try:
            assert wrong(product).keys() == {"cache", *WARNED}
        finally:
            os.kill(valkey, signal.SIGCONT)
        pepper = product.home / "secrets" / "pepper"
        pepper.rename(pepper.with_suffix(".away"))
        os.kill(product.parts()["gateway"], signal.SIGKILL)
        until(lambda: failures(product.home, "gateway") >= 2, "it ends twice in a row")
        looped = wrong(product)["children"]
        assert looped["state"] == "problem"
        assert "gateway ended with status 2" in looped["cause"]
        assert "times in a row: " in looped["cause"]
        assert "log/gateway.log" in looped["remedy"]


def reported(product: Product) -> bool:
    """Whether the gateway's row tells of its configuration: the first comes before there is one."""
    parts = product.get_json("/parts")["items"]
    facts = [one["facts"] for one in parts if one["kind"] == "gateway"]
    return any(one["snapshot"]["age_s"] is not None for one in facts)


def failures(home: Path, name: str) -> int:
    """How often the child failed in a row, as its supervisor writes it down."""
    children = json.loads((home / "run" / "up.json").read_text())["children"]
    return next(int(one["failures"]) for one in children if one["name"] == name)
