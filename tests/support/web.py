"""Small servers to call: a web server that notes what it hears, its certificate, and a proxy."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

RELAYED_BYTES = 65_536


@dataclass(slots=True)
class Heard:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[BaseHTTPRequestHandler], None]


@dataclass(slots=True)
class Web:
    """A server on loopback. `answering` writes the answer."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0


def ok(handler: BaseHTTPRequestHandler) -> None:
    """An answer without news."""
    give(handler, 200, b"ok")


def give(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """A whole answer."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    with contextlib.suppress(OSError):  # it may have heard enough
        handler.wfile.write(body)


@contextmanager
def serve(answering: Answering = ok, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A web server."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            web.connections += 1
            super().setup()

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            web.heard.append(Heard(self.command, self.path, headers, body))
            answering(self)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.handle_any)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # callers hang up on purpose

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        web.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()


@dataclass(slots=True)
class Proxy:
    """A forward proxy. `asked`: targets of CONNECT; `login`: what it wants, `user:password`."""

    port: int = 0
    asked: list[str] = field(default_factory=list)


@contextmanager
def proxy(login: str = "", reach: dict[str, int] | None = None) -> Iterator[Proxy]:
    """A proxy that tunnels to ports of loopback: `reach` says for which target to which."""
    made = Proxy()
    expected = f"Basic {base64.b64encode(login.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def tunnel(self) -> None:
            made.asked.append(self.path)
            if login and self.headers.get("Proxy-Authorization") != expected:
                self.send_error(407)
                return
            port = (reach or {}).get(self.path)
            if port is None:
                self.send_error(403)
                return
            with socket.create_connection(("127.0.0.1", port), timeout=20) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
                back.start()
                _pump(self.connection, there)
                back.join(20)

        def log_message(self, *_: object) -> None:
            pass

    setattr(Handler, f"do_{'CONNECT'}", Handler.tunnel)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield made
        finally:
            server.shutdown()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(RELAYED_BYTES):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def certify(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """A private authority's certificate, and what serves a certificate of it for these names."""
    authority, root = _sign("an authority of tests", (), None)
    key, leaf = _sign(names[0], names, (authority, root))
    bundle, chain = folder / "authority.pem", folder / "served.pem"
    bundle.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    return bundle, tls


def _sign(
    name: str,
    names: tuple[str, ...],
    by: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing, issuer = (by[0], by[1].subject) if by else (key, subject)
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
    )
    if names:
        found = [_general_name(one) for one in names]
        certificate = certificate.add_extension(x509.SubjectAlternativeName(found), critical=False)
    return key, certificate.sign(signing, hashes.SHA256())


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
