"""Commands to copy: a first request through the gateway, and any page as JSON."""

from __future__ import annotations

import ipaddress
import shlex
from datetime import datetime

from starlette.requests import Request

from dd0c.base.settings import Settings

_LOOPBACK = {"": "127.0.0.1", "::": "[::1]", str(ipaddress.IPv4Address(0)): "127.0.0.1"}
_HELLO = '{"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say hello"}]}'


def first_request(settings: Settings) -> str:
    """A request that works as it stands, on the machine that runs dd0c."""
    host = _LOOPBACK.get(settings.gateway_host, settings.gateway_host)
    return "\n".join(
        (
            f"curl http://{host}:{settings.gateway_port}/v1/chat/completions \\",
            '  -H "Authorization: Bearer $(cat "${DD0C_HOME:-$HOME/.dd0c}/owner.key")" \\',
            "  -H 'content-type: application/json' \\",
            f"  -d '{_HELLO}'",
        )
    )


def as_json(request: Request, path: str) -> str:
    """The command that fetches a path of the API with a key."""
    address = f"{request.url.scheme}://{request.url.netloc}{path}"
    return f'curl -H "Authorization: Bearer $DD0C_KEY" {shlex.quote(address)}'


def moment(at: datetime) -> str:
    """A time as the API takes it, to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
