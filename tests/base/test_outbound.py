"""The one client for what leaves (K-71), against real servers, a real proxy and a private CA."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from dd0c.base import settings
from dd0c.base.errors import InvalidInput, SetupError, Timeout, Unavailable
from dd0c.base.outbound import Attempt, Outbound, Outcome, Policy, Request, Resolver, resolve
from tests.support import web

PUBLIC = "93.184.215.14"
WITHIN_S = 20.0


class Changing:
    """A resolver that gives one answer after the other, and the last for ever."""

    def __init__(self, *answers: Sequence[str]):
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def outbound(tmp_path: Path, resolver: Resolver = resolve, **set_up: object) -> Outbound:
    return Outbound(settings.load({"home": str(tmp_path), **set_up}, {}), resolver)


async def test_sends_and_reads(tmp_path: Path) -> None:
    """K-71: a request arrives as it was given, and its answer comes back as it is."""
    with web.serve(lambda h: web.give(h, 201, b"made", Kind="new")) as there:
        url = f"http://127.0.0.1:{there.port}/a/b?c=d"
        given = {"X-Own": "1", "host": "other.example", "content-length": "9"}
        asked = Request("POST", url, given, b"body")
        answer = await outbound(tmp_path).send(asked, within_s=WITHIN_S, policy=Policy.CONFIGURED)
    assert (answer.status, answer.body, answer.cut) == (201, b"made", False)
    assert answer.headers["kind"] == "new"
    (heard,) = there.heard
    assert (heard.method, heard.path, heard.body) == ("POST", "/a/b?c=d", b"body")
    assert heard.headers["x-own"] == "1"
    assert heard.headers["host"] == f"127.0.0.1:{there.port}"


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """K-71: where a redirect points, nobody looks."""
    with (
        web.serve() as elsewhere,
        web.serve(
            lambda h: web.give(h, 307, b"", Location=f"http://127.0.0.1:{elsewhere.port}/")
        ) as there,
    ):
        asked = Request("POST", f"http://127.0.0.1:{there.port}/", {}, b"body")
        answer = await outbound(tmp_path).send(asked, within_s=WITHIN_S, policy=Policy.CONFIGURED)
    assert answer.status == 307
    assert elsewhere.connections == 0


async def test_body_is_bounded(tmp_path: Path) -> None:
    """K-71: an endless answer costs what the bound says, compressed or not."""

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65_536)

    with web.serve(endless) as there:
        asked = Request("GET", f"http://127.0.0.1:{there.port}/")
        answer = await outbound(tmp_path).send(
            asked, within_s=WITHIN_S, policy=Policy.CONFIGURED, body_bytes_max=100_000
        )
    assert (len(answer.body), answer.cut) == (100_000, True)


async def test_tenants_do_not_reach_us(tmp_path: Path) -> None:
    """K-71: a tenant's URL of this machine is refused before a byte is sent; what an administrator
    allowed is not."""
    with web.serve() as there:
        asked = Request("POST", f"http://localhost:{there.port}/secret-path", {}, b"body")
        with pytest.raises(InvalidInput, match="loopback") as refused:
            await outbound(tmp_path).send(asked, within_s=WITHIN_S, policy=Policy.PUBLIC)
        assert "secret-path" not in refused.value.message
        assert there.connections == 0
        allowing = outbound(tmp_path, outbound_allow="127.0.0.0/8, ::1")
        answer = await allowing.send(asked, within_s=WITHIN_S, policy=Policy.PUBLIC)
        assert answer.status == 200


async def test_one_refused_address_refuses_the_name(tmp_path: Path) -> None:
    """K-71: a name that is of the internet and of our network at once is not called."""
    sending = outbound(tmp_path, Changing([PUBLIC, "127.0.0.1"]))
    with pytest.raises(InvalidInput):
        await sending.send(
            Request("GET", "https://both.example/"), within_s=WITHIN_S, policy=Policy.PUBLIC
        )


async def test_rebinding(tmp_path: Path) -> None:
    """K-71: a name that may be called when it is judged, and stands for loopback a moment later,
    leads nowhere: it is resolved once, and what was judged is what is called."""
    with web.serve() as trap:
        asked = Request("GET", f"http://localhost:{trap.port}/")  # as this machine resolves it
        turning = Changing(["127.0.0.2"], ["127.0.0.1"])
        sending = outbound(tmp_path, turning, outbound_allow="127.0.0.2")
        with pytest.raises(Unavailable):  # nobody is there
            await sending.send(asked, within_s=WITHIN_S, policy=Policy.PUBLIC)
        assert turning.asked == 1
        with pytest.raises(InvalidInput):
            await sending.send(asked, within_s=WITHIN_S, policy=Policy.PUBLIC)
        assert trap.connections == 0


async def test_rebinding_behind_a_proxy(tmp_path: Path) -> None:
    """K-71: a proxy is asked for the address that was judged, so its resolver has no say."""
    with web.proxy() as relay:
        sending = outbound(tmp_path, Changing([PUBLIC]), proxy=f"http://127.0.0.1:{relay.port}")
        asked = Request("GET", "https://rebound.example/")
        with pytest.raises(Unavailable):
            await sending.send(asked, within_s=WITHIN_S, policy=Policy.PUBLIC)
        assert relay.asked == [f"{PUBLIC}:443"]


async def test_pinned_address_keeps_its_name(tmp_path: Path) -> None:
    """K-71: the connection goes to the address; TLS and `Host` say the name, and a certificate of
    another name does not do."""
    bundle, tls = web.certify(tmp_path, "hooks.example")
    with web.serve(tls=tls) as there:
        sending = outbound(
            tmp_path, Changing(["127.0.0.1"]), ca_bundle=str(bundle), outbound_allow="127.0.0.1"
        )
        for name, fits in (("hooks.example", True), ("other.example", False)):
            asked = Request("GET", f"https://{name}:{there.port}/")
            if fits:
                answer = await sending.send(asked, within_s=WITHIN_S, policy=Policy.PUBLIC)
                assert answer.status == 200
            else:
                with pytest.raises(Unavailable, match=r"other\.example"):
                    await sending.send(asked, within_s=WITHIN_S, policy=Policy.PUBLIC)
    assert [one.headers["host"] for one in there.heard] == [f"hooks.example:{there.port}"]


async def test_private_authority(tmp_path: Path) -> None:
    """K-83: a certificate of a private authority is trusted with DD0C_CA_BUNDLE, and only then; the
    refusal says what is missing."""
    bundle, tls = web.certify(tmp_path, "127.0.0.1")
    with web.serve(tls=tls) as there:
        asked = Request("GET", f"https://127.0.0.1:{there.port}/")
        with pytest.raises(Unavailable, match="DD0C_CA_BUNDLE"):
            await outbound(tmp_path).send(asked, within_s=WITHIN_S, policy=Policy.CONFIGURED)
        trusting = outbound(tmp_path, ca_bundle=str(bundle))
        answer = await trusting.send(asked, within_s=WITHIN_S, policy=Policy.CONFIGURED)
        assert answer.status == 200


async def test_through_a_proxy(tmp_path: Path) -> None:
    """K-83: with a proxy, what an administrator configured is asked of it by name, with its login,
    and encrypted to the end; this machine is called past it."""
    bundle, tls = web.certify(tmp_path, "vault.corp")
    with (
        web.serve(tls=tls) as there,
        web.proxy("us:p@ss", {"vault.corp:8200": there.port}) as relay,
        web.serve() as here,
    ):
        sending = outbound(
            tmp_path,
            Changing([]),
            ca_bundle=str(bundle),
            proxy=f"http://us:p%40ss@127.0.0.1:{relay.port}",
        )
        asked = Request("POST", "https://vault.corp:8200/v1", {}, b"body")
        answer = await sending.send(asked, within_s=WITHIN_S, policy=Policy.CONFIGURED)
        assert answer.status == 200
        assert there.heard[0].body == b"body"
        with pytest.raises(Unavailable, match=r"the proxy does not let us reach other\.corp: 403"):
            await sending.send(
                Request("GET", "https://other.corp/"), within_s=WITHIN_S, policy=Policy.CONFIGURED
            )
        assert relay.asked == ["vault.corp:8200", "other.corp:443"]
        direct = outbound(tmp_path, proxy=f"http://127.0.0.1:{relay.port}")
        near = Request("GET", f"http://127.0.0.1:{here.port}/")
        await direct.send(near, within_s=WITHIN_S, policy=Policy.CONFIGURED)
        assert len(relay.asked) == 2


@pytest.mark.parametrize("stuck", ["resolving", "connecting", "reading"])
async def test_one_deadline(tmp_path: Path, stuck: str) -> None:
    """K-71: the deadline covers resolving, connecting and reading alike."""

    async def for_ever(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b".")
            time.sleep(0.05)

    with web.serve(trickle) as there, socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]  # takes connections and says nothing of TLS
        url = f"http://127.0.0.1:{there.port}/"
        if stuck == "connecting":
            url = f"https://127.0.0.1:{port}/"
        sending = outbound(tmp_path, for_ever if stuck == "resolving" else resolve)
        with pytest.raises(Timeout):
            async with asyncio.timeout(WITHIN_S):
                await sending.send(Request("GET", url), within_s=0.3, policy=Policy.CONFIGURED)


class Noting:
    """A breaker that is closed and notes outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Attempt]:
        attempt = Attempt()
        try:
            yield attempt
        finally:
            self.outcomes.append(attempt.outcome)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((200, Outcome.SUCCESS), (301, Outcome.SUCCESS), (404, Outcome.SUCCESS)),
        *((429, Outcome.SUCCESS), (500, Outcome.FAILURE), (529, Outcome.FAILURE)),
    ],
)
async def test_what_a_status_says(tmp_path: Path, status: int, outcome: Outcome) -> None:
    """K-61: only 5xx is the other side's failure; a refusal is an answer."""
    noting = Noting()
    with web.serve(lambda h: web.give(h, status, b"")) as there:
        asked = Request("GET", f"http://127.0.0.1:{there.port}/")
        sending = outbound(tmp_path)
        await sending.send(asked, within_s=WITHIN_S, policy=Policy.CONFIGURED, breaker=noting)
    assert noting.outcomes == [outcome]


