"""Commands to copy for a first request through the gateway."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from dd0c.base.settings import Settings

_LOOPBACK = {"": "127.0.0.1", "::": "[::1]", str(ipaddress.IPv4Address(0)): "127.0.0.1"}
_KEY = '$(cat "${DD0C_HOME:-$HOME/.dd0c}/owner.key")'
_HELLO = '{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}]}'


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What to paste on the machine that runs dd0c: one request, or what an SDK reads."""

    request: str
    sdk: str


def first_steps(settings: Settings) -> FirstSteps:
    """Commands that work as they stand."""
    host = _LOOPBACK.get(settings.gateway_host, settings.gateway_host)
    url = f"http://{host}:{settings.gateway_port}/v1"
    request = (
        f"curl -sS {url}/chat/completions \\",
        f'  -H "Authorization: Bearer {_KEY}" \\',
        "  -H 'content-type: application/json' \\",
        f"  -d '{_HELLO}'",
    )
    sdk = (f"export OPENAI_BASE_URL={url}", f'export OPENAI_API_KEY="{_KEY}"')
    return FirstSteps("\n".join(request), "\n".join(sdk))
