"""Everything that changes something tells the audit log, in the same transaction (K-50, proofs 16).

Cases come from the application's routes, as in test_questions.py: a new one is asked without a line
of its own, and told what to do when it tells nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from dd0c.app import worker
from dd0c.app.events import CATALOGUE
from dd0c.base import ids
from dd0c.kernel.db import roles
from dd0c.kernel.web.requires import COOKIE
from tests.isolation import events, rows, verbs
from tests.isolation.asking import Asker, Question, known
from tests.isolation.judging import World
from tests.isolation.making import Maker
from tests.isolation.tenants import Names
from tests.support.chained import chain
from tests.support.control import Served, serving
from tests.support.database import Cluster
from tests.support.told import Told, read

MISSING = (
    "tells the audit log nothing: call audited.record(tx, request, events.…) where it saves, or say"
    " in SILENT of tests/isolation/events.py why it does not"
)
TYPED = (
    *("key_name", "team_name", "email", "invited", "person_name", "other_person_name", "tag"),
    *("runbook_name", "other_runbook_name"),
)
"""What people typed, and what they are called: never among facts, which stay for ever."""

_REFUSING = """
CREATE FUNCTION kernel.refuse_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log takes nothing';
END
$$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON kernel.audit_outbox
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION kernel.refuse_events();
ALTER TABLE kernel.audit_outbox DISABLE TRIGGER refuse;
"""


class Ear:
    """Hears what is told."""

    def __init__(self, owner: psycopg.Connection[Any]):
        self._owner = owner
        self._heard = 0
        self.hear()

    def hear(self) -> list[Told]:
        """What was told since the last time."""
        found = read(self._owner, self._heard)
        self._heard = max((each.number for each in found), default=self._heard)
        return found

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Whatever is told in the block breaks its transaction, at its very end."""
        self._owner.execute("ALTER TABLE kernel.audit_outbox ENABLE TRIGGER refuse")
        try:
            yield
        finally:
            self._owner.execute("ALTER TABLE kernel.audit_outbox DISABLE TRIGGER refuse")


@pytest.fixture
def platform(spare: World) -> Iterator[Asker]:
    """Who runs the installation, and owns its first organisation."""
    served = spare.served
    with served.client(served.platform) as key, served.client() as browser:
        form = {"key": served.platform}
        browser.post("/console/sign-in", data=form, headers={"origin": served.url})
        me = key.get("/api/v1/me").json()
        tenant = replace(
            spare.acme,
            org=ids.parse(ids.Kind.ORGANISATION, me["org_id"]),
            owner=served.platform,
            session=browser.cookies[COOKIE],
            names=spare.acme.names | {"org": me["org_id"], "org_name": me["org"]},
        )
    with closing(Asker(served, tenant)) as asker:
        yield asker


@dataclass(frozen=True, slots=True)
class Call:
    """A question by who may ask it, about things that were made for it."""

    question: Question
    asker: Asker
    names: Names

    def make(self) -> None:
        """Ask it."""
        self.asker.send(self.question, self.names)


def test_what_changes_something_tells_it(spare: World, platform: Asker) -> None:
    """Each call of every route that changes something, by who may: while the log refuses, no row of
    theirs is another one afterwards; else it tells who did it, to whose log, once, and nothing that
    was typed (K-50, proofs 16). A route that tells nothing says so."""
    spare.books.execute(_REFUSING)
    ear, wrong = Ear(spare.books.connection), list[str]()
    heard: defaultdict[str, set[str]] = defaultdict(set)
    asked = calls(spare, platform)
    if refused(spare, ear, asked):
        for call in calls(spare, platform):
            if parts := refused(spare, ear, [call]):
                wrong.append(f"{call.question} changes {parts} while the audit log takes nothing")
    ear.hear()
    for call in asked:
        call.make()
        told = ear.hear()
        heard[call.question.route] |= {each.name for each in told}
        wrong += [f"{call.question}: {said}" for said in judged(told, call)]
    routes = {call.question.route for call in asked}
    wrong += [f"{route} {MISSING}" for route in sorted(routes - events.SILENT.keys() - has(heard))]
    wrong += [f"{route} tells {heard[route]}" for route in events.SILENT.keys() & has(heard)]
    assert not wrong, "\n".join(wrong)


