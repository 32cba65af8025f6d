"""Permission as a typed parameter of the endpoint.

    async def show(who: Annotated[Principal, Depends(Requires("route:read"))]) -> ...

An endpoint that has no such parameter is public; the OpenAPI document and a test say which those
are. A caller is known by a bearer key (scope `api`) or by the console's session cookie (scope
`console`). A browser sends the cookie by itself, so a change that rests on it must come from our
own pages: SameSite is not enough, as another port of the same host is the same site.
"""

from __future__ import annotations

from starlette.requests import Request

from dd0c.base import addresses
from dd0c.base.addresses import Address
from dd0c.base.errors import Forbidden, Unauthenticated
from dd0c.kernel.auth import principals, sessions
from dd0c.kernel.auth.permissions import Scope
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import brakes, resources

COOKIE = "dd0c_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Requires:
    """The caller, who holds the permission; without a permission: anybody with a valid key.

    `in_panic` False: it changes what products act by, which is refused while a panic is on.
    """

    def __init__(self, permission: str | None = None, *, in_panic: bool = True):
        self.permission = permission
        self.in_panic = in_panic

    async def __call__(self, request: Request) -> Principal:
        who = await identify(request)
        request.state.principal = who
        if self.permission is not None:
            who.require(self.permission)
        if not self.in_panic and request.method not in SAFE_METHODS:
            await brakes.refuse_changes(request, who)
        return who


async def identify(request: Request) -> Principal:
    """The principal behind a request; Unauthenticated or Forbidden says what is missing."""
    given = request.headers.getlist("authorization")
    if given:
        return await _by_key(request, given)
    token = request.cookies.get(COOKIE)
    if token is None:
        raise Unauthenticated(
            "no key was given", hint="send the header `Authorization: Bearer dd0c_sk_…`"
        )
    if request.method not in SAFE_METHODS and not is_same_origin(request):
        raise Forbidden("this change does not come from the console itself", hint="reload the page")
    return await _by_session(request, token)


def principal_of(request: Request) -> Principal | None:
    """Who asks, as far as this request came: for pages that say what went wrong."""
    return getattr(request.state, "principal", None)


def is_same_origin(request: Request) -> bool:
    """Whether a browser says that our own page sent this."""
    _, separator, netloc = request.headers.get("origin", "").partition("://")
    return bool(separator) and netloc == request.headers.get("host")


def admit(request: Request, who: Principal) -> Principal:
    """The principal, once it may ask from here; that its key was used is noted. Forbidden."""
    who.require_address(address_of(request))
    if who.key_id is not None:
        resources.of(request).uses.note([who.key_id])
    return who


def address_of(request: Request) -> Address | None:
    """Where the caller is, as far as it can be told."""
    return addresses.find_caller(
        request.client.host if request.client else None,
        request.headers.getlist("x-forwarded-for"),
        addresses.parse_list(resources.of(request).settings.trusted_proxies),
    )


async def _by_key(request: Request, given: list[str]) -> Principal:
    use = resources.of(request)
    scheme, _, text = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer":
        raise Unauthenticated(
            "the header `authorization` must be there once and read `Bearer dd0c_sk_…`"
        )
    async with tenancy.system(use.pool) as tx:
        who = await principals.authenticate(tx, use.pepper, text, use.grants, use.clock.now())
    who.require_scope(Scope.API)
    return admit(request, who)


async def _by_session(request: Request, token: str) -> Principal:
    use = resources.of(request)
    async with tenancy.system(use.pool) as tx:
        who = await sessions.authenticate(tx, use.pepper, token, use.grants, use.clock.now())
    who.require_scope(Scope.CONSOLE)
    return admit(request, who)
