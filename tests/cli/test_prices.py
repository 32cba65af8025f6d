"""Price files and the verbs of prices, against a real control server (R-12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dd0c.cli import main as cli
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, ship, tenant_of
from tests.support.control import Served, serving
from tests.support.database import Cluster

FILE = Path(__file__).parent / "prices.toml"


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server with three requests of acme, and an older one without a price."""
    with serving(cluster) as served:
        register(served)
        org, key = tenant_of(served, served.acme)
        hours = (records.START_US + n * 3_600_000_000 for n in range(3))
        rows = [rated(records.opened(org, at_us=at_us, key_id=key.bytes)) for at_us in hours]
        before_us = records.START_US - 48 * 3_600_000_000
        odd = records.opened(org, at_us=before_us, key_id=key.bytes, requested_model="odd")
        unknown = {"served_model": "odd", "cost_pico": None, "price_id": None}
        ship(served, [*rows, rated(odd, cost_reason="no_price", **unknown)])
        yield served


def run(served: Served, *argv: str) -> Result:
    env = {"DD0C_URL": served.url, "DD0C_KEY": served.acme, "COLUMNS": "300"}
    return CliRunner().invoke(cli.dd0c, ["route", *argv], env=env)


def own(served: Served) -> list[Any]:
    items: list[Any] = json.loads(run(served, "prices", "list", "--own", "--json").stdout)["items"]
    return items


def test_a_file_is_taken_once_and_whole(served: Served) -> None:
    """TOML and JSON say the same prices; numbers are exact, dates are UTC; twice is once (R-12)."""
    done = run(served, "prices", "import", str(FILE))
    assert (done.exception, done.stdout) == (None, "2 prices added\n")
    again = run(served, "prices", "import", str(FILE))
    assert again.stdout == "0 prices added, 2 were there already\n"
    large, small = own(served)
    assert small["tiers"] == [{"above": 0, "input": "0.05", "output": "0.1", "reasoning": "0.1"}]
    assert (small["from"], small["note"]) == ("2026-11-01T00:00:00Z", "our own machines")
    assert [tier["input"] for tier in large["tiers"]] == ["1", "2"]
    assert (large["service_tier"], large["until"]) == ("batch", "2027-01-01T00:00:00Z")
    for one in (large, small):
        assert run(served, "prices", "remove", one["id"]).exception is None
    assert own(served) == []


GOOD = '"provider": "openai", "model": "m", "from": "2026-11-01T00:00:00Z"'
UNIT = '"unit": "usd_per_million_tokens"'
BAD = [
    ("toml", 'unit = "eur"\n[[prices]]\nmodel = "x"', "line 2, prices.0.unit: Input should be"),
    ("toml", '[[prices]]\nprovider = "openai"', "line 1, prices.0.unit: must be said"),
    ("json", '{"prices": [\n {"unit": 1},\n {}]}', "line 3, prices.1.unit: must be said"),
    ("json", f'{{{UNIT},\n"prices": [7]}}', "line 2, prices.0: must have `provider`"),
    ("toml", "prices = [", "(at end of document)"),
    (
        "toml",
        'unit = "usd_per_token"\n[[prices]]\nprovider = "openai"\nmodel = "m"\n'
        "tiers = [{input = nan}]",
        "line 5, prices.0.tiers.0.input: must be plain decimal text",
    ),
    (
        "toml",
        'unit = "usd_per_token"\n\n[[prices]]\nprovider = "openai"\nmodel = "m"\n'
        'note = "from = to"\n"from" = "monday"\n[[prices.tiers]]\ninput = 1',
        "line 7, prices.0.from: ",
    ),
    ("toml", 'unit = "usd_per_token"\ncurrency = "EUR"', "currency: only `unit` and `prices`"),
    ("json", "[]", "must be an object"),
    ("json", '{"unit": 1, "unit": 2}', "'unit' is there twice"),
    (
        "json",
        f'{{{UNIT}, "prices": [\n{{{GOOD}, "tiers": [{{"input": 0.1}}]}},\n\n'
        f'{{{GOOD},\n"tiers": [{{"output": -0.5}}]}}]}}',
        "line 5, prices.1.tiers.0.output: must be plain decimal text",
    ),
    (
        "json",
        f'{{{UNIT}, "prices": [{{{GOOD}, "tiers": [{{"input": 1.{"1" * 30}}}]}}]}}',
        "prices.0.tiers.0.input: must be plain decimal text",
    ),
    (
        "json",
        f'{{{UNIT}, "prices": [{{{GOOD}, "tiers": [{{"inptu": 1}}]}}]}}',
        "prices.0.tiers.0.inptu: ",
    ),
]


