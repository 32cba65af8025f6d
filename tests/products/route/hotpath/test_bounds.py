"""Callers that are wrong, slow or hostile: each gets a clear answer, nobody else notices (R-33)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.upstream import Upstream
from tests.support.wire import CHAT_BODY, Caller, request
from tests.support.worker import KEY, Worker, running_worker, snapshot, wait_for

AUTH = b"authorization: Bearer " + KEY.encode() + b"\r\n"
PATH = b"/v1/chat/completions"
BODY = json.dumps(CHAT_BODY).encode()


@pytest.fixture(scope="module")
def tight(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker with narrow bounds."""
    bounds = {
        "header_bytes_max": 4096,
        "body_bytes_max": 200_000,
        "head_timeout_s": 0.4,
        "body_timeout_s": 0.4,
        "idle_timeout_s": 0.6,
        "connections_max": 8,
    }
    folder: Path = tmp_path_factory.mktemp("tight")
    with running_worker(folder, [snapshot(provider.port)], bounds) as running:
        yield running


def head(*lines: bytes, method: bytes = b"POST", path: bytes = PATH) -> bytes:
    """A request head with a host and our key."""
    rest = b"".join(line + b"\r\n" for line in lines)
    return method + b" " + path + b" HTTP/1.1\r\nhost: x\r\n" + AUTH + rest + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"POST " + PATH + b" HTTP/1.1\r\n" + AUTH + b"content-length: 2\r\n\r\n{}", 400),
        (head(b"host: y", b"content-length: 2") + b"{}", 400),
        (head(b"content-length: 2", b"content-length: 2") + b"{}", 400),
        (head(b"content-length: 2", b"content-length: 3") + b"{}", 400),
        (head(b"content-length: 2", b"transfer-encoding: chunked") + b"0\r\n\r\n", 400),
        (head(b"transfer-encoding: chunked, identity") + b"0\r\n\r\n", 400),
        (head(b"transfer-encoding: xchunked") + b"0\r\n\r\n", 400),
        (head(b"transfer-encoding: gzip, chunked") + b"0\r\n\r\n", 400),
        (head(b"transfer-encoding: chunked", b"transfer-encoding: chunked") + b"0\r\n\r\n", 400),
        (head(b"content-length: -1"), 400),
        (head(b"content-length: 99999999999999999999999"), 400),
        (head(b"content-length : 2") + b"{}", 400),
        (head(b" folded: x", b"content-length: 2") + b"{}", 400),
        (head(b"transfer-encoding: chunked") + b"zz\r\n", 400),
        (b"POST " + PATH + b" HTTP/1.0\r\n" + AUTH + b"transfer-encoding: chunked\r\n\r\n", 400),
        (b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n", 400),
        (head(b"upgrade: websocket", b"connection: upgrade", method=b"GET"), 400),
        (head(b"upgrade: h2c", b"connection: upgrade", b"content-length: 2") + b"{}", 400),
    ],
)
def test_what_is_not_clean_http_is_refused(worker: Worker, sent: bytes, status: int) -> None:
    """Ambiguous or broken framing is refused and the connection closed (no smuggling)."""
    with Caller(worker.port) as caller:
        caller.send(sent)
        got = caller.answer()
        assert got.status == status, got
        assert got.error["message"]
        assert got.headers["connection"] == "close"
        assert caller.rest() == b""
    assert worker.records() == []


def test_smuggled_requests_are_not_served(worker: Worker, upstream: Upstream) -> None:
    """After a refused framing nothing that follows on the connection counts."""
    inner = request("/v1/chat/completions", CHAT_BODY)
    with Caller(worker.port) as caller:
        caller.send(
            head(b"content-length: 0", b"transfer-encoding: chunked") + b"0\r\n\r\n" + inner
        )
        assert caller.answer().status == 400
        assert caller.rest() == b""
    assert upstream.received == []


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/chat/completions", 405, "POST"),
        ("DELETE", "/v1/messages", 405, "POST"),
        ("OPTIONS", "/v1/models", 405, "GET"),
        ("PUT", "/livez", 405, "GET, HEAD"),
        ("GET", "/", 404, None),
        ("GET", "/v1/chat/completions/", 404, None),
        ("GET", "/V1/models", 404, None),
        ("GET", "//v1/models", 404, None),
        ("GET", "/v1/%6dodels", 404, None),
        ("GET", "*", 404, None),
    ],
)
def test_unknown_paths_and_methods(
    worker: Worker, method: str, path: str, status: int, allow: str | None
) -> None:
    """404 and 405 name what there is, and the connection goes on."""
    with Caller(worker.port) as caller:
        caller.send(request(path, b"", method))
        got = caller.answer()
        assert got.status == status
        assert got.headers.get("allow") == allow
        assert got.error["message"]
        assert caller.chat().status == 200


