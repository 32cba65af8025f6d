"""Where browsers find this console: for links that leave it and come back."""

from __future__ import annotations

from starlette.requests import Request

from dd0c.kernel.web import resources


def of(request: Request) -> str:
    """Scheme and host, as set, else as this caller reached us (TLS of a proxy is not seen)."""
    told = resources.of(request).settings.console_url.rstrip("/")
    return told or f"{request.url.scheme}://{request.url.netloc}"
