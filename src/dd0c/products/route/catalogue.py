"""What models can do: context window, most output, tools, vision, modes, and when they end (R-12).

Two sources: the price list knows windows and what is deprecated; `catalogue.json` has the rest, and
for each model where and when that was read. What neither says is None: unknown, never "no".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources

import msgspec
from genai_prices import data_snapshot
from genai_prices.types import ModelInfo

FILE = "catalogue.json"


class Source(msgspec.Struct, frozen=True):
    """Where facts were read, and when."""

    name: str
    as_of: date


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says of a model. `modes`: what it is called for, as chat or embeddings.
    `retires`: the day from which it answers no longer."""

    provider: str
    model: str
    source: str
    context: int | None = None
    max_output: int | None = None
    tools: bool | None = None
    vision: bool | None = None
    modes: tuple[str, ...] | None = None
    retires: date | None = None


class Model(msgspec.Struct, frozen=True):
    """A model of the price list, with all that is known of it. `source` None: nothing but that."""

    provider: str
    id: str
    name: str | None
    context: int | None
    max_output: int | None
    tools: bool | None
    vision: bool | None
    modes: tuple[str, ...] | None
    deprecated: bool | None
    retires: date | None
    source: Source | None

    def state(self, today: date) -> str:
        """`retired`, `deprecated`, `current`, or `unknown` where nobody says."""
        if self.retires is not None:
            return "retired" if self.retires <= today else "deprecated"
        if self.deprecated:
            return "deprecated"
        return "unknown" if self.source is None else "current"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, Source]
    models: tuple[Facts, ...]


def find_max_output(provider: str, model_id: str) -> int | None:
    """The most output tokens that a model answers with."""
    facts = _facts().get((provider, model_id))
    return None if facts is None else facts.max_output


def find_context(provider: str, listed: ModelInfo) -> int | None:
    """How many tokens a model of the price list takes at once."""
    if listed.context_window is not None:
        return listed.context_window
    facts = _facts().get((provider, listed.id))
    return None if facts is None else facts.context


def list_models(provider: str) -> list[Model]:
    """The models of a price list, by id."""
    known = next((p for p in data_snapshot.get_snapshot().providers if p.id == provider), None)
    if known is None:
        return []
    return [_model(provider, one) for one in sorted(known.models, key=lambda one: one.id)]


def _model(provider: str, listed: ModelInfo) -> Model:
    facts = _facts().get((provider, listed.id)) or Facts(provider, listed.id, "")
    return Model(
        provider=provider,
        id=listed.id,
        name=listed.name,
        context=find_context(provider, listed),
        max_output=facts.max_output,
        tools=facts.tools,
        vision=facts.vision,
        modes=facts.modes,
        deprecated=listed.deprecated,
        retires=facts.retires,
        source=_file().sources.get(facts.source),
    )


@cache
def _facts() -> Mapping[tuple[str, str], Facts]:
    return {(facts.provider, facts.model): facts for facts in _file().models}


@cache
def _file() -> _File:
    text = resources.files("dd0c.products.route").joinpath(FILE).read_bytes()
    return msgspec.json.decode(text, type=_File)
