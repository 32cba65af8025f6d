"""Plans over HTTP: exact for 200 at once, said plainly, and nothing is taken away (K-84)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support import people
from tests.support.control import Served, serving
from tests.support.database import Cluster

AT_ONCE = 200
TRIES_MAX = 40


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """An installation whose organisations have the free plan."""
    with serving(cluster, plan="free") as served:
        yield served


def at_once(served: Served, key: str, ask: Callable[[httpx.Client, int], httpx.Response]) -> Any:
    """How many of 200 requests, begun together, got which answer. What a crowded server turns away
    is asked again, so that each ends with a decision."""
    begin = threading.Barrier(AT_ONCE)

    def one(number: int) -> tuple[int, str]:
        with served.client(key) as client:
            client.timeout = httpx.Timeout(60)
            begin.wait(60)
            for _ in range(TRIES_MAX):
                answer = ask(client, number)
                if answer.status_code not in {503, 504}:
                    break
        return answer.status_code, answer.json().get("code", "")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return Counter(threads.map(one, range(AT_ONCE)))


def standing(served: Served, key: str, quota: str) -> dict[str, Any]:
    """How a quota stands, as the API has it."""
    with served.client(key) as client:
        shown = client.get("/api/v1/plan").raise_for_status().json()
    return next(item for item in shown["items"] if item["quota"] == quota)


def test_of_200_at_once_exactly_those_included_are_made(served: Served) -> None:
    """A plan of 10 keys of which one is there: 9 of 200 requests at once make one, 191 are answered
    402 with what to do. One revoked, one of 200 (K-84)."""
    made = at_once(
        served,
        served.acme,
        lambda client, number: client.post("/api/v1/keys", json={"name": f"key {number}"}),
    )
    assert made == {(201, ""): 9, (402, "plan_exceeded"): 191}
    with served.client(served.acme) as client:
        refused = client.post("/api/v1/keys", json={"name": "one more"}).json()
        assert refused["detail"] == "the plan free includes 10 keys, and 10 are in use"
        assert refused["hint"].startswith("remove what is not needed, or ask whoever runs this")
        newest = client.get("/api/v1/keys").json()["items"][0]["id"]
        client.delete(f"/api/v1/keys/{newest}").raise_for_status()
    assert standing(served, served.acme, "keys")["used"] == 9
    assert standing(served, served.globex, "keys")["used"] == 1
    with served.client(served.acme) as client:
        assert client.post("/api/v1/keys", json={"name": "again"}).status_code == 201
        rotated = client.get("/api/v1/keys").json()["items"][0]["id"]
        again = client.post(f"/api/v1/keys/{rotated}/rotate", json={})
        assert again.status_code == 201  # the line counts, not its keys
    assert standing(served, served.acme, "keys") == {
        "quota": "keys",
        "limit": 10,
        "used": 10,
        "frees_at": None,
    }


def test_teams_are_counted_and_are_free_again(served: Served) -> None:
    """Two, and no third until one is removed (K-84)."""
    with served.client(served.globex) as client:
        made = [client.post("/api/v1/teams", json={"name": f"team {n}"}) for n in range(3)]
        assert [answer.status_code for answer in made] == [201, 201, 402]
        client.delete(f"/api/v1/teams/{made[0].json()['id']}").raise_for_status()
        assert client.post("/api/v1/teams", json={"name": "team 2"}).status_code == 201


def test_a_person_for_whom_there_is_no_place_may_come_later(served: Served) -> None:
    """Three people; the fourth is told why, and the invitation still works when there is room: it
    was not used up, and no account was made (K-84)."""
    links = {
        name: people.invite(served, served.globex, people.address(name))
        for name in ("Ada", "Grace", "Joan", "Mary")
    }
    for name in ("Ada", "Grace", "Joan"):
        with people.browsing(served) as browser:
            people.join(browser, links[name], name)
    with people.browsing(served) as browser:
        form = {"name": "Mary", "password": people.PASSWORD}
        refused = browser.post(links["Mary"], data=form)
        assert refused.status_code == 402
        assert "The plan free includes 3 people, and 3 are in use." in refused.text
        with served.client(served.platform) as client:
            change = client.put("/api/v1/orgs/globex/plan", json={"plan": "team"})
            assert change.status_code == 200
        people.join(browser, links["Mary"], "Mary")
    assert standing(served, served.globex, "people")["used"] == 4


def test_a_smaller_plan_takes_nothing_away(served: Served) -> None:
    """An organisation that has more than its new plan includes reads and uses all of it, changes
    it, and makes nothing new (K-84)."""
    with served.client(served.platform) as client:
        made = client.post("/api/v1/orgs", json={"name": "initech"}).json()
        path = "/api/v1/orgs/initech/plan"
        assert client.put(path, json={"plan": "team"}).json()["own"] is True
        with served.client(made["owner_key"]) as owner:
            keys = [
                owner.post("/api/v1/keys", json={"name": f"key {n}", "roles": ["viewer"]}).json()
                for n in range(12)
            ]
            by_id = client.put(f"/api/v1/orgs/{made['id']}/plan", json={"plan": "free"})
            assert by_id.json()["plan"] == "free"
            assert standing(served, made["owner_key"], "keys")["used"] == 13
            assert len(owner.get("/api/v1/keys?limit=50").json()["items"]) == 13
            for key in keys:
                with served.client(key["key"]) as each:
                    assert each.get("/api/v1/me").status_code == 200
            change = owner.patch(f"/api/v1/keys/{keys[0]['id']}", json={"models": ["gpt-5"]})
            assert change.status_code == 200
            assert owner.post("/api/v1/keys", json={"name": "more"}).status_code == 402
        back = client.put(path, json={"plan": None}).json()
        assert (back["plan"], back["own"]) == ("free", False)  # the installation's


def test_only_whoever_runs_the_installation_changes_plans(served: Served) -> None:
    """Not even an owner their own; a plan or organisation that is not there is refused (K-84)."""
    with served.client(served.acme) as client:
        refused = client.put("/api/v1/orgs/acme/plan", json={"plan": "unlimited"})
        assert refused.status_code == 403
    with served.client(served.platform) as client:
        unknown = client.put("/api/v1/orgs/acme/plan", json={"plan": "gold"})
        assert (unknown.status_code, unknown.json()["hint"]) == (
            400,
            "plans: free, team, unlimited",
        )
        assert client.put("/api/v1/orgs/nobody/plan", json={"plan": "free"}).status_code == 404
