"""What holds for every answer: who is let in, bounds, problems, headers, metrics."""

from __future__ import annotations

import re
import socket
from typing import Any

import httpx
import pytest

from tests.support.control import Served

PROBLEM = {"type", "title", "status", "code", "detail", "hint", "request_id"}
PRIVATE = "/api/v1/me"


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """The answer's problem, which must be complete and carry the request's id."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) == PROBLEM
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-dd0c-request-id"]
    assert "Traceback" not in answer.text
    return problem


ODD_HEADERS = [
    "",
    "Bearer",
    "Bearer  x",
    "Basic dXNlcjpwYXNz",
    "dd0c_sk_" + "a" * 43,
    "Bearer dd0c_sk_" + "a" * 43,
    "Bearer dd0c_sk_" + "a" * 42,
    "Bearer dd0c_sk_" + "a" * 20_000,
    "Bearer sk-proj-" + "a" * 40,
    "Bearer ' OR 1=1 --",
    "Bearer \xff\xfe",
    "Bearer\tdd0c_sk_" + "a" * 43,
]


@pytest.mark.parametrize("value", ODD_HEADERS, ids=lambda v: ascii(v[:24]))
def test_an_odd_key_is_a_clear_401(served: Served, value: str) -> None:
    """Whatever the header holds: 401, what to do, nothing of it repeated, never a 500 (K-20)."""
    with served.client() as client:
        answer = client.get(PRIVATE, headers=[(b"authorization", value.encode("latin-1"))])
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "a" * 40 not in answer.text


def test_a_key_is_given_once(served: Served) -> None:
    """No key is 401; two keys are 401, even when both are right; the scheme is in any case."""
    right = f"Bearer {served.acme}"
    with served.client() as client:
        none = client.get(PRIVATE)
        twice = client.get(PRIVATE, headers=[("authorization", right), ("authorization", right)])
        lower = client.get(PRIVATE, headers={"authorization": right.replace("Bearer", "bearer")})
    assert "no key was given" in problem_of(none)["detail"]
    assert problem_of(twice)["status"] == 401
    assert lower.status_code == 200


def test_a_missing_scope_is_named(served: Served) -> None:
    """A gateway key does not read the API; the 403 says which scope it lacks and which it has."""
    with served.client(served.key(served.acme)) as client:
        problem = problem_of(client.get(PRIVATE))
    assert (problem["status"], problem["code"]) == (403, "forbidden")
    assert "`api`" in problem["detail"]
    assert "gateway" in problem["detail"]


def test_unknown_paths_methods_and_parameters(served: Served) -> None:
    """404, 405 and 400 are problems too, and say what there is instead."""
    with served.client(served.acme) as client:
        assert problem_of(client.get("/api/v1/nothing"))["status"] == 404
        assert problem_of(client.get("/nothing"))["status"] == 404
        assert problem_of(client.get("/api/v1/keys/"))["status"] == 404
        wrong = client.put("/api/v1/me")
        assert (problem_of(wrong)["status"], wrong.headers["allow"]) == (405, "GET")
        misspelt = problem_of(client.get("/api/v1/keys?limits=3"))
        assert "query.limits" in misspelt["detail"]
        assert "cursor, limit" in misspelt["detail"]
        assert "more than once" in problem_of(client.get("/api/v1/keys?limit=3&limit=4"))["detail"]
        assert problem_of(client.get("/livez?x=1"))["status"] == 400
        for limit in ("0", "501", "x", "1e9", "-1", ""):
            assert "query.limit" in problem_of(client.get(f"/api/v1/keys?limit={limit}"))["detail"]


def test_a_browser_gets_a_page(served: Served) -> None:
    """Outside /api a browser sees errors as pages and is sent to sign in; programs see problems."""
    with served.client() as client:
        page = client.get("/nothing", headers={"accept": "text/html"})
        api = client.get("/api/v1/nothing", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "style-src 'self'" in page.headers["content-security-policy"]
    problem_of(api)


BODIES = [
    b"",
    b"{",
    b"nul",
    b'{"name": }',
    b"\xff\xfe{}",
    b'{"name":"\\ud800"}',
    b'{"\\ud800":1}',
    b"[" * 50_000,
    b'{"name":' + b"[" * 50_000,
    b'{"name":NaN}',
    b'{"name":1e999}',
    b"name=x",
    b"\x00" * 100,
]


@pytest.mark.parametrize("body", BODIES, ids=lambda b: ascii(b[:16]))
def test_a_body_that_is_no_json(served: Served, body: bytes) -> None:
    """Whatever the bytes: a 400 that says so, nothing leaked, and the server lives on."""
    with served.client(served.platform) as client:
        for kind in ("application/json", "text/plain"):
            answer = client.post("/api/v1/orgs", content=body, headers={"content-type": kind})
            assert problem_of(answer)["status"] == 400
        assert client.get("/livez").status_code == 200


def test_bodies_and_headers_are_bounded(served: Served) -> None:
    """A body over 1 MiB is 413, said or unsaid length; headers over 32 kB are 431 (R-33)."""
    large = b" " * 1_048_577

    def pieces() -> Any:
        yield from (large[:65_536] for _ in range(17))

    with served.client(served.platform) as client:
        for content in (large, pieces()):
            answer = client.post("/api/v1/orgs", content=content)
            assert problem_of(answer)["code"] == "too_large"
    with served.client(served.platform) as client:
        answer = client.get("/api/v1/me", headers={"x-filler": "a" * 100_000})
        assert (answer.status_code, problem_of(answer)["code"]) == (431, "headers_too_large")


def test_broken_http_is_refused(served: Served) -> None:
    """What is no HTTP is answered with 400 and a close, and the next connection is served."""
    host, port = served.url.removeprefix("http://").split(":")
    for head in (
        b"\x16\x03\x01\x00\xa5",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nb\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(head + b"\r\n\r\n")
            assert b" 400 " in connection.recv(200)
    with served.client() as client:
        assert client.get("/livez").status_code == 200


def test_every_answer_carries_the_headers(served: Served) -> None:
    """Request id, no sniffing, no framing, no caching: on data, problems and metrics alike."""
    with served.client(served.acme) as client:
        answers = [client.get(p) for p in ("/api/v1/me", "/api/v1/x", "/livez", "/metrics")]
    assert len({answer.headers["x-dd0c-request-id"] for answer in answers}) == 4
    for answer in answers:
        assert re.fullmatch(r"req_[0-9a-z]{26}", answer.headers["x-dd0c-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


def test_a_cookie_changes_nothing_from_another_site(served: Served) -> None:
    """A session reads; it writes only when the browser says that our own page asked."""
    with served.client() as client:
        origin = {"origin": served.url}
        signed_in = client.post("/console/sign-in", data={"key": served.acme}, headers=origin)
        assert signed_in.status_code == 303
        assert client.get(PRIVATE).json()["org"] == "acme"
        wanted = {"name": "by cookie"}
        for headers in ({}, {"origin": "http://evil.example"}, {"origin": "null"}):
            answer = client.post("/api/v1/keys", json=wanted, headers=headers)
            assert problem_of(answer)["status"] == 403
        assert client.post("/api/v1/keys", json=wanted, headers=origin).status_code == 201
        client.cookies.set("dd0c_session", "dd0c_ses_" + "a" * 43)
        client.cookies.jar.clear()
        client.cookies.set("dd0c_session", "x")
        assert problem_of(client.get(PRIVATE))["status"] == 401


def test_metrics_count_by_template(served: Served) -> None:
    """Requests are counted by route template and status; ids and unknown paths make no series."""
    with served.client(served.acme) as client:
        for number in range(3):
            client.delete(f"/api/v1/keys/key_{number:026d}")
            client.get(f"/no/such/{number}")
        text = client.get("/metrics").text
    line = 'dd0c_http_requests_total{method="DELETE",route="/api/v1/keys/{key_id}",status="404"}'
    assert float(text.split(line)[1].split("\n")[0]) >= 3
    assert "/no/such" not in text
    assert 'dd0c_database_connections{pool="dd0c_app"}' in text
    assert "dd0c_http_request_seconds_bucket" in text
