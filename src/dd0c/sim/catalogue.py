"""The models the simulator offers: names that price lists know.

A name that callers use stands for a dated snapshot, and the answer names the snapshot, as the real
providers do. Any other name is served too, under itself, unless it begins with `unknown`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

UNKNOWN: Final = "unknown"  # names that begin so get the provider's "no such model"


class Model(msgspec.Struct, frozen=True):
    """One model. `served` is the name in the answer; `dimensions` is set for embeddings."""

    name: str
    served: str
    owner: str
    released: str
    display: str = ""
    dimensions: int | None = None

    @property
    def created(self) -> int:
        """The release date as Unix seconds."""
        return int(datetime.fromisoformat(self.released).replace(tzinfo=UTC).timestamp())


def _openai(name: str, released: str, dimensions: int | None = None) -> Model:
    served = name if dimensions else f"{name}-{released}"
    return Model(name, served, "system", released, dimensions=dimensions)


def _anthropic(name: str, released: str, display: str) -> Model:
    return Model(name, f"{name}-{released.replace('-', '')}", "anthropic", released, display)


OPENAI: Final = (
    _openai("gpt-5", "2025-08-07"),
    _openai("gpt-5-mini", "2025-08-07"),
    _openai("gpt-5-nano", "2025-08-07"),
    _openai("gpt-4.1", "2025-04-14"),
    _openai("gpt-4.1-mini", "2025-04-14"),
    _openai("gpt-4o", "2024-08-06"),
    _openai("gpt-4o-mini", "2024-07-18"),
    _openai("o4-mini", "2025-04-16"),
    Model("gpt-3.5-turbo-instruct", "gpt-3.5-turbo-instruct", "system", "2023-08-24"),
    _openai("text-embedding-3-small", "2024-01-25", 1536),
    _openai("text-embedding-3-large", "2024-01-25", 3072),
    _openai("text-embedding-ada-002", "2022-12-15", 1536),
)
COMPLETING: Final = ("gpt-3.5-turbo-instruct",)  # take a bare prompt
ANTHROPIC: Final = (
    _anthropic("claude-opus-4-5", "2025-11-01", "Claude Opus 4.5"),
    _anthropic("claude-haiku-4-5", "2025-10-01", "Claude Haiku 4.5"),
    _anthropic("claude-sonnet-4-5", "2025-09-29", "Claude Sonnet 4.5"),
    _anthropic("claude-opus-4-1", "2025-08-05", "Claude Opus 4.1"),
)
BY_NAME: Final = {model.name: model for model in OPENAI + ANTHROPIC}


def is_chat_only(name: str) -> bool:
    """Whether a model that we know takes messages, and prompts no more."""
    model = BY_NAME.get(name)
    return model is not None and model.dimensions is None and name not in COMPLETING


def served(name: str) -> str:
    """The name an answer carries for a requested one."""
    model = BY_NAME.get(name)
    return model.served if model else name


def dimensions(name: str) -> int:
    """How long this model's embeddings are."""
    model = BY_NAME.get(name)
    return (model.dimensions if model else None) or 1536