def test_errors_speak_the_callers_dialect(worker: Worker) -> None:
    """Each dialect's SDK finds the error where it looks for it (R-4)."""
    with Caller(worker.port) as caller:
        got = caller.call("/v1/messages", b"{", x_api_key=KEY)
        assert got.json["type"] == "error"
        assert got.error["type"] == "invalid_request_error"
        assert got.json["request_id"] == got.headers["x-dd0c-request-id"]
        got = caller.call("/v1/chat/completions", b"{")
        assert set(got.error) == {"message", "type", "param", "code"}
        got = caller.call("/v1/complete", b"{")
        assert got.json["type"] == "error"


def test_head_has_no_body(worker: Worker) -> None:
    """HEAD is answered with a length and nothing more, whatever the answer."""
    with Caller(worker.port) as caller:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/nowhere", 404)):
            caller.send(request(path, b"", "HEAD"))
            got = caller.answer(to_head=True)
            assert got.status == status
            assert int(got.headers["content-length"]) > 0
        assert caller.chat().status == 200


def test_absolute_form_and_query_are_understood(worker: Worker) -> None:
    """A request line as for a proxy means the same path (RFC 9112, 3.2.2)."""
    with Caller(worker.port) as caller:
        caller.send(request("http://gateway:8080/livez?x=1", b"", "GET"))
        assert caller.answer().status == 200


@pytest.mark.parametrize("pieces", [1, 50])
def test_long_heads_get_431(tight: Worker, pieces: int) -> None:
    """100 kB of headers is refused, at once or drop by drop, without reading it all (R-33)."""
    line = b"x-long: " + b"a" * 100_000 + b"\r\n"
    with Caller(tight.port) as caller:
        caller.send(b"POST " + PATH + b" HTTP/1.1\r\nhost: x\r\n" + AUTH)
        size = len(line) // pieces
        for at in range(0, len(line), size):
            caller.send(line[at : at + size])
        got = caller.answer()
        assert (got.status, got.headers["connection"]) == (431, "close")


@pytest.mark.parametrize("lines", [b"a: b\r\n" * 900, b"x: " + b"y" * 4000 + b"\r\n"])
def test_the_bound_of_a_head_is_the_same_in_one_piece(tight: Worker, lines: bytes) -> None:
    """Many short or one long header in a single packet are counted too (R-33)."""
    with Caller(tight.port) as caller:
        caller.send(head(lines[:-2], b"content-length: %d" % len(BODY)) + BODY)
        assert caller.answer().status == 431


def test_a_long_path_is_a_long_head(tight: Worker) -> None:
    """The request line counts (R-33)."""
    with Caller(tight.port) as caller:
        caller.send(request("/" + "a" * 5000, b"", "GET"))
        assert caller.answer().status == 431


def test_large_bodies_get_413_and_the_caller_reads_it(tight: Worker) -> None:
    """A body over the bound is refused by its length, and the caller that sends on sees why."""
    with Caller(tight.port) as caller:
        caller.send(head(b"content-length: 50000000"))
        for _ in range(50):
            caller.send(b"x" * 1_000_000)
        got = caller.answer()
        assert (got.status, got.headers["connection"]) == (413, "close")
        assert "200000 bytes" in got.error["message"]


def test_large_chunked_bodies_get_413(tight: Worker) -> None:
    """Without a length the bytes are counted as they come (R-33)."""
    with Caller(tight.port) as caller:
        caller.send(head(b"transfer-encoding: chunked"))
        for _ in range(30):
            caller.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        assert caller.answer().status == 413


