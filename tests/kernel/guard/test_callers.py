"""Who calls out goes through a breaker: the KMS and the provider of identities (K-61)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from dd0c.base import settings
from dd0c.base.errors import Unavailable
from dd0c.base.outbound import Outbound
from dd0c.kernel.auth.oidc import Provider
from dd0c.kernel.guard.breakers import Breaker, Breakers
from dd0c.kernel.guard.circuit import Rules
from dd0c.kernel.vault.aws import AwsKey
from dd0c.kernel.vault.transit import TransitKey
from tests.support import web

ENOUGH = 2
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

Call = Callable[[], Awaitable[object]]


def transit(place: str, folder: Path, breaker: Breaker) -> Call:
    token = folder / "token"
    token.write_text("hvs.token")
    token.chmod(0o600)
    found = settings.load({"home": str(folder)}, {})
    key = TransitKey(f"{place}/transit/dd0c", str(token), Outbound(found), breaker)
    return lambda: key.wrap(b"k" * 32, b"context")


def aws(place: str, folder: Path, breaker: Breaker) -> Call:
    key = AwsKey(ARN, settings.load({"home": str(folder)}, {}), breaker)
    return lambda: key.wrap(b"k" * 32, b"context")


def oidc(place: str, folder: Path, breaker: Breaker) -> Call:
    given = {
        "DD0C_OIDC_ISSUER": place,
        "DD0C_OIDC_CLIENT_ID": "dd0c",
        "DD0C_OIDC_CLIENT_SECRET": "secret",
    }
    provider = Provider(settings.load({"home": str(folder)}, given), breaker)
    return lambda: provider.begin("http://127.0.0.1/back")


@pytest.mark.parametrize("caller", [transit, aws, oidc])
@pytest.mark.parametrize(("status", "opens"), [(500, True), (403, False)])
async def test_what_fails_is_left_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caller: Callable[[str, Path, Breaker], Call],
    status: int,
    opens: bool,
) -> None:
    """K-61: what answers with 5xx is called no more after enough of that, and says when it is tried
    again; what refuses is called on, for it works."""

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        web.give(handler, status, b'{"__type": "AccessDeniedException"}')

    with web.serve(refuse) as there:
        place = f"http://127.0.0.1:{there.port}"
        for name, value in (
            ("AWS_ENDPOINT_URL_KMS", place),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
        ):
            monkeypatch.setenv(name, value)
        breakers = Breakers(None, Rules(failures=ENOUGH))
        call = caller(place, tmp_path, breakers.named("it"))
        for _ in range(ENOUGH):
            with pytest.raises(Unavailable):
                await call()
        heard = len(there.heard)
        with pytest.raises(Unavailable) as refused:
            await call()
        assert (len(there.heard) == heard) is opens
        assert bool(await breakers.list_open()) is opens
        if opens:
            assert 1 <= (refused.value.retry_after_s or 0) <= 10
