"""What `dd0c usage` makes of times and of money."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from dd0c.base.errors import InvalidInput
from dd0c.cli import times, usage
from dd0c.products.route.models import Usage
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, ship, tenant_of
from tests.support.control import Served, serving
from tests.support.database import Cluster

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("30m", "2026-03-10T11:30:00+00:00"),
        ("24h", "2026-03-09T12:00:00+00:00"),
        ("7d", "2026-03-03T12:00:00+00:00"),
        ("2w", "2026-02-24T12:00:00+00:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T09:00", "2026-03-01T09:00:00+00:00"),
        ("2026-03-01T09:00+02:00", "2026-03-01T07:00:00+00:00"),
    ],
)
def test_times_are_durations_or_dates(text: str | None, moment: str | None) -> None:
    """A time is a length before now, a date or a moment; without a zone it is UTC."""
    assert times.before(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "h", "24", "24 h", "-1h", "yesterday", "999999w", "12345678h"]
)
def test_other_times_are_refused(text: str) -> None:
    """What is no time is refused with an example of one."""
    with pytest.raises(InvalidInput, match="is no time") as caught:
        times.before(text, NOW)
    assert "24h" in caught.value.hint


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server; acme used one provider and the simulator, globex only the one."""
    with serving(cluster) as served:
        register(served)
        made_up = {"credential_id": records.SIMULATOR.bytes}
        spent: tuple[tuple[str, str, int | None, dict[str, Any]], ...] = (
            (served.acme, "gpt-5-mini", 12_500_000_000, {}),
            (served.acme, "gpt-5-mini", 150_500_000, made_up),
            (served.acme, "gpt-5-nano", 500_000, made_up),
            (served.acme, "odd", None, {}),
            (served.globex, "gpt-5", 10**12, {}),
        )
        for caller, model, cost, changes in spent:
            org, key = tenant_of(served, caller)
            opened = records.opened(org, key_id=key.bytes, requested_model=model, **changes)
            reason = "no_price" if cost is None else None
            used = Usage(input=10, output=5)
            ship(served, [rated(opened, cost_pico=cost, cost_reason=reason, usage=used)])
        yield served


def told(served: Served, key: str, *argv: str) -> str:
    """What the verb prints."""
    env = {"DD0C_URL": served.url, "DD0C_KEY": key}
    done = CliRunner().invoke(usage.usage, argv, env=env, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


TABLE = """\
model       requests  input  cached  cache write  output   cost USD  unpriced
gpt-5-mini         2     20       –            –      10  0.0126505         0
gpt-5-nano         1     10       –            –       5  0.0000005         0
odd                1     10       –            –       5          –         1
total              4     40       –            –      20  0.0126510         1
of which 0.000151 USD simulated: nobody charges it
"""


def test_the_table_says_what_is_simulated(served: Served) -> None:
    """Amounts stand point under point, the unknown is a dash, and made-up money is called so."""
    assert told(served, served.acme) == TABLE
    found = json.loads(told(served, served.acme, "--json"))
    assert (found["total"]["cost_usd"], found["total"]["simulated_cost_usd"]) == (
        "0.012651",
        "0.000151",
    )


def test_charged_money_needs_no_remark(served: Served) -> None:
    """Where nothing is simulated nothing is said of it; an amount has six decimals at least."""
    *_, total = told(served, served.globex).splitlines()
    assert total.split() == ["total", "1", "10", "–", "–", "5", "1.000000", "0"]
