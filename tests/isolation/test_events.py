"""Everything that changes something tells the audit log, in the same transaction (K-50, proofs 16).

Cases come from the application's routes, as in test_questions.py: a new one is asked without a line
of its own, and told what to do when it tells nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from dd0c.app import worker
from dd0c.app.events import CATALOGUE
from dd0c.base import ids
from dd0c.kernel.web.requires import COOKIE
from tests.isolation import events, rows, verbs
from tests.isolation.asking import Asker, Question, known
from tests.isolation.judging import World
from tests.isolation.making import Maker
from tests.isolation.tenants import Names
from tests.support.told import Told, read

MISSING = (
    "tells the audit log nothing: call audited.record(tx, request, events.…) where it saves, or say"
    " in SILENT of tests/isolation/events.py why it does not"
)
TYPED = ("key_name", "team_name", "email", "invited", "person_name", "other_person_name", "tag")
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

    def __init__(self, world: World):
        self._books = world.books
        self._books.execute(_REFUSING)
        self._heard = 0
        self.hear()

    def hear(self) -> list[Told]:
        """What was told since the last time."""
        found = read(self._books.connection, self._heard)
        self._heard = max((each.number for each in found), default=self._heard)
        return found

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Whatever is told in the block breaks its transaction, at its very end."""
        self._books.execute("ALTER TABLE kernel.audit_outbox ENABLE TRIGGER refuse")
        try:
            yield
        finally:
            self._books.execute("ALTER TABLE kernel.audit_outbox DISABLE TRIGGER refuse")


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


def test_what_changes_something_tells_it(spare: World, platform: Asker) -> None:
    """Each call of every route that changes something, by who may: while the log refuses, no row of
    theirs is another one afterwards; else it tells who did it, to whose log, once, and nothing that
    was typed (K-50, proofs 16). A route that tells nothing says so."""
    ear, wrong = Ear(spare), list[str]()
    heard: defaultdict[str, set[str]] = defaultdict(set)
    for question in changing(spare):
        for asker in (spare.owner, platform):
            names = Maker(spare, asker).names(question)
            ear.hear()
            before = spare.books.read(asker.tenant.org)
            with ear.deaf():
                asker.send(question, names)
            after = spare.books.read(asker.tenant.org)
            if parts := [table for table in before if before[table] != after[table]]:
                wrong.append(f"{question} changes {parts} and tells of it in another transaction")
            asker.send(question, names)
            told = ear.hear()
            heard[question.route] |= {each.name for each in told}
            wrong += [f"{question}: {said}" for said in judged(told, asker, question, names)]
            if told:
                break
    routes = {question.route for question in changing(spare)}
    wrong += [f"{route} {MISSING}" for route in sorted(routes - events.SILENT.keys() - has(heard))]
    wrong += [f"{route} tells {heard[route]}" for route in events.SILENT.keys() & has(heard)]
    assert not wrong, "\n".join(wrong)


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
    return named + instead


def judged(told: list[Told], asker: Asker, question: Question, names: Names) -> Iterator[str]:
    """What is wrong about what a call told."""
    own = asker.tenant.names["org"]
    kinds = ("per_", "key_") if question.is_page else ("key_",)
    said = [(each.name, each.subject) for each in told]
    if len(said) != len(set(said)):
        yield f"tells something twice: {said}"
    for each in told:
        if not each.actor.startswith(kinds):
            yield f"{each.name} is said to be the doing of {each.actor}"
        if each.org not in (own, None) and question.route not in rows.PLATFORM:
            yield f"{each.name} is told to the log of {each.org}"
        text = json.dumps([each.actor, each.subject, each.facts])
        if typed := [name for name in TYPED if names[name] in text]:
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


def test_who_comes_and_goes(spare: World) -> None:
    """Signing in by key, a wrong password, taking up an invitation, another password, signing out,
    here and everywhere: each is told, and none with an address or a name (K-50)."""
    ear, served = Ear(spare), spare.served
    headers = {"origin": served.url}
    password, email = "the staple of a battery horse", "come@acme.example"

    def heard() -> list[str]:
        told = ear.hear()
        assert not [each for each in told if "come" in json.dumps([each.subject, each.facts])]
        return [each.name for each in told]

    with served.client(spare.acme.owner) as owner, served.client() as browser:

        def post(path: str, **form: str) -> None:
            page = browser.get("/console/settings", headers={"accept": "text/html"}).text
            csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
            done = browser.post(path, data=form | {"csrf": csrf}, headers=headers)
            assert done.status_code == 303, done.text

        browser.post("/console/sign-in", data={"key": spare.acme.owner}, headers=headers)
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
