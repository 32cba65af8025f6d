"""A scripted provider and a worker in front of it, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.upstream import Upstream, answer_chat, running_upstream
from tests.support.worker import Worker, running_worker, snapshot


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    """The provider of this module's worker."""
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def module_worker(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests of a module."""
    folder: Path = tmp_path_factory.mktemp("spool")
    with running_worker(folder, [snapshot(provider.port)]) as running:
        yield running


@pytest.fixture
def upstream(provider: Upstream) -> Upstream:
    """The provider with its default script and nothing remembered."""
    provider.script = answer_chat
    provider.received.clear()
    provider.small_buffers = False
    return provider


@pytest.fixture
def worker(module_worker: Worker, upstream: Upstream) -> Worker:
    """The shared worker with an empty spool history."""
    module_worker.forget()
    return module_worker


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for `localhost`, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path
