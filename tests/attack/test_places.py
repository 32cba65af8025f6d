"""Hostile text in every place where the application takes any: a path, a query, a form, a body; of
every endpoint and page, one place at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from tests.isolation.asking import NAME, Asker, Question, filled, questions
from tests.isolation.tenants import Names, Tenant
from tests.support.control import Served

PLAIN = "nothing of that name"
HOSTILE = {
    "a header": "x\r\nx-injected: 1\r\nset-cookie: a=b\r\n\r\n<p>",
    "a statement": "x' OR '1'='1' UNION SELECT version() --",
    "a path": "../../../../../../etc/passwd",
    "an element": '"><script id=canary>alert(1)</script>',
}
PLACE = "hostile"


@pytest.fixture(scope="module")
def places(served: Served, acme: Tenant) -> list[Question]:
    """Each question with {hostile} in one of its places, and acme's own names in the others."""
    asked, missing = questions(served.app)
    assert missing == []
    found = {str(place): place for each in asked for place in _places(each, acme.names)}
    assert len(found) > 150
    return list(found.values())


@pytest.fixture(scope="module")
def asker(served: Served, acme: Tenant) -> Iterator[Asker]:
    """The organisation's owner."""
    with closing(Asker(served, acme)) as asker:
        yield asker


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_text(
    asker: Asker, acme: Tenant, places: list[Question], kind: str
) -> None:
    """It is refused, or found nowhere, like any text that is not hostile: it ends no header, no
    string of SQL, no folder and no attribute; and no answer is a bug of ours (K-11, K-13)."""
    wrong = []
    for place in places:
        answer = asker.send(place, {PLACE: HOSTILE[kind]})
        assert answer.status_code != 401, f"nobody is signed in any more at {place}"
        wrong += [f"{place}: {what}" for what in _wrong(answer)]
        if kind == "a statement" and place.method == "GET" and _tells_more(asker, acme, place):
            wrong.append(f"{place}: tells something else than to {PLAIN!r}")
    assert wrong == []


def _tells_more(asker: Asker, acme: Tenant, place: Question) -> bool:
    """Whether it tells something else each time: what changes between two questions does once."""

    def told(text: str) -> object:
        return _told(asker.send(place, {PLACE: text}), acme)

    return all(told(HOSTILE["a statement"]) != told(PLAIN) for _ in range(3))


def _places(question: Question, names: Names) -> Iterator[Question]:
    """Of a question, each place in turn."""
    hostile = f"{{{PLACE}}}"
    body = filled(question.body, names)
    for name in NAME.findall(question.path):
        others = names | {name[1:-1]: hostile}
        query = filled(question.query, names | {"cursor": PLAIN})
        yield replace(question, path=question.path.format_map(others), query=query, body=body)
    path = question.path.format_map(names)
    for name in question.query:
        yield replace(question, path=path, query={name: hostile})
    for name, value in (body or {}).items():
        if isinstance(value, str):
            yield replace(question, path=path, body={**_kept(body), name: hostile})


def _kept(body: object) -> dict[str, object]:
    """The body, with nothing in it that stands for a name."""
    assert isinstance(body, dict)
    return {name: value for name, value in body.items() if "{" not in str(value)}


def _wrong(answer: httpx.Response) -> Iterator[str]:
    if answer.status_code >= 500:
        yield f"{answer.status_code} {answer.text[:200]}"
    if "x-injected" in answer.headers or answer.headers.get("set-cookie", "").startswith("a="):
        yield "wrote a header"
    if "root:" in answer.text:
        yield "read a file"
    if "<script id=canary" in answer.text and "html" in answer.headers["content-type"]:
        yield "made an element"
    if "html" in answer.headers.get("content-type", ""):
        policy = answer.headers["content-security-policy"]
        if "script-src 'self';" not in policy or "unsafe" in policy:
            yield f"has the policy {policy}"


def _told(answer: httpx.Response, acme: Tenant) -> tuple[int, list[str]]:
    """The status, and which of the organisation's things it names."""
    return answer.status_code, [name for name, value in acme.names.items() if value in answer.text]
