"""Exports against the ledger, over HTTP and on the command line."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from dd0c.base.errors import InvalidInput
from dd0c.cli.reconcile import reconcile
from dd0c.products.route.models import AttemptOpened, Usage
from dd0c.products.route.store import staging
from tests.products.route import records
from tests.products.route.api.ledger import rated, register, request_id, ship, tenant_of
from tests.support.control import Served, serving
from tests.support.database import Cluster

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = MIDNIGHT - timedelta(days=2)
NOON = DAY + timedelta(hours=12)
MINI, NANO = "gpt-5-mini-2025-08-07", "gpt-5-nano"
USED = Usage(input=100, cache_read=20, output=50, reasoning=10)  # 120 in, 20 cached, 60 out


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server."""
    with serving(cluster) as served:
        register(served)
        yield served


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation of a test's own."""

    served: Served
    key: str

    def client(self) -> httpx.Client:
        """Speaks to the API as its owner."""
        return self.served.client(self.key)


@pytest.fixture
def ours(served: Served) -> Tenant:
    """A new organisation, with nothing in its ledger."""
    with served.client(served.platform) as client:
        answer = client.post("/api/v1/orgs", json={"name": f"org-{uuid.uuid4().hex[:12]}"})
    return Tenant(served, answer.json()["owner_key"])


def attempt(ours: Tenant, at: datetime = NOON, **changes: Any) -> AttemptOpened:
    """An attempt in the ledger; `closed` as in records, None for a lost one."""
    org, key_id = tenant_of(ours.served, ours.key)
    closed = changes.pop("closed", {})
    at_us = int(at.timestamp()) * 1_000_000
    opened = records.opened(org, at_us=at_us, key_id=key_id.bytes, **changes)
    lost = staging.Rated(opened, None, None, None, "lost")
    told = {"usage": USED, "cost_pico": 145_500_000} | (closed or {})
    ship(ours.served, [lost if closed is None else rated(opened, **told)])
    return opened


def told(*lines: tuple[Any, ...], columns: str = "model,input_tokens,output_tokens") -> str:
    """A generic export of the day."""
    rows = [f"{DAY:%Y-%m-%d},{','.join(map(str, line))}" for line in lines]
    return "\n".join([f"date,{columns}", *rows])