@pytest.mark.parametrize(("suffix", "text", "said"), BAD)
def test_a_bad_file_is_refused_by_its_place(
    served: Served, tmp_path: Path, suffix: str, text: str, said: str
) -> None:
    """The error names the file, the line where there is one, and the field; nothing of the file is
    kept (R-12)."""
    path = tmp_path / f"prices.{suffix}"
    path.write_text(text)
    done = run(served, "prices", "import", str(path))
    assert str(path) in str(done.exception)
    assert said in str(done.exception)
    assert own(served) == []


def test_a_price_is_set_shown_and_billed_by_a_new_rating(served: Served) -> None:
    """What an engineer does after a new contract: set, look, re-rate dry, apply; 100 x 0.2 +
    20 x 0.02 + 60 x 1.6 = 116.4 for 145.5 millionths, in the last two of three requests (R-12)."""
    rates = ("input=0.20", "cache_read=0.02", "output=1.60", "200000:input=0.40")
    made = run(served, "prices", "set", "openai/gpt-5-mini", *rates, "--from", "2026-11-03T13:00")
    assert made.exception is None
    shown = run(served, "prices", "show", "openai/gpt-5-mini").stdout.splitlines()
    assert shown[1].split()[:2] == ["standard", "override"]
    assert "200000" in shown[2]
    wanted = ("rerate", "--since", "2026-11-01", "--until", "2026-11-04")
    dry = run(served, *wanted, "--dry-run")
    assert dry.exception is None, dry.exception
    assert dry.stdout.splitlines()[-1].split()[-3:] == ["0.0004365", "0.0003783", "-0.0000582"]
    assert "nothing was changed" in dry.stderr
    odd = run(served, *wanted, "--dry-run", "--model", "odd").stdout.splitlines()
    assert [line.split()[-3:] for line in odd[1:]] == [["–", "–", "–"]] * 2, "unknown is not 0"
    applied = json.loads(run(served, *wanted, "--apply", "--reason", "new", "--json").stdout)
    assert (applied["total"]["changed"], applied["applied"]) == (2, True)
    [newest, *_] = json.loads(run(served, "requests", "list", "--json").stdout)["items"]
    story = run(served, "requests", "show", newest["request_id"]).stdout
    assert "0.0001164" in story
    assert "0.0001455 at first" in story
    for one in own(served):
        assert run(served, "prices", "remove", one["id"]).exception is None


WRONG = [
    (("rerate", "--since", "1d"), "either --dry-run or --apply"),
    (("rerate", "--since", "1d", "--dry-run", "--apply"), "either --dry-run or --apply"),
    (("prices", "set", "gpt-5-mini", "input=1"), "is not PROVIDER/MODEL"),
    (("prices", "set", "openai/m", "input"), "is not NAME=USD"),
    (("prices", "set", "openai/m", "input=1", "input=2"), "was given before"),
    (("prices", "set", "openai/m", "input=NaN"), "body.tiers.0.input: must be plain decimal"),
    (("prices", "show", "openai/none"), "no model none with a price"),
    (("prices", "remove", "key_1"), "is not an id of the form ovr_"),
    (("models", "show", "openai/none"), "openai has no model none"),
]


@pytest.mark.parametrize(("argv", "said"), WRONG)
def test_wrong_words_are_told_in_a_line(served: Served, argv: tuple[str, ...], said: str) -> None:
    """What cannot be meant is refused with what is wrong in it."""
    assert said in str(run(served, *argv).exception)
