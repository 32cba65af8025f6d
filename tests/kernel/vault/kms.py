"""Key management services for tests: real processes and sockets that can hang and end.

AWS KMS is moto's server. Vault's transit engine is a stand-in that holds callers to the documented
wire format: method, path, token header, base64, and which error has which status.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from botocore.session import get_session
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dd0c.base.outbound import Outbound
from dd0c.base.settings import Settings
from dd0c.kernel.vault.aws import AwsKey
from dd0c.kernel.vault.configured import Managed
from dd0c.kernel.vault.transit import TransitKey
from tests.support.product import free_port, until

PATIENCE_S = 20.0
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Kms(Protocol):
    """A running service."""

    def name(self, key: str) -> str:
        """What DD0C_VAULT calls that key."""
        ...

    def open(self, key: str, *, within_s: float = PATIENCE_S) -> Managed:
        """The key, as our code speaks to it."""
        ...

    def hang(self) -> None:
        """Take connections and answer nothing."""
        ...

    def go_on(self) -> None:
        """Answer again."""
        ...

    def end(self) -> None:
        """Be gone."""
        ...


@dataclass
class Moto:
    """AWS KMS, played by moto."""

    process: subprocess.Popen[bytes]
    arns: dict[str, str] = field(default_factory=dict)

    def name(self, key: str) -> str:
        return f"aws-kms:{self._arn(key)}"

    def open(self, key: str, *, within_s: float = PATIENCE_S) -> AwsKey:
        return AwsKey(self._arn(key), Settings(), within_s=within_s)

    def _arn(self, key: str) -> str:
        if key not in self.arns:
            client = get_session().create_client("kms", region_name="eu-central-1")
            self.arns[key] = client.create_key()["KeyMetadata"]["Arn"]
        return self.arns[key]

    def hang(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def moto(folder: Path, environ: dict[str, str]) -> Iterator[Moto]:
    """AWS KMS in a process; `environ` gets what its callers need to find it."""
    port = free_port()
    environ.update(AWS, AWS_ENDPOINT_URL_KMS=f"http://127.0.0.1:{port}")
    with (folder / "moto.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env=os.environ | AWS,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: _listens(port) or process.poll() is not None, "moto listens", within_s=60)
        yield Moto(process)
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


TOKEN = "hvs.not-a-secret"
PATH = re.compile(r"/v1/(?P<mount>team/transit)/(?P<rest>[\w/.-]+)")


class Refused(Exception):
    """A status and what Vault says with it."""


class Transit:
    """HashiCorp Vault with a transit engine at `team/transit`, as far as its documents say."""

    def __init__(self, folder: Path):
        self.keys: dict[str, list[bytes]] = {}
        self.answering = threading.Event()
        self.answering.set()
        self.token_file = folder / "token"
        self.token_file.write_text(TOKEN + "\n")
        self.token_file.chmod(0o600)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def name(self, key: str) -> str:
        return f"vault-transit:http://127.0.0.1:{self.server.server_port}/team/transit/{key}"

    def open(self, key: str, *, within_s: float = PATIENCE_S) -> TransitKey:
        address = self.name(key).removeprefix("vault-transit:")
        return TransitKey(address, str(self.token_file), Outbound(Settings()), within_s=within_s)

    def hang(self) -> None:
        self.answering.clear()

    def go_on(self) -> None:
        self.answering.set()

    def end(self) -> None:
        self.go_on()
        if self.thread.is_alive():
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()

    def answer(self, path: str, token: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """The `data` of an answer."""
        found = PATH.fullmatch(path)
        if token != TOKEN:
            raise Refused(403, "permission denied")
        if found is None:
            raise Refused(404, "no handler for route")
        match found["rest"].split("/"):
            case ["keys", key, "rotate"]:
                self.keys[key].append(AESGCM.generate_key(256))
                return {"latest_version": len(self.keys[key])}
            case ["encrypt", key]:  # makes the key where the token may create
                versions = self.keys.setdefault(key, [AESGCM.generate_key(256)])
                nonce = os.urandom(12)
                sealed = AESGCM(versions[-1]).encrypt(nonce, *_given(body, "plaintext"))
                text = base64.b64encode(nonce + sealed).decode()
                return {"ciphertext": f"vault:v{len(versions)}:{text}"}
            case ["decrypt", key]:
                return {"plaintext": self._decrypt(key, body)}
        raise Refused(404, "unsupported path")

    def _decrypt(self, key: str, body: dict[str, Any]) -> str:
        told = re.fullmatch(r"vault:v(\d+):(.*)", body["ciphertext"])
        if told is None or key not in self.keys:
            raise Refused(400, "invalid ciphertext: no prefix")
        version = int(told[1])
        sealed, bound = _given(body | {"ciphertext": told[2]}, "ciphertext")
        try:
            cipher = AESGCM(self.keys[key][version - 1])
            return base64.b64encode(cipher.decrypt(sealed[:12], sealed[12:], bound)).decode()
        except (InvalidTag, IndexError):
            raise Refused(400, "cipher: message authentication failed") from None


def _given(body: dict[str, Any], name: str) -> tuple[bytes, bytes]:
    """What is to be worked on, and what binds it; a key that derives would want the context too."""
    if set(body) != {name, "associated_data", "context"} or body["context"] == "":
        raise Refused(400, f"missing or unknown field beside {name}")
    try:
        raw = {n: base64.b64decode(text, validate=True) for n, text in body.items()}
    except ValueError:
        raise Refused(400, "illegal base64 data") from None
    return raw[name], raw["associated_data"] + raw["context"]


def _handler(vault: Transit) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            vault.answering.wait(60)
            length = int(self.headers["Content-Length"])
            try:
                body = json.loads(self.rfile.read(length))
                data = vault.answer(self.path, self.headers["X-Vault-Token"], body)
                self._send(200, {"data": data, "lease_id": "", "renewable": False})
            except Refused as refused:
                status, text = refused.args
                self._send(status, {"errors": [text]})

        def _send(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            with suppress(BrokenPipeError):  # who asked did not wait for it
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
