"""May this request go on, and where to? Pure decisions over what the worker holds in memory.

`check_head` runs as soon as the head is there, so that a wrong path, key or length is answered
before a body is read; `plan` runs on the whole request. The body is not decoded: the spans of its
few keys that matter are found, and the changes are splices (R-3).
"""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Sequence

import msgspec

from dd0c.base import addresses
from dd0c.products.route.hotpath import bounds, dialects, facts, jsonspan
from dd0c.products.route.hotpath.dialects import ROUTES, Refusal
from dd0c.products.route.hotpath.jsonspan import Malformed, Splice
from dd0c.products.route.hotpath.keys import Keys
from dd0c.products.route.hotpath.lanes import LANES_MAX, Lane
from dd0c.products.route.hotpath.limits import Limits
from dd0c.products.route.hotpath.request import Request
from dd0c.products.route.hotpath.routes import Choice, Routes, Target
from dd0c.products.route.hotpath.snapshot import KeyEntry
from dd0c.products.route.models import Dialect, Endpoint

MODEL_LENGTH_MAX = 256
STRAIGHT_BYTES_MAX = 64 * 1024  # of a body; a longer one goes by relay

HALTED = Refusal(
    503,
    "panic_halt",
    "A panic is on: this gateway answers no request of this organisation until an owner or admin "
    "ends it (`dd0c panic status` says since when).",
    ((b"x-should-retry", b"false"),),
)

_FORWARDED = b"x-forwarded-for"
_INCLUDE = b'"include_usage":true'
_ASKED_FOR_USAGE = (Endpoint.CHAT, Endpoint.COMPLETIONS)  # else a stream would not tell it
_text = msgspec.json.Decoder(str)


class Plan(msgspec.Struct, frozen=True):
    """What is sent where. `strip_usage`: the usage chunk exists only because we asked for it.
    `body` is the caller's, with its top-level values at `found`; `changes` make `pieces` of it.
    `reason` is why it goes this way, or nowhere."""

    lane: Lane
    reason: str
    stream: bool
    strip_usage: bool
    pieces: list[bytes | memoryview]
    length: int
    body: bytes = b""
    found: dict[str, tuple[int, int]] = {}
    changes: list[Splice] = []

    @property
    def target(self) -> Target:
        """Who answers."""
        return self.lane.target

    @property
    def sent_model(self) -> str:
        """The model's name there."""
        return self.lane.model

    @property
    def requested_model(self) -> str:
        """The model's name as its caller wrote it."""
        return self.lane.requested_model


def check_framing(request: Request) -> Refusal | None:
    """Why a request is refused whatever it asks for: others may read it in another way."""
    if request.head.hosts != 1 and not (request.head.old and request.head.hosts == 0):
        return Refusal(400, "bad_host", "Send exactly one Host header.", close=True)
    if request.head.coding and (request.head.old or request.head.coding.lower() != b"chunked"):
        told = "The only transfer coding here is `chunked`, and HTTP/1.0 has none."
        return Refusal(400, "bad_coding", told, close=True)
    return None


def check_head(
    request: Request, keys: Keys, limits: Limits, now_us: int, caller: BaseTransport
) -> Refusal | None:
    """Why a request is refused for its head alone, or None; notes route and key in the request."""
    route = ROUTES.get(request.head.path)
    if route is None:
        return Refusal(
            404,
            "unknown_path",
            f"There is no {request.head.path[:100].decode(errors='replace')} here. This gateway "
            f"serves {', '.join(path.decode() for path in ROUTES)}.",
        )
    if request.head.method != route.method:
        return Refusal(
            405,
            "method_not_allowed",
            f"Use {route.method} for this path.",
            ((b"allow", route.method.encode()),),
        )
    if route.endpoint is Endpoint.MODELS:
        route = dialects.models_in(request.head.dialect())
    request.head.route = route
    entry = keys.check(request.head.given_keys, now_us)
    if isinstance(entry, Refusal):
        return entry
    if entry.networks is not None and (refusal := _elsewhere(request, entry, limits, caller)):
        return refusal
    keys.used.add(entry.own_id or entry.key_id)
    request.head.entry = entry
    if request.head.content_coding not in (b"", b"identity"):
        return Refusal(415, "encoded_body", "Send the body without Content-Encoding.")
    if request.head.length > limits.body_bytes_max:
        return too_large(limits)
    if request.head.tags and not facts.are_tags(request.head.tags):
        return facts.BAD_TAGS
    return None


def too_large(limits: Limits) -> Refusal:
    """The refusal of a body over the bound."""
    return Refusal(
        413,
        "body_too_large",
        f"The body is larger than {limits.body_bytes_max} bytes. Send less, or raise "
        "DD0C_BODY_BYTES_MAX.",
    )


def is_halted(request: Request, routes: Routes) -> bool:
    """Whether a panic lets nothing of its organisation through."""
    assert request.head.entry is not None
    return request.head.entry.org in routes.halted


def plan(request: Request, routes: Routes) -> Plan | Refusal:
    """Where a whole request goes and what is sent, or why it is refused. One that is halted has its
    plan too, for the record of its refusal; all that could not be planned is refused alike then."""
    made = _plan(request, routes)
    return HALTED if isinstance(made, Refusal) and is_halted(request, routes) else made


