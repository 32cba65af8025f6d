"""Who answers what: from a request to a planned answer and the faults it is delivered with."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import unquote

import msgspec

from dd0c.base.errors import InvalidInput
from dd0c.sim import anthropic, embeddings, openai
from dd0c.sim.faults import NONE, Faults, Rules, parse
from dd0c.sim.http import Answer, Refusal, Request
from dd0c.sim.records import Record, Records

BODY_BYTES_CACHED: Final = 16 * 1024
REFUSED_KEYS: Final = "invalid"  # keys that begin so are not accepted


class Dialect(Protocol):
    """What the modules openai and anthropic have in common."""

    NO_KEY: str

    def list_models(self) -> Answer: ...

    def get_model(self, name: str) -> Answer: ...

    def refuse(self, refusal: Refusal, faults: Faults, request_id: str) -> Answer: ...


class Endpoint(msgspec.Struct, frozen=True):
    """How one path is served: its body is parsed, then answered under faults and with a key."""

    dialect: Dialect
    parse: Callable[[bytes], Any]
    answer: Callable[[Any, Faults, str], Answer]


ENDPOINTS: Final = {
    "/v1/chat/completions": Endpoint(openai, openai.parse_chat, openai.answer_chat),
    "/v1/embeddings": Endpoint(openai, embeddings.parse, embeddings.answer),
    "/v1/messages": Endpoint(anthropic, anthropic.parse_messages, anthropic.answer_messages),
}
MODELS: Final = "/v1/models"


class Simulator:
    """The state of a simulator: rules and records. What it answers follows from the request."""

    def __init__(self, standing_faults: str = "") -> None:
        self.rules = Rules(standing_faults)
        self.records = Records()
        self.connections = 0
        self._boot = os.urandom(8).hex()
        self._last_id = 0

    def new_id(self) -> str:
        """An id for a request, unique across restarts."""
        self._last_id += 1
        return f"req_{self._boot}{self._last_id:016x}"

    def respond(self, request: Request, body: bytes, record: Record) -> tuple[Answer, Faults]:
        """The answer to a request, and the faults of its delivery."""
        endpoint = ENDPOINTS.get(request.path)
        dialect = endpoint.dialect if endpoint else _asked_dialect(request)
        chosen = NONE
        try:
            key = _key(request, dialect)
            if endpoint is None:
                chosen = self._choose(request, "")
                _strike(chosen, key)
                return _browse(request, dialect), chosen
            ask = _ask(request, endpoint, body)
            record.model, record.streamed = ask.model, bool(getattr(ask, "stream", False))
            chosen = self._choose(request, ask.model)
            _strike(chosen, key)
            return _answer(request, endpoint, body, chosen, key), chosen
        except Refusal as refusal:
            return dialect.refuse(refusal, chosen, request.id), chosen
        except InvalidInput as error:
            return dialect.refuse(Refusal(400, error.message), chosen, request.id), chosen

    def _choose(self, request: Request, model: str) -> Faults:
        asked = request.field(b"x-sim-fault")
        return parse(asked) if asked else self.rules.choose(request.path, model)


def _asked_dialect(request: Request) -> Dialect:
    return anthropic if b"anthropic-version" in request.fields else openai


def _key(request: Request, dialect: Dialect) -> str:
    """The key that was presented; a Refusal without one."""
    scheme, _, token = request.field(b"authorization").partition(" ")
    key = request.field(b"x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
    if not key:
        raise Refusal(401, dialect.NO_KEY)
    if key.startswith(REFUSED_KEYS):
        raise Refusal(401, "")
    return key


def _strike(chosen: Faults, key: str) -> None:
    """Refuses when the faults say so."""
    if chosen.status is not None:
        raise Refusal(chosen.status, "")
    if chosen.echo_key == "error":
        raise Refusal(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")


def _browse(request: Request, dialect: Dialect) -> Answer:
    if request.path != MODELS and not request.path.startswith(f"{MODELS}/"):
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")
    if request.method != "GET":
        raise Refusal(405, "Only GET requests are accepted.")
    name = unquote(request.path[len(MODELS) + 1 :])
    return dialect.get_model(name) if name else dialect.list_models()


def _ask(request: Request, endpoint: Endpoint, body: bytes) -> Any:
    if request.method != "POST":
        raise Refusal(405, "Only POST requests are accepted.")
    if endpoint.dialect is anthropic and b"anthropic-version" not in request.fields:
        raise Refusal(400, anthropic.NO_VERSION)
    if len(body) > BODY_BYTES_CACHED:
        return endpoint.parse(body)
    return _parsed(request.path, body)


def _answer(request: Request, endpoint: Endpoint, body: bytes, chosen: Faults, key: str) -> Answer:
    if chosen.echo_key is None and len(body) <= BODY_BYTES_CACHED:
        return _planned(request.path, body, chosen)
    answer = endpoint.answer(endpoint.parse(body), chosen, key)
    if chosen.echo_key == "header":
        line = b"x-presented-key: %b\r\n" % key.encode("latin-1")
        return msgspec.structs.replace(answer, headers=answer.headers + line)
    return answer


@lru_cache(maxsize=64)
def _parsed(path: str, body: bytes) -> Any:
    return ENDPOINTS[path].parse(body)


@lru_cache(maxsize=64)
def _planned(path: str, body: bytes, chosen: Faults) -> Answer:
    """The same request under the same faults has the same answer, so it is planned once."""
    return ENDPOINTS[path].answer(_parsed(path, body), chosen, "")
