"""Who answers what: from a request to a planned answer, its faults and its pace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import unquote

import msgspec

from dd0c.base.errors import InvalidInput
from dd0c.sim.anthropic import dialect as anthropic_dialect
from dd0c.sim.anthropic import messages
from dd0c.sim.delivery import Plan
from dd0c.sim.distortion import distort
from dd0c.sim.faults import NONE, Faults, lacking, parse
from dd0c.sim.http import Answer, Refusal, Request
from dd0c.sim.latency import INSTANT
from dd0c.sim.openai import chat, completions, embeddings, responses
from dd0c.sim.openai import dialect as openai_dialect
from dd0c.sim.prompt_cache import Parts, PromptCache
from dd0c.sim.records import Record, Records
from dd0c.sim.replay import Recordings
from dd0c.sim.scenarios import Facts, Performance, Scenario

BODY_BYTES_CACHED: Final = 16 * 1024
REFUSED_KEYS: Final = "invalid"  # keys that begin so are not accepted
NEEDS: Final = {
    "stream": "a streamed answer",
    "own stream": "a streamed answer that is no recording",
    "body": "an answer that is no stream",
    "text": "a model that writes",
    "tools": "a request with tools",
    "usage": "an answer with usage",
    "input": "a prompt",
    "cache": "a prompt of messages",
    "anthropic": "Anthropic's messages",
    "1.1": "HTTP/1.1",
}


class Dialect(Protocol):
    """What the dialects of openai and anthropic have in common."""

    NO_KEY: str

    def list_models(self) -> Answer: ...

    def get_model(self, name: str) -> Answer: ...

    def refuse(self, refusal: Refusal, faults: Faults, request_id: str) -> Answer: ...


class Endpoint(msgspec.Struct, frozen=True):
    """How one path is served: its body is parsed, then answered under faults and with a key.
    `traits` are the kinds of faults its answers can show (Fault.needs); `prefixes` are the parts of
    a prompt that a cache compares."""

    dialect: Dialect
    parse: Callable[[bytes], Any]
    answer: Callable[[Any, Faults, str], Answer]
    traits: frozenset[str]
    prefixes: Callable[[Any], Parts] | None = None


COUNTS: Final = frozenset({"input"})
EMBEDS: Final = COUNTS | {"usage"}
WRITES: Final = EMBEDS | {"text"}
CACHES: Final = WRITES | {"cache"}
CLAUDE: Final = CACHES | {"anthropic"}
gpt, claude = openai_dialect, anthropic_dialect
ENDPOINTS: Final = {
    "/v1/chat/completions": Endpoint(gpt, chat.parse, chat.answer, CACHES, chat.prefixes),
    "/v1/responses": Endpoint(gpt, responses.parse, responses.answer, CACHES, responses.prefixes),
    "/v1/completions": Endpoint(gpt, completions.parse, completions.answer, WRITES),
    "/v1/embeddings": Endpoint(gpt, embeddings.parse, embeddings.answer, EMBEDS),
    "/v1/messages": Endpoint(claude, messages.parse, messages.answer, CLAUDE, messages.prefixes),
    "/v1/messages/count_tokens": Endpoint(
        claude, messages.parse_count, messages.answer_count, COUNTS
    ),
}
MODELS: Final = "/v1/models"


class Simulator:
    """The state of a simulator: scenario and records. What it answers follows from the request."""

    def __init__(self, scenario: Scenario | None = None, recordings: Recordings | None = None):
        self.first_scenario = scenario or Scenario()
        self.recordings = recordings or Recordings(None)
        self.records = Records()
        self.prompts = PromptCache()
        self.connections = 0
        self._boot = os.urandom(8).hex()
        self._last_id = 0
        self.play(self.first_scenario)

    def play(self, scenario: Scenario) -> None:
        """Begins a scenario, in place of the one under way."""
        self.performance = Performance(scenario, time.monotonic())

    def new_id(self) -> str:
        """An id for a request, unique across restarts."""
        self._last_id += 1
        return f"req_{self._boot}{self._last_id:016x}"

    def respond(self, request: Request, body: bytes, record: Record) -> Plan:
        """The answer to a request, and what its delivery is like."""
        endpoint = ENDPOINTS.get(request.path)
        dialect = endpoint.dialect if endpoint else _asked_dialect(request)
        chosen, pace = NONE, INSTANT
        try:
            chosen, make = self._decide(request, endpoint, body, record)
            pace = self.performance.draw_pace(chosen.profile)
            answer = make()
        except Refusal as refusal:
            answer = dialect.refuse(refusal, chosen, request.id)
        except InvalidInput as error:
            said = f"{error.message} ({error.hint})" if error.hint else error.message
            return Plan(dialect.refuse(Refusal(400, said), NONE, request.id), NONE)
        return Plan(distort(answer, chosen), chosen, pace)

    def _decide(
        self, request: Request, endpoint: Endpoint | None, body: bytes, record: Record
    ) -> tuple[Faults, Callable[[], Answer]]:
        """The faults of a request, and how its answer is made."""
        header = request.field(b"x-sim-fault")
        asked = parse(header) if header else None
        if asked is not None and asked.replay is not None:
            return asked, lambda: self.recordings.get_answer(asked)
        if endpoint is None:
            return self._decide_unwritten(request, asked)
        key = _key(request, endpoint.dialect)
        ask = _ask(request, endpoint, body)
        record.model, record.streamed = ask.model, bool(getattr(ask, "stream", False))
        facts = Facts(request.path, ask.model, record.streamed, _traits(request, endpoint, ask))
        chosen = self._choose(asked, facts)
        if chosen.replay is not None:
            return chosen, lambda: self.recordings.get_answer(chosen)

        def make() -> Answer:
            _strike(chosen, key)
            faults = self._cached(chosen, endpoint, ask)
            return _answer(request, endpoint, body, faults, key)

        return chosen, make

    def _decide_unwritten(
        self, request: Request, asked: Faults | None
    ) -> tuple[Faults, Callable[[], Answer]]:
        """The same for what no model answers: the list of models, paths of recordings."""
        traits = frozenset({"body", "1.1"} if request.chunks else {"body"})
        chosen = self._choose(asked, Facts(request.path, "", stream=False, traits=traits))
        if chosen.replay is not None:
            return chosen, lambda: self.recordings.get_answer(chosen)
        dialect = _asked_dialect(request)
        key = _key(request, dialect)

        def make() -> Answer:
            _strike(chosen, key)
            return _browse(request, dialect)

        return chosen, make

    def _choose(self, asked: Faults | None, facts: Facts) -> Faults:
        """What the request asks for itself, else what the scenario says."""
        if asked is None:
            return self.performance.choose(facts, time.monotonic())
        refused = lacking(asked, facts.traits)
        if refused:
            names = ", ".join(fault.name for fault in refused)
            raise InvalidInput(f"{facts.path} cannot show {names}: needs {NEEDS[refused[0].needs]}")
        return asked

    def _cached(self, chosen: Faults, endpoint: Endpoint, ask: Any) -> Faults:
        """The faults with the usage of a prompt cache, where one is asked for."""
        if not chosen.caching or endpoint.prefixes is None:
            return chosen
        marked = "anthropic" in endpoint.traits
        return self.prompts.applied(chosen, ask.model, endpoint.prefixes(ask), marked=marked)


def _traits(request: Request, endpoint: Endpoint, ask: Any) -> frozenset[str]:
    """What this request can show; the words are those of Fault.needs."""
    found = {"stream", "own stream"} if getattr(ask, "stream", False) else {"body"}
    if request.chunks:
        found.add("1.1")
    if getattr(ask, "tools", None):
        found.add("tools")
    return endpoint.traits | found


def _asked_dialect(request: Request) -> Dialect:
    return claude if b"anthropic-version" in request.fields else gpt


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
    if endpoint.dialect is claude and b"anthropic-version" not in request.fields:
        raise Refusal(400, anthropic_dialect.NO_VERSION)
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
