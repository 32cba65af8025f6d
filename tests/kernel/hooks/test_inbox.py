"""Webhooks that arrive over HTTP: kept once with their level, or nothing at all."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from dd0c.kernel.db import roles
from dd0c.kernel.hooks.schemes import Kind
from dd0c.kernel.web.edge import BODY_BYTES_MAX
from tests.kernel.hooks.signing import SENDERS
from tests.support.control import Served, serving_again

BODY = b'{"said": "gr\xc3\xbc\xc3\x9fe", "n": 1.0}'
NOWHERE = "/hooks/src_" + "0" * 26
_numbers = itertools.count()
every = pytest.mark.parametrize("kind", SENDERS)


@dataclass(frozen=True, slots=True)
class Source:
    """A source as its sender knows it."""

    id: str
    kind: Kind
    path: str
    secret: str

    def send(self, to: httpx.Client, body: bytes = BODY, **changed: Any) -> httpx.Response:
        """One message; `changed`: message, skew_s, secret, path."""
        at_s = int(time.time()) + changed.get("skew_s", 0)
        message = changed.get("message", f"msg_{next(_numbers)}")
        headers = SENDERS[self.kind](changed.get("secret", self.secret), message, at_s, body)
        return to.post(changed.get("path", self.path), content=body, headers=headers)


def add(client: httpx.Client, kind: Kind, **wanted: Any) -> Source:
    """A new source."""
    wanted = {"name": f"source {next(_numbers)}", "kind": kind} | wanted
    made = client.post("/api/v1/hooks/sources", json=wanted)
    assert made.status_code == 201, made.text
    found = made.json()
    assert found["url"].endswith(f"/hooks/{found['id']}")
    return Source(found["id"], kind, f"/hooks/{found['id']}", found["secret"])


def kept(client: httpx.Client, source: Source) -> list[dict[str, Any]]:
    """What is kept of a source, newest first."""
    found = client.get(f"/api/v1/hooks/sources/{source.id}/messages").json()
    items: list[dict[str, Any]] = found["items"]
    return items


def bodies(client: httpx.Client) -> set[str]:
    """The contents that are stored."""
    items = client.get("/api/v1/content", params={"limit": 500}).json()["items"]
    return {content["id"] for content in items}


def shape(answer: httpx.Response) -> tuple[int, dict[str, str], dict[str, str]]:
    """All of an answer that does not differ from call to call."""
    body = {name: value for name, value in answer.json().items() if name != "request_id"}
    odd = ("x-dd0c-request-id", "date", "content-length")
    return answer.status_code, body, {n: v for n, v in answer.headers.items() if n not in odd}


@every
def test_what_is_vouched_for_is_kept_with_its_level(
    served: Served, acme: httpx.Client, sender: httpx.Client, kind: Kind
) -> None:
    """The body as it came, how sure it is, and an event of the audit log in the same breath
    (K-70, K-50)."""
    source = add(acme, kind)
    answer = source.send(sender)
    assert answer.status_code == 200, answer.text
    (message,) = kept(acme, source)
    level = {Kind.STANDARD: 3, Kind.SLACK: 3, Kind.GITHUB: 2, Kind.HMAC: 2, Kind.BEARER: 1}[kind]
    assert (message["id"], message["level"]) == (answer.json()["id"], level)
    assert message["size"] == len(BODY)
    with psycopg.connect(served.database.conninfo(roles.OWNER).reveal()) as owner:
        (row,) = owner.execute(
            "SELECT facts FROM kernel.audit_outbox WHERE actor = %s", (source.id,)
        )
    assert json.loads(row[0]) == {"level": level, "size": len(BODY)}
    assert acme.get(f"/api/v1/content/{message['content']}").content == BODY


def test_a_body_that_is_never_kept_is_not_kept(acme: httpx.Client, sender: httpx.Client) -> None:
    """Where the organisation keeps no bodies a message is taken and told as ever, without one, and
    those that there were are gone (K-70, K-85)."""
    source, policy = add(acme, Kind.GITHUB), {"kind": "hook.body", "days": 9}
    assert source.send(sender).status_code == 200
    assert kept(acme, source)[0]["content"] in bodies(acme)
    acme.put("/api/v1/content/policy", json=policy | {"mode": "never"}).raise_for_status()
    try:
        assert kept(acme, source)[0]["content"] is None
        assert add(acme, Kind.STANDARD).send(sender).status_code == 200
        assert not bodies(acme)
    finally:
        acme.put("/api/v1/content/policy", json=policy | {"mode": "whole"}).raise_for_status()


def test_an_address_alone_is_level_0(acme: httpx.Client, sender: httpx.Client) -> None:
    """A source without a secret takes what comes, and says that it proves nothing (K-70)."""
    made = acme.post("/api/v1/hooks/sources", json={"name": "open", "kind": "url"}).json()
    assert (made["level"], made["secret"]) == (0, None)
    assert sender.post(f"/hooks/{made['id']}", content=BODY).status_code == 200
    listed = acme.get(f"/api/v1/hooks/sources/{made['id']}/messages").json()["items"]
    assert [message["level"] for message in listed] == [0]


@every
def test_whoever_does_not_sign_learns_nothing(
    acme: httpx.Client, globex: httpx.Client, sender: httpx.Client, kind: Kind
) -> None:
    """Another secret, another source's, another organisation's, no source, a name that none can
    have, a path that is none: one and the same answer, and nothing is kept (K-70, K-11)."""
    source, sibling, theirs = add(acme, kind), add(acme, kind), add(globex, kind)
    right = source.send(sender, path="/nothing/here")
    assert right.status_code == 404
    answers = [
        source.send(sender, secret=sibling.secret),
        source.send(sender, secret=theirs.secret),
        theirs.send(sender, path=source.path),
        sender.post(source.path, content=BODY),
        source.send(sender, path=NOWHERE),
        source.send(sender, path="/hooks/src_x"),
        source.send(sender, path="/hooks/%00"),
        sender.post(f"{source.path}?key=1", content=BODY),
    ]
    assert {str(shape(answer)) for answer in answers} == {str(shape(right))}
    assert not kept(acme, source)
    assert not kept(acme, sibling)
    assert not kept(globex, theirs)
    assert source.send(sender).status_code == 200


@pytest.mark.parametrize("kind", [Kind.STANDARD, Kind.SLACK, Kind.GITHUB])
def test_what_comes_again_is_kept_once(
    served: Served, acme: httpx.Client, sender: httpx.Client, kind: Kind
) -> None:
    """The same request again, at once and after another control server took over: it is answered
    as the first was, since an honest sender did not hear us, and nothing new is kept (K-70)."""
    source, at_s = add(acme, kind), int(time.time())
    headers = SENDERS[kind](source.secret, "msg_again", at_s, BODY)
    before = bodies(acme)
    first, again = (sender.post(source.path, content=BODY, headers=headers) for _ in range(2))
    with serving_again(served) as other, other.client() as elsewhere:
        third = elsewhere.post(source.path, content=BODY, headers=headers)
    assert first.json() == again.json() == third.json()
    (message,) = kept(acme, source)
    assert bodies(acme) - before == {message["content"]}


@pytest.mark.parametrize("kind", [Kind.STANDARD, Kind.SLACK])
@pytest.mark.parametrize("skew_s", [-400, 400])
def test_what_is_late_or_early_is_nothing(
    acme: httpx.Client, sender: httpx.Client, kind: Kind, skew_s: int
) -> None:
    """A signature of another time, rightly made (K-70)."""
    source = add(acme, kind)
    assert source.send(sender, skew_s=skew_s).status_code == 404
    assert not kept(acme, source)


def test_bodies_have_a_bound(acme: httpx.Client, sender: httpx.Client) -> None:
    """A megabyte is kept; a byte more is refused, told its length or in chunks, for a source that
    is there as for one that is not; a body in chunks is signed like any other (K-70)."""
    source = add(acme, Kind.HMAC)

    def chunks(body: bytes) -> Iterator[bytes]:
        yield from (body[at : at + 65_536] for at in range(0, len(body), 65_536))

    for size, status in ((BODY_BYTES_MAX, 200), (BODY_BYTES_MAX + 1, 413)):
        body = bytes(size)
        headers = SENDERS[Kind.HMAC](source.secret, "", 0, body)
        for path, wanted in ((source.path, status), (NOWHERE, 413 if status == 413 else 404)):
            whole = sender.post(path, content=body, headers=headers)
            parts = sender.post(path, content=chunks(body), headers=headers)
            assert (whole.status_code, parts.status_code) == (wanted, wanted)
    assert [message["size"] for message in kept(acme, source)] == [BODY_BYTES_MAX] * 2


def test_slack_is_told_its_challenge(acme: httpx.Client, sender: httpx.Client) -> None:
    """The address is Slack's when the question is signed; it is no message. From nobody else, and
    of no other kind, is anything echoed (K-70)."""
    question = json.dumps({"type": "url_verification", "token": "x", "challenge": "3eZbrw1a"})
    slack, github = add(acme, Kind.SLACK), add(acme, Kind.GITHUB)
    answer = slack.send(sender, question.encode())
    assert (answer.status_code, answer.text) == (200, "3eZbrw1a")
    assert not kept(acme, slack)
    assert slack.send(sender, question.encode(), secret="f" * 64).status_code == 404
    assert github.send(sender, question.encode()).text != "3eZbrw1a"
    for odd in (b"[]", b"{", b'{"type":"url_verification","challenge":7}', b"[" * 100_000):
        assert slack.send(sender, odd).status_code == 200, "a message like others"


def test_two_secrets_live_while_one_follows_the_other(
    acme: httpx.Client, sender: httpx.Client
) -> None:
    """During the overlap both sign, a third rotation waits or ends both, and without overlap the
    old one is over at once; a secret that the sender made can be given (K-70)."""
    source = add(acme, Kind.SLACK, secret="8f742231b10e8888abcd99yyyzzz85a5")
    assert source.secret == "8f742231b10e8888abcd99yyyzzz85a5"
    path = f"/api/v1/hooks/sources/{source.id}/rotate"
    second = acme.post(path, json={"overlap_s": 600}).json()
    assert second["old_secret_until"] is not None
    assert source.send(sender).status_code == 200
    assert source.send(sender, secret=second["secret"], skew_s=1).status_code == 200
    assert acme.post(path, json={"overlap_s": 600}).status_code == 409
    third = acme.post(path, json={"overlap_s": 0, "secret": "another-secret-of-slack"}).json()
    assert third["old_secret_until"] is None
    for secret, status in ((source.secret, 404), (second["secret"], 404), (third["secret"], 200)):
        assert source.send(sender, secret=secret, skew_s=2).status_code == status
    assert acme.post(path, json={"secret": "short"}).status_code == 400
    opened = acme.post("/api/v1/hooks/sources", json={"name": "no secret", "kind": "url"}).json()
    refused = acme.post(f"/api/v1/hooks/sources/{opened['id']}/rotate", json={})
    assert refused.status_code == 409


def test_a_source_that_was_removed_is_nothing(acme: httpx.Client, sender: httpx.Client) -> None:
    """Nor is what it sent; its name is free again (K-70)."""
    source = add(acme, Kind.HMAC, name="ours")
    assert acme.post("/api/v1/hooks/sources", json={"name": "OURS"}).status_code == 409
    assert source.send(sender).status_code == 200
    assert acme.delete(f"/api/v1/hooks/sources/{source.id}").status_code == 200
    assert source.send(sender).status_code == 404
    assert acme.get(f"/api/v1/hooks/sources/{source.id}/messages").status_code == 404
    assert acme.delete(f"/api/v1/hooks/sources/{source.id}").status_code == 404
    add(acme, Kind.HMAC, name="ours")