async def test_what_the_lack_of_an_answer_says(tmp_path: Path) -> None:
    """K-61: nobody there, silence and a broken answer are failures; a refusal of ours is none, and
    neither is a call that its caller gave up."""
    noting = Noting()
    silent = asyncio.Event()

    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")

    async def hang(host: str, port: int) -> Sequence[str]:
        silent.set()
        await asyncio.Event().wait()
        return []

    async def send(sending: Outbound, url: str, within_s: float, policy: Policy) -> None:
        await sending.send(Request("GET", url), within_s=within_s, policy=policy, breaker=noting)

    with web.serve(cut) as there:
        for resolver, port, within_s in ((resolve, 1, WITHIN_S), (hang, 1, 0.1)):
            sending = outbound(tmp_path, resolver)
            with pytest.raises((Unavailable, Timeout)):
                await send(sending, f"http://127.0.0.1:{port}/", within_s, Policy.CONFIGURED)
        with pytest.raises(Unavailable, match="broke off"):
            await send(
                outbound(tmp_path),
                f"http://127.0.0.1:{there.port}/",
                WITHIN_S,
                Policy.CONFIGURED,
            )
    with pytest.raises(InvalidInput):
        await send(outbound(tmp_path), "https://127.0.0.1/", WITHIN_S, Policy.PUBLIC)
    silent.clear()
    given_up = asyncio.create_task(
        send(outbound(tmp_path, hang), "https://a.example/", WITHIN_S, Policy.PUBLIC)
    )
    await silent.wait()
    given_up.cancel()
    await asyncio.wait([given_up])
    assert noting.outcomes == [Outcome.FAILURE] * 3 + [Outcome.ABANDONED] * 2