def test_a_chunked_body_is_a_body(worker: Worker, upstream: Upstream) -> None:
    """A chunked request is served, its trailers ignored, and sent on with a length."""
    with Caller(worker.port) as caller:
        caller.send(head(b"transfer-encoding: chunked"))
        for at in range(0, len(BODY), 7):
            piece = BODY[at : at + 7]
            caller.send(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
        caller.send(b"0\r\nauthorization: Bearer forged\r\nhost: forged\r\nx-a: forged\r\n\r\n")
        assert caller.answer().status == 200
    assert upstream.last.body == BODY
    assert "forged" not in upstream.last.head.decode()


@pytest.mark.parametrize("sent", [b"1;" + b"e" * 40_000, b"0\r\n" + b"t: x\r\n" * 9_000])
def test_chunk_extensions_and_trailers_are_bounded(worker: Worker, sent: bytes) -> None:
    """Framing that carries no body is not read without end (R-33)."""
    with Caller(worker.port) as caller:
        caller.send(head(b"transfer-encoding: chunked"))
        time.sleep(0.05)
        for at in range(0, len(sent), 8000):
            caller.send(sent[at : at + 8000])
        assert caller.answer().status == 400


def test_expect_continue_is_answered(worker: Worker, tight: Worker) -> None:
    """100 when the head is fine, the final answer without it when it is not (RFC 9110, 10.1.1)."""
    length = b"content-length: %d" % len(BODY)
    with Caller(worker.port) as caller:
        caller.send(head(length, b"expect: 100-continue"))
        assert caller.head().status == 100
        caller.send(BODY)
        assert caller.answer().status == 200
    with Caller(tight.port) as caller:
        caller.send(head(b"content-length: 50000000", b"expect: 100-continue"))
        assert caller.head().status == 413
    with Caller(worker.port) as caller:
        caller.send(head(length, b"expect: 100-continue").replace(KEY.encode(), b"dd0c_sk_no"))
        assert caller.head().status == 401


@pytest.mark.parametrize(
    "begun", [b"POST ", head(b"content-length: 9"), head(b"content-length: 9") + b"{"]
)
def test_slow_requests_get_408(tight: Worker, begun: bytes) -> None:
    """A head or body that does not come in time is a 408, and the connection ends (R-33)."""
    with Caller(tight.port) as caller:
        started = time.monotonic()
        caller.send(begun)
        got = caller.answer()
        assert (got.status, got.headers["connection"]) == (408, "close")
        assert 0.3 < time.monotonic() - started < 2


def test_a_dripping_head_gets_408(tight: Worker) -> None:
    """Bytes that come now and then do not extend the deadline (slowloris)."""
    with Caller(tight.port) as caller:
        caller.send(b"POST " + PATH + b" HTTP/1.1\r\n")
        for _ in range(6):
            caller.send(b"x-a: b\r\n")
            time.sleep(0.1)
        assert caller.answer().status == 408


def test_idle_connections_are_closed(tight: Worker) -> None:
    """A connection without a request ends after its time, without a word."""
    with Caller(tight.port) as fresh, Caller(tight.port) as used:
        used.chat()
        assert fresh.rest() == b""
        assert used.rest() == b""


def test_connections_are_capped(tight: Worker) -> None:
    """One connection more than allowed is told so; the others go on (R-33)."""
    wait_for(lambda: tight.gauge("dd0c_route_connections") == 0)
    callers = [Caller(tight.port) for _ in range(8)]
    try:
        assert all(caller.chat().status == 200 for caller in callers)
        with Caller(tight.port) as one_more:
            assert one_more.answer().status == 503
        assert callers[0].chat().status == 200
    finally:
        for caller in callers:
            caller.socket.close()


def test_pipelined_requests_are_answered_in_order(worker: Worker, upstream: Upstream) -> None:
    """Requests sent ahead wait their turn, refused ones too, however they are cut (R-33)."""
    sent = b"".join(
        request("/v1/chat/completions", {**CHAT_BODY, "n": n}) + request(f"/no/{n}", b"", "GET")
        for n in range(5)
    )
    for size in (len(sent), 100):
        with Caller(worker.port) as caller:
            for at in range(0, len(sent), size):
                caller.send(sent[at : at + size])
            for n in range(5):
                assert caller.answer().status == 200
                assert f"/no/{n}" in caller.answer().error["message"]
    assert [json.loads(r.body)["n"] for r in upstream.received] == [*range(5), *range(5)]


def test_pipelines_are_bounded(worker: Worker) -> None:
    """Far too many requests ahead end the connection after those that were read (R-33)."""
    with Caller(worker.port) as caller:
        caller.send(request("/v1/chat/completions", CHAT_BODY) * 200)
        answered = 0
        while True:
            got = caller.answer()
            answered += 1
            if got.headers.get("connection") == "close":
                break
        assert 30 < answered < 40
        assert caller.rest() == b""


def test_large_requests_pass_whole(worker: Worker, upstream: Upstream) -> None:
    """20 MB of prompt arrive as they were sent, with only the model's prefix spliced (R-3)."""
    text = '"model":"x" é' * 1_500_000
    body = json.dumps({"messages": [text], "model": "openai/m"}, ensure_ascii=False).encode()
    with Caller(worker.port) as caller:
        assert caller.call("/v1/chat/completions", body).status == 200
    assert upstream.last.body == body[: body.rindex(b"openai/m")] + b'm"}'


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer " + "k" * 8000},
        {"authorization": "Bearer \xff\xfe\x80"},
        {"authorization": "Basic abc"},
        {"authorization": "", "x_api_key": "' OR 1=1 --"},
        {"authorization": "Bearer dd0c_sk_a", "x_api_key": "dd0c_sk_b"},
    ],
)
def test_odd_keys_get_401(worker: Worker, upstream: Upstream, headers: dict[str, str]) -> None:
    """A missing, malformed or unknown key is a 401, and the connection goes on (K-20)."""
    with Caller(worker.port) as caller:
        got = caller.chat(**headers)
        assert got.status == 401
        assert got.headers["www-authenticate"].startswith("Bearer")
        assert upstream.received == []
        assert caller.chat().status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"model":"\xc3\x28"}',
        b"[]",
        b'{"messages":[]}',
        b'{"model":"a","model":"b"}',
        b'{"a":' + b"[" * 50_000,
        b'{"model":3}',
    ],
)
def test_bad_bodies_get_400(worker: Worker, upstream: Upstream, body: bytes) -> None:
    """What cannot be understood never reaches a provider, and the connection goes on."""
    with Caller(worker.port) as caller:
        got = caller.call("/v1/chat/completions", body)
        assert got.status == 400
        assert "Traceback" not in got.error["message"]
        assert upstream.received == []
        assert caller.chat().status == 200


