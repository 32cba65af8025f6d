"""Events that leave: to whom, what they read, how often, and what stands in the log of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from dd0c.base.outbound import Outbound
from dd0c.kernel.hooks import retrying
from tests.kernel.hooks.receiver import Receiver, mail_server, receiving
from tests.kernel.hooks.worker import Worker, add, decoded, happen, rows, told, with_mail, working
from tests.support.control import Served, serving
from tests.support.database import Cluster

LOOPBACK = "127.0.0.0/8"
SLACK = "/services/T000/B000/XXXXXXXXXXXXXXXXXXXXXXXX"


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """An installation that lets webhooks go to this machine."""
    with serving(cluster, outbound_allow=LOOPBACK) as served:
        yield served


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Whoever is told."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def worker(served: Served, acme: httpx.Client) -> Iterator[Worker]:
    """The part of the job worker that sends; afterwards no endpoint is left to be sent to."""
    with working(served) as worker:
        worker.chain()
        yield worker
    for endpoint in acme.get("/api/v1/hooks/endpoints?limit=500").json()["items"]:
        acme.delete(f"/api/v1/hooks/endpoints/{endpoint['id']}")


def signature(secret: str, message: str, at_s: str, body: bytes) -> str:
    """After the specification, by hand."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message}.{at_s}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def test_an_event_is_told_as_the_standard_says(
    worker: Worker, acme: httpx.Client, receiver: Receiver
) -> None:
    """Exactly the three headers of Standard Webhooks, a body with type, timestamp and data, nothing
    of it private, and the delivery says that it was taken (K-71)."""
    endpoint = add(acme, f"{receiver.url}/in?key=1", events=["TeamCreated"])
    team = happen(acme, "a private name 1")
    worker.work()
    (got,) = receiver.got
    named = {name for name in got.headers if name.startswith("webhook-")}
    assert named == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert (got.path, got.headers["content-type"]) == ("/in?key=1", "application/json")
    message, at_s = got.headers["webhook-id"], got.headers["webhook-timestamp"]
    right = signature(endpoint["secret"], message, at_s, got.body)
    assert got.headers["webhook-signature"] == right
    official = Webhook(endpoint["secret"])
    body = official.verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        official.verify(got.body + b" ", got.headers)
    assert set(body) == {"type", "timestamp", "data"}
    assert (body["type"], body["data"]["subject"]) == ("TeamCreated", team)
    assert body["data"]["id"] == message
    assert set(body["data"]) == {"id", "log", "sequence", "actor", "subject", "facts"}
    assert b"a private name" not in got.body
    (delivery,) = told(acme, endpoint)
    assert (delivery["state"], delivery["status"], delivery["tries"]) == ("delivered", 204, 1)
    assert delivery["message"] == message


def test_every_event_is_told_once_and_in_its_order(
    worker: Worker, acme: httpx.Client, receiver: Receiver
) -> None:
    """One by one, also what was committed late, when later ones had gone out already (K-71, proofs
    7); of what happened before the endpoint was added, and of other organisations, nothing."""
    happen(acme, "before")
    worker.chain()
    endpoint = add(acme, receiver.url, events=["TeamCreated"])
    first = [happen(acme, f"team {number}") for number in range(5)]
    worker.work()
    assert [decoded(got.body)["data"]["subject"] for got in receiver.got] == first
    assert not told(acme, endpoint)[0]["due_at"]
    more = [happen(acme, f"team {number}") for number in range(5, 8)]
    worker.work()
    worker.work()
    sequences = [decoded(got.body)["data"]["sequence"] for got in receiver.got]
    subjects = [decoded(got.body)["data"]["subject"] for got in receiver.got]
    assert (subjects, sequences) == (first + more, sorted(set(sequences)))


def test_an_endpoint_is_told_of_what_it_asked_for(
    worker: Worker, acme: httpx.Client, globex: httpx.Client, receiver: Receiver
) -> None:
    """Of the events that it names; one that names none of all, but for what arrives here; neither
    of another organisation's (K-71, K-11)."""
    some = add(acme, f"{receiver.url}/some", events=["TeamRemoved", "KeyCreated"])
    every = add(acme, f"{receiver.url}/every")
    made = acme.post("/api/v1/hooks/sources", json={"name": "loop", "kind": "url"}).json()
    acme.post(f"/hooks/{made['id']}", content=b"x")
    acme.post("/api/v1/keys", json={"name": "x"})
    happen(globex, "theirs")
    worker.work()
    assert [delivery["event"] for delivery in told(acme, some)] == ["KeyCreated"]
    events = {delivery["event"] for delivery in told(acme, every)}
    assert {"KeyCreated", "HookSourceAdded"} <= events
    assert not events & {"HookReceived", "TeamCreated"}
    assert {got.path for got in receiver.got} == {"/some", "/every"}


