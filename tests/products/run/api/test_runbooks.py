"""Runbooks that are kept: versions, what differs, trust, plans, and what nobody else may see."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from dd0c.base import ids
from dd0c.kernel.db import roles
from tests.support.control import Served
from tests.support.told import told

RUNBOOKS = "/api/v1/run/runbooks"
SECRET = "the-token-in-the-runbook"
STEPS = (
    "Check the disks:\n\n```bash\ndf -h\n```\n",
    f"Sign in:\n\n```bash\nexport TOKEN={SECRET}\n```\n",
    'Clear the cache:\n\n```bash\nrm -rf "$CACHE"\n```\n',
)


def text(*steps: str) -> str:
    """A runbook of these steps."""
    return "# Full disk\n\n" + "\n".join(steps)


@pytest.fixture
def acme(served: Served) -> Iterator[httpx.Client]:
    """The owner of acme."""
    with served.client(served.acme) as client:
        yield client


@pytest.fixture
def owner(served: Served) -> Iterator[psycopg.Connection[Any]]:
    """The owner of the tables."""
    conninfo = served.database.conninfo(roles.OWNER).reveal()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


def keep(client: httpx.Client, name: str, *steps: str) -> str:
    """The path of a new runbook."""
    made = client.post(RUNBOOKS, json={"name": name, "source": text(*(steps or STEPS))})
    assert made.status_code == 201, made.text
    return f"{RUNBOOKS}/{made.json()['id']}"


def save(client: httpx.Client, path: str, *steps: str, **more: object) -> httpx.Response:
    """The answer to another version."""
    return client.post(f"{path}/versions", json={"source": text(*steps)} | more)


def test_a_runbook_has_versions(served: Served, acme: httpx.Client) -> None:
    """What was saved is read again as it was, by number too, with steps that keep their ids; two
    versions differ by step; names are unique; the log is told, without a word of it (N-4, K-50)."""
    before = len(told(served.database))
    path = keep(acme, "Full disk")
    first = acme.get(path).json()
    assert (first["number"], first["newest"], first["source"]) == (1, 1, text(*STEPS))
    assert [step["risk"] for step in first["items"]] == ["safe", "caution", "dangerous"]
    assert acme.post(RUNBOOKS, json={"name": "FULL disk", "source": "x"}).status_code == 409
    edited = STEPS[0].replace("df -h", "df -i")
    saved = save(acme, path, STEPS[2], edited, based_on=1)
    assert (saved.status_code, saved.json()["number"]) == (201, 2)
    second = acme.get(path).json()
    was = [step["id"] for step in first["items"]]
    assert [step["id"] for step in second["items"]] == [was[2], was[0]]
    diff = acme.get(f"{path}/diff", params={"before": 1, "after": 2}).json()["items"]
    assert {(each["id"], each["change"], *each["fields"]) for each in diff} == {
        (was[0], "changed", "commands", *(["place"] if diff[0]["change"] == "same" else [])),
        (was[1], "removed"),
        (was[2], *(["same"] if diff[0]["change"] == "same" else ["moved", "place"])),
    }
    assert acme.get(f"{path}/versions/1").json() == first | {"newest": 2}
    assert acme.get(f"{path}/versions/3").status_code == 404
    pages = acme.get(f"{path}/versions", params={"limit": 1}).json()
    rest = acme.get(f"{path}/versions", params={"cursor": pages["next_cursor"]}).json()
    assert [each["number"] for each in pages["items"] + rest["items"]] == [2, 1]
    assert acme.patch(path, json={"name": "Fuller disk"}).json()["name"] == "Fuller disk"
    listed = acme.get(RUNBOOKS).json()["items"]
    assert [(each["name"], each["version"], each["risk"]) for each in listed] == [
        ("Fuller disk", 2, "dangerous")
    ]
    assert acme.delete(path).status_code == 200
    assert acme.get(path).status_code == acme.get(f"{path}/versions/1").status_code == 404
    assert acme.delete(path).status_code == 404
    keep(acme, "fuller disk")
    events = told(served.database)[before:]
    names = ["RunbookCreated", "RunbookVersionSaved", "RunbookRenamed", "RunbookDeleted"]
    assert [each.name for each in events] == [*names, "RunbookCreated"]
    assert "disk" not in str([(each.subject, each.facts) for each in events])


def test_what_a_runbook_says_is_sealed(acme: httpx.Client, owner: psycopg.Connection[Any]) -> None:
    """No word of it stands in the database, in no table (K-30)."""
    keep(acme, "sealed")
    tables = owner.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('run', 'kernel')"
    ).fetchall()
    assert ("run", "versions") in tables
    for table in tables:
        query = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*table))
        said = str(owner.execute(query).fetchall())
        assert SECRET not in said, table
        assert SECRET.encode().hex() not in said, table


def test_of_two_who_save_at_once_one_is_told(acme: httpx.Client) -> None:
    """Nobody's edit is lost without a word: what was made of an older version is refused, and says
    which is the newest (N-4)."""
    path = keep(acme, "twice")

    def edit(word: str) -> httpx.Response:
        return save(acme, path, STEPS[0].replace("df -h", f"df {word}"), based_on=1)

    with ThreadPoolExecutor(4) as people:
        done = list(people.map(edit, ("-i", "-k", "-m", "-a")))
    assert sorted(answer.status_code for answer in done) == [201, 409, 409, 409]
    assert all("newest version is 2" in a.text for a in done if a.status_code == 409)
    assert save(acme, path, *STEPS).json()["number"] == 3


def test_an_edit_lowers_the_trust_of_what_it_touches(
    acme: httpx.Client, owner: psycopg.Connection[Any]
) -> None:
    """In the database as in the table: the edited step is only shown, the others are trusted as
    before; what no command uses may change (N-4, N-20)."""
    path = keep(acme, "trusted")
    runbook = ids.parse(ids.Kind.RUNBOOK, path.rpartition("/")[2])
    owner.execute(
        "UPDATE run.steps SET trust = 3 WHERE version IN"
        " (SELECT id FROM run.versions WHERE runbook = %s)",
        (runbook,),
    )
    edited = STEPS[1].replace(SECRET, "another")
    assert save(acme, path, STEPS[0], "Tell the owner.\n", edited, STEPS[2]).status_code == 201
    found = {each["title"]: each["trust"] for each in acme.get(path).json()["items"]}
    levels = {title: each["level"] for title, each in found.items()}
    assert levels == {"Check the disks": 3, "Tell the owner": 0, "Sign in": 0, "Clear the cache": 3}
    assert found["Sign in"]["why"] == "edited"


def test_a_plan_bounds_runbooks(served: Served) -> None:
    """Five in the free plan, whoever asks at once; what is removed makes room; versions are not
    counted, and nothing is taken away (N-42, K-84)."""
    with served.client(served.platform) as platform, served.client(served.globex) as globex:
        platform.put("/api/v1/orgs/globex/plan", json={"plan": "free"}).raise_for_status()

        def add(number: int) -> httpx.Response:
            return globex.post(RUNBOOKS, json={"name": f"r{number}", "source": "x"})

        with ThreadPoolExecutor(8) as people:
            done = list(people.map(add, range(8)))
        assert sorted(answer.status_code for answer in done) == [201] * 5 + [402] * 3
        (said,) = {a.json()["detail"] for a in done if a.status_code == 402}
        assert said == "the plan free includes 5 runbooks, and 5 are in use"
        quotas = {each["quota"]: each for each in globex.get("/api/v1/plan").json()["items"]}
        assert (quotas["runbooks"]["used"], quotas["runbooks"]["limit"]) == (5, 5)
        first = globex.get(RUNBOOKS).json()["items"][0]["id"]
        assert save(globex, f"{RUNBOOKS}/{first}", "y").status_code == 201
        assert globex.delete(f"{RUNBOOKS}/{first}").status_code == 200
        assert add(9).status_code == 201
        assert add(10).status_code == 402


def test_who_may_do_what(served: Served, acme: httpx.Client) -> None:
    """Who only looks reads and judges, and writes nothing; who only pays sees no runbook."""
    path = keep(acme, "whose")
    body = {"name": "x", "source": "x"}
    for role, reads in (("viewer", 200), ("approver", 200), ("billing", 403)):
        with served.client(served.key(served.acme, roles=[role], scopes=["api"])) as client:
            assert client.get(path).status_code == reads
            asked = client.post("/api/v1/run/classify", json={"commands": ["ls"]})
            assert asked.status_code == reads
            assert client.post(RUNBOOKS, json=body).status_code == 403
            assert save(client, path, *STEPS).status_code == 403
            assert client.delete(path).status_code == 403