def test_encoded_bodies_get_415(worker: Worker) -> None:
    """A compressed body is refused with the reason."""
    with Caller(worker.port) as caller:
        assert caller.chat(content_encoding="gzip").status == 415


def test_left_bodies_are_given_back(worker: Worker) -> None:
    """Callers that leave large bodies unfinished cost memory only while they are there (R-33)."""
    begun = head(b"content-length: 8000000")
    for _ in range(6):
        callers = [Caller(worker.port) for _ in range(4)]
        for caller in callers:
            caller.send(begun + b"x" * 5_000_000)
        for caller in callers:
            caller.socket.close()
    wait_for(lambda: worker.gauge("dd0c_route_connections") == 0)
    wait_for(lambda: worker.rss_kb() < 100 * 1024)


def test_a_body_in_tiny_chunks_costs_its_own_size(worker: Worker, upstream: Upstream) -> None:
    """A body of many small pieces is gathered, and arrives as it was (R-33)."""
    body = json.dumps({**CHAT_BODY, "pad": "y" * 40_000}).encode()
    chunks = b"".join(b"2\r\n%b\r\n" % body[i : i + 2].ljust(2) for i in range(0, len(body), 2))
    with Caller(worker.port) as caller:
        caller.send(head(b"transfer-encoding: chunked") + chunks + b"0\r\n\r\n")
        assert caller.answer().status == 200
    assert upstream.last.body.rstrip() == body
