"""Providers of identities: an independent one, and one of ours that lies in one respect."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from tests.support.plain import NO_TLS
from tests.support.product import free_port

START_WITHIN_S = 30.0
ALGORITHMS = ["RS256", "HS256", "none"]


@contextmanager
def mock() -> Iterator[str]:
    """The issuer of an oidc-provider-mock in a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_WITHIN_S
            while not _answers(url):
                assert process.poll() is None
                assert time.monotonic() < deadline, "the mock provider does not start"
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/jwks", verify=NO_TLS, trust_env=False).status_code == 200
    except httpx.TransportError:
        time.sleep(0.05)
        return False


@dataclass(slots=True)
class Liar:
    """A provider whose every word can be changed: `claims` and `header` of its tokens, the key that
    signs them, and the name that it gives itself."""

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "1"})
    signing: RSAKey | OctKey = field(
        default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"})
    )
    published: KeySet | None = None
    named: str = ""
    nonce: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, form: dict[str, list[str]]) -> Any:
        """What is said at this path."""
        self.asked.append(path)
        if path.endswith("openid-configuration"):
            return {"issuer": self.named or self.url, "jwks_uri": f"{self.url}/keys"} | {
                name: f"{self.url}/{name}" for name in ("authorization_endpoint", "token_endpoint")
            }
        if path == "/keys":
            return (self.published or KeySet([self.signing])).as_dict(private=False)
        now = int(time.time())
        told = {"iss": self.url, "aud": "dd0c", "sub": "1", "iat": now, "exp": now + 60}
        told |= {"nonce": self.nonce, "email": "grace@example.com", "email_verified": True}
        told |= self.claims
        told = {name: value for name, value in told.items() if value is not None}
        with warnings.catch_warnings(action="ignore"):  # of `none`
            token = jwt.encode(self.header, told, self.signing, algorithms=ALGORITHMS)
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}


@contextmanager
def lying() -> Iterator[Liar]:
    """It, listening."""
    liar = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer(parse_qs(body))

        def _answer(self, form: dict[str, list[str]]) -> None:
            body = json.dumps(liar.answer(urlsplit(self.path).path, form)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        liar.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield liar
        server.shutdown()