def compare(ours: Tenant, export: str, **body: Any) -> dict[str, Any]:
    """What the API says of an export; the credential is `openai`, which charges."""
    given = {"provider": "csv", "credential": "openai", "export": export} | body
    with ours.client() as client:
        answer = client.post("/api/v1/route/reconciliations", json=given)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def differences(report: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Model, kind, told, ledger, unexplained."""
    names = ("model", "measure", "told", "ledger", "unexplained")
    return [tuple(one[name] for name in names) for one in report["differences"]]


def run(ours: Tenant, *argv: str, export: str = "") -> Result:
    """The verb; errors are raised."""
    env = {"DD0C_URL": ours.served.url, "DD0C_KEY": ours.key}
    done = CliRunner().invoke(reconcile, argv, env=env, input=export)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_what_agrees_is_equal(ours: Tenant) -> None:
    """Tokens, cached tokens and cost of two models agree with the export to the last digit, and the
    ones that differ are listed with by how much (ROUTE-17)."""
    for _ in range(3):
        attempt(ours)
    attempt(ours, sent_model=NANO, closed={"served_model": NANO, "cost_pico": 1})
    columns = "model,input_tokens,cached_input_tokens,output_tokens,cost_usd"
    mini = (MINI, 360, 60, 180, "0.0004365")
    same = compare(ours, told(mini, (NANO, 120, 20, 60, "0.000000000001"), columns=columns))
    assert (same["equal"], same["compared"], same["differences"]) == (True, 8, [])
    other = compare(ours, told(mini, (NANO, 120, 20, 61, "0.5"), columns=columns))
    assert other["equal"] is False
    assert differences(other) == [
        (NANO, "output", "61", "60", "1"),
        (NANO, "cost", "0.5", "0.000000000001", "0.499999999999"),
    ]


def test_the_console_lists_imports_with_what_is_unexplained(ours: Tenant, served: Served) -> None:
    """The page of providers leads to each; its differences are the API's, and nobody else's
    (ROUTE-17, K-11)."""
    attempt(ours)
    columns = "model,input_tokens,cached_input_tokens,output_tokens,cost_usd"
    report = compare(ours, told((MINI, 120, 20, 61, "0.0001455"), columns=columns))
    page = f"/console/route/reconciliations/{report['id']}"
    with ours.client() as client:
        listed = client.get("/console/route/providers.json").json()["imports"]
        found = client.get(f"{page}.json").json()
        html = client.get(page, headers={"accept": "text/html"}).text
    assert [one["id"] for one in listed] == [report["id"]]
    assert (found["compared"], found["unexplained"]) == (4, 1)
    [line] = found["lines"]
    names = ("model", "measure", "told", "ledger", "difference", "unexplained")
    assert tuple(line[name] for name in names) == (MINI, "output", "61", "60", "1", "1")
    assert "1 of 4 numbers" in html
    assert " differs, and nothing explains it" in html
    with served.client(served.globex) as client:
        assert client.get(f"{page}.json").status_code == 404
        assert client.get("/console/route/providers.json").json()["imports"] == []


def test_what_only_one_side_knows_is_a_difference(ours: Tenant) -> None:
    """A model that the provider bills and we never called, and one that we called and it does not
    bill; days on which the export is silent count."""
    attempt(ours)
    attempt(ours, DAY - timedelta(hours=12), sent_model=NANO, closed={"served_model": NANO})
    export = told(("gpt-elsewhere", 7, 3)) + f"\n{DAY - timedelta(days=1):%Y-%m-%d},quiet,0,0"
    assert differences(compare(ours, export)) == [
        (NANO, "input", "0", "120", "-120"),
        (NANO, "output", "0", "60", "-60"),
        (MINI, "input", "0", "120", "-120"),
        (MINI, "output", "0", "60", "-60"),
        ("gpt-elsewhere", "input", "7", "0", "7"),
        ("gpt-elsewhere", "output", "3", "0", "3"),
    ]


def test_simulated_attempts_are_nobodys(ours: Tenant) -> None:
    """What the simulator answered is left out, and said."""
    attempt(ours, credential_id=records.SIMULATOR.bytes, provider="sim")
    attempt(ours)
    report = compare(ours, told((MINI, 120, 60)), credential=None)
    assert (report["equal"], report["simulated_attempts"]) == (True, 1)


def test_lost_attempts_explain_what_was_charged_beyond_ours(ours: Tenant) -> None:
    """The provider may have charged an attempt whose end nobody saw: tokens without a bound, a cost
    up to its reservation; what is less than ours they do not explain."""
    attempt(ours)
    attempt(ours, sent_model=MINI, reserved_pico=2_000_000, closed=None)
    columns = "model,input_tokens,output_tokens,cost_usd"
    report = compare(ours, told((MINI, 500, 59, "0.000148"), columns=columns))
    assert differences(report) == [
        (MINI, "input", "500", "120", "0"),
        (MINI, "output", "59", "60", "-1"),
        (MINI, "cost", "0.000148", "0.0001455", "0.0000005"),  # 2.5 million p$ more, 2 reserved
    ]
    because = report["differences"][0]["because"]
    assert because == ["1 attempt without known usage or cost, 1 of them lost"]


def test_estimates_explain_no_more_than_they_may_be_off(ours: Tenant) -> None:
    """An estimate of 60 tokens, give or take 10 %, explains six."""
    closed = {"usage_source": "estimated", "usage_error": 0.1}
    attempt(ours, closed=closed)
    near, far = told((MINI, 120, 66)), told((MINI, 120, 67))
    assert differences(compare(ours, near)) == [(MINI, "output", "66", "60", "0")]
    report = compare(ours, far)
    assert differences(report) == [(MINI, "output", "67", "60", "1")]
    assert report["differences"][0]["because"] == ["1 attempt with estimated usage"]


def test_what_ran_over_midnight_may_be_the_next_days(ours: Tenant) -> None:
    """An attempt that ended after midnight may be on either day's bill, not on both or neither."""
    attempt(ours, DAY - timedelta(seconds=30), closed={"total_us": 60_000_000})
    before = f"{DAY - timedelta(days=1):%Y-%m-%d},{MINI},0,0"
    moved = compare(ours, told((MINI, 120, 60)) + f"\n{before}")
    assert moved["equal"] is True
    assert [one["because"] for one in moved["differences"]] == [
        ["1 attempt that ended on the next day"]
    ] * 4
    assert compare(ours, told((MINI, 121, 60)) + f"\n{before}")["equal"] is False


def test_a_tolerance_is_a_share_of_what_was_told(ours: Tenant) -> None:
    """One token in 121 is less than one per cent of them, and more than half of one."""
    attempt(ours)
    export = told((MINI, 121, 60))
    assert compare(ours, export, tolerance="0.01")["equal"] is True
    assert compare(ours, export, tolerance="0.005")["equal"] is False


def test_costs_without_models_are_compared_by_day(ours: Tenant) -> None:
    """OpenAI's costs do not name models: the day's sum is compared."""
    attempt(ours)
    attempt(ours, sent_model=NANO, closed={"served_model": NANO, "cost_pico": 4_500_000})
    result = {
        "object": "organization.costs.result",
        "amount": {"value": 0.00015, "currency": "usd"},
    }
    start = int(DAY.timestamp())
    bucket = {"start_time": start, "end_time": start + 86_400, "results": [result]}
    page = json.dumps({"data": [bucket], "has_more": False})
    report = compare(ours, page, provider="openai")
    assert (report["equal"], report["compared"]) == (True, 1)


def test_display_names_find_their_models(ours: Tenant) -> None:
    """Anthropic's cost file calls claude-3-5-haiku-20241022 Claude Haiku 3.5."""
    attempt(ours, sent_model="x", closed={"served_model": "claude-3-5-haiku-20241022"})
    head = "usage_date_utc,model,token_type,cost_usd"
    file = f"{head}\n{DAY:%Y-%m-%d},Claude Haiku 3.5,output,0.0001455"
    report = compare(ours, file, provider="anthropic")
    assert (report["equal"], report["compared"]) == (True, 1)


def test_the_same_export_is_imported_once(ours: Tenant) -> None:
    """Again it is compared with the ledger as it is now, and listed once; another organisation sees
    none of it (ROUTE-17, K-11)."""
    export = told((MINI, 120, 60))
    first = compare(ours, export)
    assert first["equal"] is False
    attempt(ours)
    again = compare(ours, export)
    assert (again["id"], again["equal"]) == (first["id"], True)
    path = "/api/v1/route/reconciliations"
    with ours.client() as client:
        assert [one["id"] for one in client.get(path).json()["items"]] == [first["id"]]
        assert client.get(f"{path}/{first['id']}").json() == again
    with ours.served.client(ours.served.globex) as client:
        assert client.get(path).json()["items"] == []
        assert client.get(f"{path}/{first['id']}").status_code == 404
        assert client.get("/api/v1/route/waiting").json()["items"] == []


def test_nothing_of_a_bad_export_is_kept(ours: Tenant) -> None:
    """A line that is wrong refuses all of it, named; nothing is imported or settled."""
    lost = attempt(ours, closed=None)
    columns = "request_id,cost_usd"
    export = told((request_id(lost), "0.5"), ("other", "-1"), columns=columns)
    given = {"provider": "csv", "export": export}
    with ours.client() as client:
        answer = client.post("/api/v1/route/reconciliations", json=given)
        assert answer.status_code == 400
        assert "line 3, cost_usd" in answer.json()["detail"]
        assert client.get("/api/v1/route/reconciliations").json()["items"] == []
        assert len(client.get("/api/v1/route/waiting").json()["items"]) == 1


def shown(ours: Tenant, opened: AttemptOpened) -> dict[str, Any]:
    """The first attempt of a request."""
    with ours.client() as client:
        answer = client.get(f"/api/v1/route/requests/{request_id(opened)}")
    found: dict[str, Any] = answer.json()["attempts"][0]
    return found


def test_lines_that_name_requests_settle_them(ours: Tenant) -> None:
    """A lost attempt gets the cost that its provider told, by our id; one whose answer said nothing
    gets tokens and their price, by the provider's id; an estimate is corrected by one more rating
    (ROUTE-17)."""
    unknown = {"usage": Usage(), "usage_source": "none", "cost_pico": None, "price_id": None}
    guess = {"usage_source": "estimated", "usage_error": 0.2, "upstream_request_id": "up-2"}
    lost = attempt(ours, reserved_pico=5, closed=None)
    silent = attempt(
        ours,
        closed=unknown | {"cost_reason": "no_usage", "upstream_request_id": "up-1"},
    )
    guessed = attempt(ours, closed=guess)
    columns = "request_id,input_tokens,output_tokens,cost_usd"
    lines = (
        (request_id(lost), "", "", "0.25"),
        ("up-1", 1_000_000, 100_000, ""),  # gpt-5-mini: $0.25 + $2 x 0.1
        ("up-2", "", "", "0.0002"),
        ("not-ours", "", "", "9"),
    )
    report = compare(ours, told(*lines, columns=columns))
    assert report["settled"] == 3
    assert shown(ours, lost)["cost_usd"] == "0.25"
    settled = shown(ours, silent)
    assert (settled["cost_usd"], settled["usage"]["input"]) == ("0.45", 1_000_000)
    assert settled["usage_source"] == "provider"
    assert shown(ours, guessed)["cost_usd"] == "0.0002"
    with ours.client() as client:
        assert client.get("/api/v1/route/waiting").json()["items"] == []
        assert client.get("/api/v1/route/usage").json()["total"]["cost_usd"] == "0.7002"


def test_a_line_that_may_be_of_several_attempts_settles_none(ours: Tenant) -> None:
    """Two lost attempts of one request cannot share a cost that names the request."""
    first = attempt(ours, closed=None)
    org, key = tenant_of(ours.served, ours.key)
    second = records.opened(org, key_id=key.bytes, request_id=first.request_id, attempt=2)
    ship(ours.served, [staging.Rated(second, None, None, None, "lost")])
    export = told((request_id(first), "0.5"), columns="request_id,cost_usd")
    assert compare(ours, export)["settled"] == 0


def test_exit_statuses_for_cron(ours: Tenant) -> None:
    """0 when nothing is unexplained, 1 when something is, 2 when the export cannot be read; the
    table names what differs (ROUTE-17)."""
    attempt(ours)
    flags = ("--provider", "csv", "--credential", "openai", "-")
    assert run(ours, *flags, export=told((MINI, 120, 60))).exit_code == 0
    done = run(ours, *flags, export=told((MINI, 121, 60)))
    assert done.exit_code == 1
    assert [line.split()[:7] for line in done.stdout.splitlines()] == [
        ["day", "model", "kind", "told", "ledger", "difference", "unexplained"],
        [f"{DAY:%Y-%m-%d}", MINI, "input", "121", "120", "1", "1"],
    ]
    assert "0 differences explained, 1 unexplained" in done.stderr
    assert run(ours, *flags, "--tolerance", "1%", export=told((MINI, 121, 60))).exit_code == 0
    with pytest.raises(InvalidInput, match="line 2, input_tokens") as caught:
        run(ours, *flags, export=told((MINI, -1, 60)))
    assert caught.value.exit_status == 2
    with pytest.raises(InvalidInput, match="no share"):
        run(ours, *flags, "--tolerance", "1000%")


def test_what_waits_can_be_filled_in_and_imported(ours: Tenant) -> None:
    """`--pending --csv` lists attempts without a cost; with date and cost filled in it settles."""
    lost = attempt(ours, closed=None)
    listed = list(csv.DictReader(io.StringIO(run(ours, "--pending", "--csv").stdout)))
    assert [row["request_id"] for row in listed] == [request_id(lost)]
    export = told((listed[0]["request_id"], "0.125"), columns="request_id,cost_usd")
    done = run(ours, "--provider", "csv", "-", "--json", export=export)
    assert (done.exit_code, json.loads(done.stdout)["settled"]) == (0, 1)
    assert run(ours, "--pending").stdout.count("\n") == 1


def test_several_credentials_have_to_be_told_apart(ours: Tenant) -> None:
    """An export of two credentials is compared by one of them at a time."""
    attempt(ours)
    columns = "credential,model,input_tokens,output_tokens"
    export = told(("openai", MINI, 120, 60), ("other", MINI, 5, 5), columns=columns)
    assert compare(ours, export)["equal"] is True
    with ours.client() as client:
        given = {"provider": "csv", "export": export}
        answer = client.post("/api/v1/route/reconciliations", json=given)
        assert "openai, other" in answer.json()["detail"]
        for credential in ("other", "nobody"):  # we have no such provider; no such line
            given["credential"] = credential
            answer = client.post("/api/v1/route/reconciliations", json=given)
            assert answer.json()["detail"].startswith("credential: ")
    alone = told(("openai", MINI, 120, 60), columns=columns)
    attempt(ours, credential_id=records.SIMULATOR.bytes, provider="sim")
    report = compare(ours, alone, credential=None)
    assert (report["credential"], report["simulated_attempts"]) == ("openai", 0)


def test_today_is_left_out(ours: Tenant) -> None:
    """A day that is not over cannot agree: it is not compared."""
    export = told((MINI, 1, 1)).replace(f"{DAY:%Y-%m-%d}", f"{datetime.now(UTC):%Y-%m-%d}")
    with ours.client() as client:
        given = {"provider": "csv", "export": export}
        answer = client.post("/api/v1/route/reconciliations", json=given)
    assert answer.status_code == 400
    assert "is over" in answer.json()["detail"]