def test_what_fails_is_tried_again_and_then_given_up(
    worker: Worker, acme: httpx.Client, receiver: Receiver
) -> None:
    """Under the same id and with the same body, ten times in about a day; then it is dead, and
    waits for somebody to send it again by hand (K-71)."""
    endpoint = add(acme, receiver.url, events=["TeamCreated"])
    happen(acme, "fails")
    for number in range(retrying.TRIES_MAX):
        receiver.answer(500, f"try {number} failed".encode())
        worker.work()
        assert len(receiver.got) == number + 1
        worker.work()
        assert len(receiver.got) == number + 1, "not before its time"
        worker.later(hours=9)
    assert len({(got.headers["webhook-id"], got.body) for got in receiver.got}) == 1
    assert len({got.headers["webhook-signature"] for got in receiver.got}) > 1
    (delivery,) = told(acme, endpoint)
    assert (delivery["state"], delivery["tries"]) == ("dead", retrying.TRIES_MAX)
    assert delivery["said"] == "try 9 failed"
    path = f"/api/v1/hooks/deliveries/{delivery['id']}"
    assert acme.post(f"{path}/replay").json()["state"] == "waiting"
    worker.work()
    detail = acme.get(path).json()
    assert (detail["state"], detail["tries"]) == ("delivered", 1)
    assert [attempt["status"] for attempt in detail["attempts"]] == [204] + [500] * 10
    assert detail["payload"] == decoded(receiver.got[0].body)
    assert receiver.got[-1].headers["webhook-id"] == receiver.got[0].headers["webhook-id"]


def test_a_receiver_may_say_when(worker: Worker, acme: httpx.Client, receiver: Receiver) -> None:
    """`Retry-After` is kept, as a number and as a date (K-71)."""
    add(acme, receiver.url, events=["TeamCreated"])
    happen(acme, "later")
    receiver.answer(429, Retry_After="3000")
    worker.work()
    worker.later(seconds=2900)
    worker.work()
    assert len(receiver.got) == 1
    worker.later(seconds=200)
    worker.work()
    assert len(receiver.got) == 2


def test_who_is_gone_is_left_alone(
    served: Served, worker: Worker, acme: httpx.Client, receiver: Receiver
) -> None:
    """410 pauses the endpoint and the audit log is told; resumed, what waited goes out (K-71)."""
    endpoint = add(acme, receiver.url, events=["TeamCreated"])
    happen(acme, "gone")
    happen(acme, "waits")
    receiver.answer(410)
    worker.work()
    (listed,) = acme.get("/api/v1/hooks/endpoints").json()["items"]
    assert (listed["paused_why"], listed["waiting"], listed["dead"]) == ("gone", 1, 1)
    found = rows(served, "SELECT actor, name, subject, facts FROM kernel.audit_outbox")
    assert ("system", "HookEndpointPaused", endpoint["id"], '{"why":"gone"}') in found
    assert acme.post(f"/api/v1/hooks/endpoints/{endpoint['id']}/resume").status_code == 200
    worker.work()
    assert [delivery["state"] for delivery in told(acme, endpoint)] == ["delivered", "dead"]


def test_a_pause_keeps_what_happens(worker: Worker, acme: httpx.Client, receiver: Receiver) -> None:
    """Nothing is sent meanwhile, all of it afterwards; so it is where the flag is off (K-62)."""
    endpoint = add(acme, receiver.url, events=["TeamCreated"])
    path = f"/api/v1/hooks/endpoints/{endpoint['id']}"
    assert acme.post(f"{path}/pause").json()["paused_why"] == "asked"
    happen(acme, "while paused")
    worker.work()
    assert not receiver.got
    acme.post(f"{path}/resume")
    worker.may = lambda org: False
    happen(acme, "while off")
    worker.work()
    assert not receiver.got
    worker.may = lambda org: True
    worker.work()
    assert len(receiver.got) == 2


def test_a_secret_follows_another(worker: Worker, acme: httpx.Client, receiver: Receiver) -> None:
    """During the overlap each signs, the newest first; then only the newest does (K-71)."""
    endpoint = add(acme, receiver.url, events=["HookTested"])
    path = f"/api/v1/hooks/endpoints/{endpoint['id']}"
    second = acme.post(f"{path}/rotate", json={"overlap_s": 600}).json()["secret"]
    assert acme.post(f"{path}/rotate", json={"overlap_s": 600}).status_code == 409
    for secrets in ([second, endpoint["secret"]], [second]):
        assert acme.post(f"{path}/test").status_code == 200
        worker.work()
        got = receiver.got[-1]
        message, at_s = got.headers["webhook-id"], got.headers["webhook-timestamp"]
        assert decoded(got.body)["type"] == "HookTested"
        assert got.headers["webhook-signature"].split(" ") == [
            signature(secret, message, at_s, got.body) for secret in secrets
        ]
        worker.later(seconds=601)