async def test_checking_a_form(tmp_path: Path) -> None:
    """K-71: a form learns at once that its URL may not be called; a name that does not resolve yet
    may come to."""
    await outbound(tmp_path, Changing([])).check("https://soon.example/")
    await outbound(tmp_path, Changing([PUBLIC])).check("https://fine.example/")
    for url, found in (("https://x.example/", "10.0.0.1"), ("http://x.example/", PUBLIC)):
        with pytest.raises(InvalidInput):
            await outbound(tmp_path, Changing([found])).check(url)


@pytest.mark.parametrize(
    ("proxy", "fine"),
    [
        *(("http://proxy:3128", True), ("https://us:them@proxy.corp:3128/", True)),
        *(("http://[fd00::1]:3128", True), ("proxy:3128", False), ("socks5://proxy", False)),
    ],
)
def test_proxy_setting(tmp_path: Path, proxy: str, fine: bool) -> None:
    """K-83: an address of a proxy that cannot be one stops a start, without being repeated."""
    if fine:
        settings.load({"home": str(tmp_path)}, {"HTTPS_PROXY": proxy})
        return
    with pytest.raises(SetupError) as refused:
        settings.load({"home": str(tmp_path)}, {"HTTPS_PROXY": proxy})
    assert proxy not in refused.value.message