def calls(world: World, platform: Asker) -> list[Call]:
    """All that can be asked, each with names of its own."""
    found = []
    for question in changing(world):
        asker = platform if question.route in rows.PLATFORM | events.PLATFORM else world.owner
        found.append(Call(question, asker, Maker(world, asker).names(question)))
    return found


def refused(world: World, ear: Ear, asked: list[Call]) -> list[str]:
    """The tables that these calls change while the log takes nothing."""

    def books() -> dict[str, str | None]:
        orgs = {call.asker.tenant.org for call in asked}
        return {f"{name} of {org}": v for org in orgs for name, v in world.books.read(org).items()}

    before = books()
    with ear.deaf():
        for call in asked:
            call.make()
    after = books()
    return sorted(table.partition(" of ")[0] for table in before if before[table] != after[table])


def has(heard: dict[str, set[str]]) -> set[str]:
    """The routes that told something."""
    return {route for route, names in heard.items() if names}


def changing(world: World) -> list[Question]:
    """What changes something, or is told although it does not."""
    named = [
        question
        for question in world.asked
        if question.route not in events.INSTEAD
        and (question.method != "GET" or question.route in events.READS)
    ]
    instead = [Question(r, path, body=body) for r, (path, body) in events.INSTEAD.items()]
    assert events.INSTEAD.keys() | events.READS | events.SILENT.keys() <= known(world.served.app)
    return instead + named


def judged(told: list[Told], call: Call) -> Iterator[str]:
    """What is wrong about what a call told."""
    own = call.asker.tenant.names["org"]
    kinds = ("per_", "key_") if call.question.is_page else ("key_",)
    said = [(each.name, each.subject) for each in told]
    if len(said) != len(set(said)):
        yield f"tells something twice: {said}"
    for each in told:
        if not each.actor.startswith(kinds):
            yield f"{each.name} is said to be the doing of {each.actor}"
        if each.org not in (own, None) and call.question.route not in rows.PLATFORM:
            yield f"{each.name} is told to the log of {each.org}"
        text = json.dumps([each.actor, each.subject, each.facts])
        if typed := [name for name in TYPED if call.names[name] in text]:
            yield f"{each.name} tells {typed} for ever: that is private"


def test_every_changing_route_is_asked() -> None:
    """Those that a browser is needed for are named, with the test that asks them (K-50)."""
    unasked = rows.PUBLIC | rows.ELSEWHERE.keys()
    missing = {route for route in unasked if not route.startswith("GET ")} - events.ELSEWHERE.keys()
    assert not missing, f"add these to ELSEWHERE in tests/isolation/events.py: {missing}"
    assert events.ELSEWHERE.keys() <= unasked


def test_every_verb_of_the_host_is_accounted_for() -> None:
    """All other verbs ask the API, which tells; what works on the host tells by itself, or says why
    it does not (K-50)."""
    host = {verb for verb, why in verbs.ALIKE.items() if why == "for who runs the machine"}
    told = {"backup", "restore", "vault rotate", "vault rewrap"}
    silent = {"vault status"} | events.HOST.keys()
    assert host == told | silent, "add it to HOST in tests/isolation/events.py, or let it tell"


