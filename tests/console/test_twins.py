"""What the pages know, read as data: no browser, the same endpoints, the same permissions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.console.ledger import Day
from tests.support.control import Served

HOME, LIST, PROVIDERS = (
    "/console.json",
    "/console/route/requests.json",
    "/console/route/providers.json",
)


def test_a_list_of_models_is_no_request(served: Served, day: Day) -> None:
    """It is in the ledger and has its page, and is in no list and no sum of requests (R-11)."""
    listed = day.named["listed"]
    with served.client(served.acme) as client:
        assert client.get(f"/console/route/requests/{listed}").status_code == 200
        latest = [item["id"] for item in client.get(HOME).json()["latest"]]
        shown = [item["id"] for item in client.get(LIST).json()["items"]]
        narrowed = client.get(LIST, params={"simulated": "no"}).json()["items"]
        everything = client.get("/api/v1/route/requests").json()["items"]
    assert listed in [item["request_id"] for item in everything]
    assert listed not in [*latest, *shown, *(item["id"] for item in narrowed)]
    assert latest == shown[: len(latest)]


def test_a_key_that_ends_soon_needs_a_decision(served: Served, day: Day) -> None:
    """Home names it and leads to it, for who may see keys and only for them (K-10)."""
    ends = datetime.now(UTC) + timedelta(days=2)
    served.key(served.globex, name="nightly", expires_at=ends.isoformat())
    reader = served.key(served.globex, name="reader", roles=["viewer"])
    needs = {}
    for name, key in (("owner", served.globex), ("other", served.acme), ("reader", reader)):
        with served.client(key) as client:
            needs[name] = [each["text"] for each in client.get(HOME).json()["decisions"]]
    assert [text for text in needs["owner"] if text.startswith("Key nightly ends on ")]
    assert not [text for text in needs["other"] + needs["reader"] if "nightly" in text]


def test_who_runs_the_installation_hears_of_its_parts(served: Served, day: Day) -> None:
    """No gateway reports to this control server: its owner is told, a tenant's is not (K-5)."""
    told = {}
    for name, key in (("platform", served.platform), ("tenant", served.acme)):
        with served.client(key) as client:
            client.get("/api/v1/health") if name == "platform" else None  # the checks are warm
            found = client.get(HOME).json()
            assert found["checked"]
            told[name] = [(each["kind"], each["text"]) for each in found["decisions"]]
    assert ("bad", "Gateway fails") in told["platform"]
    assert not [text for _, text in told["tenant"] if text.startswith("Gateway")]


def test_providers_say_what_was_sent_to_each_and_how_it_went(served: Served, day: Day) -> None:
    """Calls and failures are the ledger's own, by hour and together; one that was never set up
    here is said to be so; a base URL is for those who run it."""
    with served.client(served.acme) as client:
        page = client.get(PROVIDERS).json()
        found = {row["name"]: row for row in page["items"]}
        usage = client.get(
            "/api/v1/route/usage", params={"by": "provider", "since": page["since"]}
        ).json()
    with served.client(served.platform) as client:
        ours = {row["name"]: row for row in client.get(PROVIDERS).json()["items"]}
    wanted = {row["provider"]: row["attempts"] for row in usage["rows"]}
    assert {name: row["attempts"] for name, row in found.items()} == wanted
    for row in found.values():
        assert sum(hour["attempts"] for hour in row["hours"]) == row["attempts"]
        assert sum(hour["failed"] for hour in row["hours"]) == row["failed"]
        assert len(row["hours"]) == 25
    assert (found["openai"]["failed"], found["anthropic"]["failed"]) == (4, 1)
    assert found["openai"]["state"]["word"] == "some fail"
    assert found["bedrock"]["state"]["word"] == "not set up here"
    assert found["openai"]["doors"][0]["base_url"] is None
    assert ours["openai"]["doors"][0]["base_url"] == "http://127.0.0.1:1/v1"
    assert ours["openai"]["state"]["word"] == "not used"
    assert ours["openai"]["total_p50_us"] is None
    assert 0 < found["openai"]["total_p50_us"] <= found["openai"]["total_p95_us"]
