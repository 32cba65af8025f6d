"""One HTTP call to addresses that were chosen before: how `outbound` speaks.

The address is in the URL that the library connects to; the name is in `Host` and in what TLS must
prove. So the library resolves nothing, from here or through a proxy.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore2

from dd0c.base.destinations import Destination
from dd0c.base.errors import Unavailable
from dd0c.base.outbound import Answer, Request
from dd0c.base.secrets import Secret

CONNECT_S = 5.0
"""For one address, so that the next gets its turn."""

OURS = {"host", "content-length", "transfer-encoding", "accept-encoding", "connection"}
"""Headers that nobody else says."""


@dataclass(frozen=True, slots=True)
class Way:
    """The addresses, tried in turn until one takes a connection; whom to trust, None where nothing
    is encrypted; what is between."""

    hosts: Sequence[str]
    tls: ssl.SSLContext | None
    proxy: Secret


async def exchange(
    request: Request, destination: Destination, way: Way, body_bytes_max: int
) -> Answer:
    """Send it and read the answer; Unavailable says where that ended."""
    failed = ""
    for host in way.hosts:
        network = _Network()
        try:
            async with httpcore2.AsyncConnectionPool(
                way.tls, _proxy(way), network_backend=network
            ) as pool:
                return await _read(pool, _prepare(request, destination, host), body_bytes_max)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            failed = _why(error)
        except httpcore2.ProxyError as error:
            told = f"the proxy does not let us reach {destination.host}: {error}"
            raise Unavailable(told) from None
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.TimeoutException,
        ) as error:
            raise Unavailable(f"{destination.host} broke off: {type(error).__name__}") from None
        finally:
            await network.close()
    raise Unavailable(f"{destination.host} cannot be reached: {failed}")


class _Network(httpcore2.AnyIOBackend):
    """Knows what it opened: the library forgets a connection that is given up in its handshake."""

    def __init__(self) -> None:
        self._streams: list[httpcore2.AsyncNetworkStream] = []

    async def connect_tcp(self, *place: Any, **how: Any) -> httpcore2.AsyncNetworkStream:
        stream = await super().connect_tcp(*place, **how)
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        for stream in self._streams:
            await stream.aclose()


def _prepare(request: Request, destination: Destination, host: str) -> httpcore2.Request:
    headers = [
        ("Host", destination.authority),
        ("Content-Length", str(len(request.body))),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        *((name, value) for name, value in request.headers.items() if name.lower() not in OURS),
    ]
    if not any(name.lower() == "user-agent" for name, _ in headers):
        headers.append(("User-Agent", "dd0c"))
    return httpcore2.Request(
        request.method,
        httpcore2.URL(
            scheme=destination.scheme, host=host, port=destination.port, target=destination.target
        ),
        headers=headers,
        content=request.body,
        extensions={"timeout": {"connect": CONNECT_S}, "sni_hostname": destination.host},
    )


def _proxy(way: Way) -> httpcore2.Proxy | None:
    if not way.proxy:
        return None
    parts = urlsplit(way.proxy.reveal())
    login = None
    if parts.username is not None:
        login = (unquote(parts.username), unquote(parts.password or ""))
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return httpcore2.Proxy(where, login, ssl_context=way.tls if parts.scheme == "https" else None)


async def _read(
    pool: httpcore2.AsyncConnectionPool, request: httpcore2.Request, body_bytes_max: int
) -> Answer:
    body = bytearray()
    response = await pool.handle_async_request(request)
    try:
        async for chunk in response.aiter_stream():
            body += chunk
            if len(body) > body_bytes_max:
                break
    finally:
        await response.aclose()
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    cut = len(body) > body_bytes_max
    return Answer(response.status, headers, bytes(body[:body_bytes_max]), cut)


def _why(error: BaseException) -> str:
    """What a connection failed of; of a certificate, what is wrong with it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{cause.verify_message} (DD0C_CA_BUNDLE names further authorities)"
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