def test_slack_is_told_in_words(
    served: Served, worker: Worker, acme: httpx.Client, receiver: Receiver
) -> None:
    """A sentence, ids and a link; its URL is a secret that no answer and no row repeats (K-71)."""
    endpoint = add(acme, receiver.url + SLACK, kind="slack", events=["TeamCreated"])
    assert (endpoint["secret"], SLACK in str(endpoint)) == (None, False)
    team = happen(acme, "a private name 2")
    worker.work()
    (got,) = receiver.got
    assert got.path == SLACK
    text = decoded(got.body)["text"]
    assert f"*TeamCreated {team}*" in text
    assert f"https://dd0c.example.com/console/find?q={team}" in text
    assert "a private name" not in text
    dumped = str(rows(served, "SELECT e::text FROM kernel.hook_endpoints e"))
    assert SLACK not in dumped + str(told(acme, endpoint))


def test_mail_is_told_in_words(served: Served, worker: Worker, acme: httpx.Client) -> None:
    """A letter that names itself, so that one which came twice is known; a refusal for good is not
    repeated, one for now is; without a mail server no such endpoint is made (K-71)."""
    refused = acme.post(
        "/api/v1/hooks/endpoints", json={"name": "x", "kind": "email", "target": "a@b.example"}
    )
    assert (refused.status_code, "DD0C_SMTP_URL" in refused.json()["hint"]) == (400, True)
    with mail_server() as mailbox:
        known = with_mail(served, mailbox.port)
        served.app.state.resources, before = (
            replace(served.app.state.resources, settings=known.settings),
            served.app.state.resources,
        )
        try:
            endpoint = add(acme, "on.call@example.com", kind="email", events=["TeamCreated"])
        finally:
            served.app.state.resources = before
        worker.served = known
        team = happen(acme, "a private name 3")
        worker.work()
        letter = mailbox.letters[0].replace("\r\n ", " ")
        assert f"Subject: [dd0c] TeamCreated {team}" in letter
        assert "To: on.call@example.com" in letter
        assert "Message-ID: <evt_" in letter
        assert "a private name" not in letter
        assert mailbox.envelopes[0].startswith("mail FROM:<dd0c@example.com>")
        for said, state in (("550 no such box", "dead"), ("451 later", "waiting")):
            mailbox.refuses = said
            happen(acme, f"refused {state}")
            worker.work()
            newest = told(acme, endpoint)[0]
            assert (newest["state"], newest["status"]) == (state, int(said[:3]))


@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_some_targets_are_refused(acme: httpx.Client, kind: str) -> None:
    """What is not the internet, and what is no URL, when it is typed in (K-71)."""
    for target in (
        *("https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "http://1.1.1.1/"),
        *("ftp://example.com/", "https://user:pw@example.com/", "https://", "https://a b"),
        *("x" * 3000, "https://[::ffff:10.0.0.1]/", "https://0x7f000002.1/\r\n"),
    ):
        wanted = {"name": "x", "kind": kind, "target": target}
        assert acme.post("/api/v1/hooks/endpoints", json=wanted).status_code == 400, target


def test_a_name_is_judged_when_it_is_called(
    served: Served, worker: Worker, acme: httpx.Client, receiver: Receiver
) -> None:
    """A name that stands for our network by then is not called, and not tried again; a redirect is
    an answer, and nobody follows it (K-71)."""
    endpoint = add(acme, "https://does-not-resolve.invalid/", events=["TeamCreated"])

    async def rebound(host: str, port: int) -> list[str]:
        return ["10.1.2.3"]

    worker.outbound = Outbound(replace(served.settings, outbound_allow=""), rebound)
    happen(acme, "rebound")
    worker.work()
    (delivery,) = told(acme, endpoint)
    assert (delivery["state"], delivery["status"]) == ("dead", None)
    assert "may not be called" in delivery["said"]
    worker.outbound = None
    other = add(acme, receiver.url, events=["TeamCreated"])
    happen(acme, "redirected")
    receiver.answer(302, Location=f"{receiver.url}/elsewhere")
    worker.work()
    assert [got.path for got in receiver.got] == ["/"]
    assert told(acme, other)[0]["status"] == 302


def test_answers_are_kept_short_and_without_secrets(
    worker: Worker, acme: httpx.Client, receiver: Receiver
) -> None:
    """The beginning of an answer, in one line; a secret that it echoes is masked (K-40, K-71)."""
    endpoint = add(acme, receiver.url, events=["TeamCreated"])
    happen(acme, "echo")
    receiver.answer(400, f"no: {endpoint['secret']}\r\n\x00<b>".encode() + b"x" * 100_000)
    worker.work()
    (delivery,) = told(acme, endpoint)
    assert endpoint["secret"] not in delivery["said"]
    assert delivery["said"].startswith("no: [secret")
    assert len(delivery["said"]) <= 500
    assert "\n" not in delivery["said"]