def test_every_job_is_accounted_for() -> None:
    """A job tells what it did to an organisation, or says why not (K-50)."""
    names = {job.name for job in worker.JOBS}
    listed = events.TELLING.keys() | events.JOBS.keys()
    assert names == listed, "add it to TELLING, or JOBS, in tests/isolation/events.py"
    assert set(events.TELLING.values()) <= {each.name for each in CATALOGUE}


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server whose organisations are empty."""
    with serving(cluster) as served:
        yield served


def test_who_comes_and_goes(served: Served) -> None:
    """Signing in by key, a wrong password, taking up an invitation, another password, signing out,
    here and everywhere: each is told, none with an address or a name, and stands in the log of its
    organisation once that was chained (K-50)."""
    conninfo = served.database.conninfo(roles.OWNER).reveal()
    headers = {"origin": served.url}
    password, email = "the staple of a battery horse", "come@acme.example"

    def heard() -> list[str]:
        told = ear.hear()
        assert not [each for each in told if "come" in json.dumps([each.subject, each.facts])]
        return [each.name for each in told]

    with (
        psycopg.connect(conninfo, autocommit=True) as database,
        served.client(served.acme) as owner,
        served.client() as browser,
    ):
        ear = Ear(database)

        def post(path: str, **form: str) -> None:
            page = browser.get("/console/settings", headers={"accept": "text/html"}).text
            csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
            done = browser.post(path, data=form | {"csrf": csrf}, headers=headers)
            assert done.status_code == 303, done.text

        browser.post("/console/sign-in", data={"key": served.acme}, headers=headers)
        assert heard() == ["SignedIn"]
        post("/console/sign-out")
        assert heard() == ["SignedOut"]
        made = owner.post("/api/v1/invitations", json={"email": email}).json()
        assert heard() == ["InvitationMade"]
        form = {"name": "come in", "password": password}
        assert browser.post(made["link"], data=form, headers=headers).status_code == 303
        assert heard() == ["InvitationAccepted", "SignedIn"]
        post("/console/settings/password", old=password, new=f"{password} too")
        assert heard() == ["PasswordSet", "SignedIn"]
        post("/console/settings/sign-out-everywhere")
        assert heard() == ["SessionsEnded"]
        wrong = {"email": email, "key": password}
        browser.post("/console/sign-in", data=wrong, headers=headers)
        assert heard() == ["SignInRefused"]
        for _ in range(6):
            browser.post("/console/sign-in", data=wrong, headers=headers)
        assert heard() == ["SignInRefused"] * 4, "attempts beyond five are not counted"
        chain(served)
        found = owner.get("/api/v1/audit/events").json()["items"]
    assert [each["event"] for each in reversed(found)][-6:] == [
        *("SignedOut", "InvitationMade", "InvitationAccepted", "SignedIn", "PasswordSet"),
        "SignedIn",
    ]


def test_a_setting_is_told_each_time_and_an_end_once(served: Served) -> None:
    """Who sets what holds already decided it again; who ends what has ended decides nothing, and
    neither does who imports the same file again (K-50)."""
    price = {
        "provider": "openai",
        "model": "m",
        "tiers": [{"input": "1"}],
        "from": "2026-01-01T00:00:00Z",
    }
    with (
        psycopg.connect(
            served.database.conninfo(roles.OWNER).reveal(), autocommit=True
        ) as database,
        served.client(served.globex) as owner,
    ):
        key = owner.post("/api/v1/keys", json={"name": "k"}).json()["id"]
        invited = owner.post("/api/v1/invitations", json={"email": "a@b.example"}).json()["id"]
        ear = Ear(database)
        for _ in range(2):
            owner.put("/api/v1/route/retention", json={"days": 9}).raise_for_status()
            owner.delete(f"/api/v1/keys/{key}").raise_for_status()
            owner.delete(f"/api/v1/invitations/{invited}").raise_for_status()
            imported = owner.post("/api/v1/route/prices/import", json={"prices": [price]})
            imported.raise_for_status()
        once = ["RetentionSet", "KeyRevoked", "InvitationRevoked", "PricesOverridden"]
        assert [each.name for each in ear.hear()] == [*once, "RetentionSet"]