def _plan(request: Request, routes: Routes) -> Plan | Refusal:
    route, entry = request.head.route, request.head.entry
    assert route is not None
    assert entry is not None
    if route.endpoint is Endpoint.MODELS:
        target = routes.default(entry.org, route.dialect)
        if target is None:
            return _no_provider(route.dialect)
        lane = Lane(request, Choice(target, "", "dialect"), "")
        return Plan(lane, lane.reason, False, False, [], 0)
    body = request.content()
    try:
        found = jsonspan.spans(body)
        changes: list[Splice] = []
        stream = False
        if "stream" in found:
            changes, stream = _streaming(body, found, route.endpoint)
        start, end = found.get("model", (0, 0))
        known = request.head.lanes.get(body[start:end])
        made = _choose(request, routes, body[start:end]) if known is None else known
    except Malformed as error:
        return _invalid(f"{_sentence(str(error))} Send one JSON object with each key once.")
    if isinstance(made, Refusal):
        return made
    strip = bool(changes)
    if made.model != made.requested_model:
        changes.append(Splice(start, end, msgspec.json.encode(made.model)))
    if not changes:
        return Plan(made, made.reason, stream, strip, [body], len(body), body, found)
    spliced = jsonspan.splice(body, changes)
    length = sum(map(len, spliced))
    return Plan(made, made.reason, stream, strip, spliced, length, body, found, changes)


def find_lane(request: Request) -> tuple[Lane, dict[str, bytes]] | None:
    """The lane that a request of a known head may take straight on, and the top-level values of its
    body; None: plan it."""
    body = request.content()
    if len(body) > STRAIGHT_BYTES_MAX:
        return None
    try:
        given = jsonspan.values(body)
    except Malformed:
        return None  # `plan` says why
    lane = request.head.lanes.get(given.get("model", b""))
    if lane is None or not lane.straight or not bounds.is_simple(given):
        return None
    return lane, given


def _choose(request: Request, routes: Routes, written: bytes) -> Lane | Refusal:
    """The way for the model that is named by these bytes of JSON; remembered with the head."""
    route, entry = request.head.route, request.head.entry
    assert route is not None
    assert entry is not None
    model = _text.decode(written) if written.startswith(b'"') else ""
    if not model:
        return _invalid("Give the model's name as the text `model`.", "missing_model")
    if len(model) > MODEL_LENGTH_MAX:
        return _invalid(f"The model's name is longer than {MODEL_LENGTH_MAX} characters.")
    choice = routes.choose(entry.org, route.dialect, model)
    if choice is None:
        return _no_provider(route.dialect)
    if entry.models is not None and not _is_allowed(entry.models, (model, choice.model)):
        return Refusal(
            403,
            "model_not_allowed",
            f"This key may not use {model!r:.120}. It may use: {', '.join(entry.models)}.",
        )
    lane = Lane(request, choice, model)
    if len(request.head.lanes) < LANES_MAX and not is_halted(request, routes):
        request.head.lanes[written] = lane
    return lane


def limit(plan: Plan, endpoint: Endpoint, tokens: int) -> Plan:
    """The plan with a bound to the answer, where its caller has set none."""
    key = bounds.OUTPUT_KEYS[endpoint][0]
    if key in plan.found:  # null, or what is no number
        change = Splice(*plan.found[key], b"%d" % tokens)
    else:
        end = plan.found["model"][1]
        change = Splice(end, end, b',"%b":%d' % (key.encode(), tokens))
    changes = [*plan.changes, change]
    pieces = jsonspan.splice(plan.body, changes)
    return msgspec.structs.replace(
        plan, pieces=pieces, length=sum(map(len, pieces)), changes=changes
    )


def _elsewhere(
    request: Request, entry: KeyEntry, limits: Limits, caller: BaseTransport
) -> Refusal | None:
    """The refusal of a key that is used from where it may not be."""
    peer = caller.get_extra_info("peername")
    forwarded = [
        value.decode("latin-1") for name, value in request.head.noted if name == _FORWARDED
    ]
    address = addresses.find_caller(
        peer[0] if peer else None, forwarded, addresses.parse_list(limits.trusted_proxies)
    )
    if addresses.is_within(address, addresses.parse_all(entry.networks or ())):
        return None
    told = f"This key may not be used from {address or 'an unknown address'}."
    return Refusal(403, "address_not_allowed", told)


def _is_allowed(allowed: Sequence[str], names: tuple[str, str]) -> bool:
    """Whether a key that may call these models may call one of that name; `gpt-5*` is all that
    begin so."""
    return any(
        name == one or (one.endswith("*") and name.startswith(one[:-1]))
        for one in allowed
        for name in names
    )


def _streaming(
    body: bytes, found: dict[str, tuple[int, int]], endpoint: Endpoint
) -> tuple[list[Splice], bool]:
    """The change that makes an OpenAI stream tell its usage, and whether a stream is asked for."""
    span = found["stream"]
    if body[span[0] : span[1]] != b"true":
        return [], False
    if endpoint not in _ASKED_FOR_USAGE:
        return [], True
    options = found.get("stream_options")
    if options is None:
        return [Splice(span[1], span[1], b',"stream_options":{%b}' % _INCLUDE)], True
    start, end = options
    text = body[start:end]
    if text == b"null":
        return [Splice(start, end, b"{%b}" % _INCLUDE)], True
    if not text.startswith(b"{"):
        return [], True  # the provider says best what is wrong with it
    inner = jsonspan.spans(text)
    given = inner.get("include_usage")
    if given is None:
        return [Splice(start + 1, start + 1, _INCLUDE + (b"," if inner else b""))], True
    if text[given[0] : given[1]] == b"true":
        return [], True
    return [Splice(start + given[0], start + given[1], b"true")], True


def _invalid(message: str, code: str = "invalid_request") -> Refusal:
    return Refusal(400, code, message)


def _no_provider(dialect: Dialect) -> Refusal:
    return Refusal(
        404,
        "no_provider",
        f"No provider for the {dialect} API is set up. Start dd0c with "
        f"{dialect.upper()}_API_KEY in its environment.",
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
