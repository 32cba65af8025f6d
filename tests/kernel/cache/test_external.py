"""Somebody else's Redis: reached in every way, and what is wrong with it is said (K-2, K-3)."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dd0c.base.errors import Unavailable
from dd0c.base.secrets import Secret
from dd0c.base.settings import Settings
from dd0c.kernel.cache import client as clients
from dd0c.kernel.cache import fitness
from dd0c.kernel.web import dependencies
from tests.support import external
from tests.support.product import free_port

PASSWORD = quote(external.PASSWORD, safe="")


@asynccontextmanager
async def reached(url: str, ca: str = "") -> AsyncIterator[clients.Client]:
    """A client of the address."""
    settings = replace(Settings(), valkey_url=Secret(url), ca_bundle=ca)
    client = clients.open_client(settings, 1)
    try:
        yield client
    finally:
        await client.aclose()


async def refusal(url: str) -> Unavailable:
    """What is wrong with the server at the address."""
    async with reached(url) as client:
        with pytest.raises(Unavailable) as error:
            await fitness.judge(client)
        verdict = await dependencies.cache_probe(client).check()
    assert external.PASSWORD not in error.value.message + error.value.hint
    assert verdict.detail == error.value.message
    assert error.value.hint in verdict.remedy
    assert verdict.status == ("degraded" if "maxmemory" in verdict.detail else "failing")
    return error.value


async def test_a_redis_is_reached_by_tcp_tls_and_socket(tmp_path: Path) -> None:
    """K-3: a Redis with a password answers over TCP, over TLS under a private authority, and over
    its socket, and nothing is wrong with it."""
    certificate, key = write_certificate(tmp_path)
    tls_port = str(free_port())
    tls = {"tls-port": tls_port, "tls-cert-file": certificate, "tls-key-file": key}
    more = {"tls-ca-cert-file": certificate, "tls-auth-clients": "no"}
    with external.redis(unixsocket=f"{tmp_path}/s", **tls, **more) as server:
        for url in (
            f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0",
            f"valkey://default:{PASSWORD}@127.0.0.1:{server.port}/1",
            f"rediss://:{PASSWORD}@127.0.0.1:{tls_port}/0",
            f"unix://:{PASSWORD}@{tmp_path}/s?db=0",
        ):
            async with reached(url, certificate) as client:
                await fitness.judge(client)
                assert await client.incr("turn") > 0
        stranger = await refusal(f"rediss://:{PASSWORD}@127.0.0.1:{tls_port}/0")
        assert "does not answer" in stranger.message  # its authority is not known


async def test_what_is_wrong_with_a_redis_is_said() -> None:
    """K-2, K-5: no server, a wrong password and none, a replica and one that evicts: a line for
    each, in health too, where one that evicts is degraded: it works until it is full."""
    assert "does not answer" in (await refusal("redis://127.0.0.1:1/0")).message
    with external.redis(**{"maxmemory-policy": "allkeys-lru"}) as server:
        assert (
            "invalid username-password"
            in (await refusal(f"redis://:x@127.0.0.1:{server.port}")).message
        )
        assert (
            "Authentication required" in (await refusal(f"redis://127.0.0.1:{server.port}")).message
        )
        right = f"redis://:{PASSWORD}@127.0.0.1:{server.port}"
        assert "maxmemory-policy allkeys-lru" in (await refusal(right)).message
        async with reached(right) as client:
            await client.replicaof("127.0.0.1", "1")
        assert "read-only replica" in (await refusal(right)).message


def write_certificate(folder: Path) -> tuple[str, str]:
    """A certificate of 127.0.0.1 that is its own authority, and its key; their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a private authority")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    private = serialization.PrivateFormat.PKCS8
    (folder / "key").write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))
    return str(folder / "certificate"), str(folder / "key")
