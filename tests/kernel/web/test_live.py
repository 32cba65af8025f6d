"""Streams of live pages: what is sent to whom, when it ends, and how many there may be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from dd0c.kernel.web.console import live
from tests.support import people
from tests.support.control import Served, serving_live
from tests.support.database import Cluster

STREAM = f"{live.ROOT}/keys"


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    """A control server whose pages are live."""
    with serving_live(cluster) as served:
        yield served


@contextmanager
def listening(served: Served, key: str, **request: Any) -> Iterator[Iterator[tuple[str, str, str]]]:
    """The events of the stream of keys as (event, id, data)."""
    with served.client(key) as client, client.stream("GET", STREAM, **request) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    fields: dict[str, str] = {}
    for text in lines:
        name, _, value = text.partition(": ")
        if text:
            fields[name] = value
            continue
        if "event" in fields:
            yield fields["event"], fields.get("id", ""), fields["data"]
        fields = {}


def test_who_comes_back_is_told_what_it_missed(served: Served) -> None:
    """With the mark of now there is no news; with an older one there is, at once, or within the
    second for which what earlier viewers were told is taken for new."""
    with listening(served, served.globex) as events:
        kind, mark, _ = next(events)
        assert (kind, mark != "") == ("changed", True)
    with listening(served, served.globex, headers={"last-event-id": mark}) as events:
        kind, _, data = next(events)
        assert kind == "beat"
        assert json.loads(data)["age_s"] < 5
    served.key(served.globex, name="another")
    with listening(served, served.globex, params={"after": mark}) as events:
        told = {kind: newer for kind, newer, _ in (next(events), next(events))}
        assert told.keys() == {"changed", "beat"}
        assert told["changed"] != mark


def test_news_of_one_organisation_are_no_news_of_another(served: Served) -> None:
    """A change of acme wakes nobody of globex (K-11)."""
    with listening(served, served.globex) as events:
        assert next(events)[0] == "changed"
        served.key(served.acme, name="of acme")
        assert [next(events)[0] for _ in range(2)] == ["beat", "beat"]


def test_a_stream_ends_with_its_key(served: Served) -> None:
    """Revoking the key ends its open streams within seconds (K-21)."""
    key = served.key(served.acme, roles=["operator"])
    with listening(served, key) as events, served.client(served.acme) as client:
        assert next(events)[0] == "changed"
        assert next(events)[0] == "beat"
        (found,) = [
            k for k in client.get("/api/v1/keys").json()["items"] if key.startswith(k["prefix"])
        ]
        assert client.delete(f"/api/v1/keys/{found['id']}").status_code == 200
        last = [kind for kind, _, _ in events]
    assert last[-1] == "ended"


def test_a_stream_asks_for_permission(served: Served) -> None:
    """Without the permission, without a key, or for a topic that is not, there is no stream."""
    viewer = served.key(served.acme, roles=["viewer"])
    for key, topic, status in (
        (viewer, "keys", 403),
        (served.acme, "parts", 403),
        (None, "keys", 401),
        (served.acme, "nothing", 404),
    ):
        with served.client(key) as client:
            assert client.get(f"{live.ROOT}/{topic}").status_code == status


def test_viewers_are_bounded(served: Served) -> None:
    """One more than an organisation may have is told to come later; another's are its own."""
    with ExitStack() as stack:
        open_ones = [
            stack.enter_context(listening(served, served.globex))
            for _ in range(live.VIEWERS_OF_ORG_MAX)
        ]
        assert {next(events)[0] for events in open_ones} == {"changed"}
        with served.client(served.globex) as client:
            refused = client.get(STREAM)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        with listening(served, served.acme) as events:
            assert next(events)[0] == "changed"


def test_a_stop_waits_for_no_viewer(cluster: Cluster) -> None:
    """A server that is asked to stop ends its streams itself, so that it stops in time (K-6)."""
    with ExitStack() as outer, ExitStack() as running:
        served = running.enter_context(serving_live(cluster))
        events = outer.enter_context(listening(served, served.acme))
        assert next(events)[0] == "changed"
        running.close()  # waits for the server's thread
        assert {kind for kind, _, _ in events} <= {"beat", "changed"}  # its end, not a cut


def test_live_pages_can_be_switched_off(served: Served) -> None:
    """With the flag off for an organisation its open streams end, no new one begins, and its pages
    say what was true when they were loaded; another's go on. On again, they are live (K-62)."""
    flag = f"/api/v1/flags/{live.FLAG}"
    with served.client(served.platform) as client, people.browsing(served) as theirs:
        theirs.post("/console/sign-in", data={"key": served.globex})
        with listening(served, served.globex) as events:
            assert next(events)[0] == "changed"
            wanted = {"org": "globex", "on": False}
            client.put(flag, json=wanted).raise_for_status()
            assert {kind for kind, _, _ in events} <= {"beat", "changed"}  # and then it ended
        refused = theirs.get(STREAM)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "15")
        page = theirs.get("/console/keys").text
        assert "data-live" not in page
        assert "as of" in page
        with listening(served, served.acme) as others:
            assert next(others)[0] == "changed"
        client.delete(flag, params={"org": "globex"}).raise_for_status()
        deadline = time.monotonic() + 20
        while "data-live" not in theirs.get("/console/keys").text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
