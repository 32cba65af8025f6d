"""What a panic means to whoever asks the control server (K-63): they are told, and what would
change the configuration is refused."""

from __future__ import annotations

from starlette.requests import Request

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.autonomy import panics
from dd0c.kernel.autonomy.panics import Panicking
from dd0c.kernel.autonomy.states import State, strictest
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources

HEADER = "x-dd0c-panic"


def of(request: Request, who: Principal | None) -> State:
    """The panic that is on for somebody, as far as this process has heard."""
    return None if who is None else resources.of(request).brake.of(who.org)


async def refuse_changes(request: Request, who: Principal) -> None:
    """Panicking while one is on for the organisation, whichever channel says so."""
    panic = of(request, who)
    if panic is None:  # another control server may have been told a moment ago
        async with tenancy.tenant(resources.of(request).pool, who.org) as tx:
            found = [await panics.find(tx, scope) for scope in (who.org, None)]
        panic = strictest(row.panic for row in found if row is not None)
    if panic is not None:
        raise Panicking(
            f"a panic ({panic}) is on: the configuration stays as it was when that began",
            hint="an owner or admin ends it with `dd0c panic off`; keys can be revoked meanwhile",
        )
