"""Which vocabulary a model's tokens come from.

Sources. OpenAI: tiktoken's table of models (`tiktoken/model.py`). Llama 3, DeepSeek V3 and R1,
Qwen 2 to 3, GLM 4 and Kimi K2 publish theirs beside their weights. Mistral publishes several, and
its names do not tell which (`-latest`). Claude since 3, Gemini, Grok and the rest publish none, or
none that is at hand here: their text is counted with o200k and taken times a first guess, until
enough of their own answers were seen (`factors`). The guess for Claude is from public comparisons
of its `count_tokens` with o200k: 10 to 35 % more, by model and kind of text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Family:
    """Models that share a vocabulary. `exact`: it is their own, and no factor is ever applied;
    else a count is taken times `factor` and may be off by `error` (relative)."""

    names: re.Pattern[str]
    vocabulary: str
    exact: bool = False
    factor: float = 1.0
    error: float = 0.0


def _own(names: str, vocabulary: str) -> Family:
    return Family(re.compile(names), vocabulary, exact=True)


def _like(names: str, factor: float, error: float, vocabulary: str = "o200k_base") -> Family:
    return Family(re.compile(names), vocabulary, factor=factor, error=error)


UNKNOWN: Final = _like("", 1.1, 0.3)

FAMILIES: Final = (
    _own(r"(chatgpt-4o|gpt-4o|gpt-4\.[15]|gpt-5|gpt-oss|o[134](-|$)|codex)", "o200k_base"),
    _own(r"(gpt-4|gpt-3\.?5|text-embedding-|davinci-002|babbage-002)", "cl100k_base"),
    _like(r"gpt-", 1.0, 0.1),
    _own(r"(meta-)?llama-?3", "llama3"),
    _own(r"deepseek-(chat|reasoner|v3|r1(-0528)?$)", "deepseek_v3"),
    _own(r"qwen-?[23]", "qwen3"),
    _own(r"glm-?4", "glm4"),
    _own(r"kimi-k2", "kimi_k2"),
    _like(
        r"(open-)?(mistral|mixtral|ministral|magistral|codestral|pixtral|devstral)",
        1,
        0.15,
        "mistral_v3",
    ),
    _like(r"claude", 1.2, 0.25),
    _like(r"(gemini|gemma)", 1.05, 0.2),
)
"""The first that a name begins with decides."""

# Before the model's own name, as Bedrock, OpenRouter, Fireworks and Azure's deployments write it.
_BEFORE = re.compile(r"^(.*/)?((us|eu|apac|global)\.)?((anthropic|meta|mistral|deepseek|qwen)\.)?")
# Behind it: the day of a release, a version of Bedrock.
_BEHIND = re.compile(r"[-@](\d{8}|\d{4}-\d\d-\d\d)|-v\d+(:\d+)?$")
_NAME_CHARS_MAX: Final = 128


def base_model(model: str) -> str:
    """The name that the tokens depend on: a model that was fine-tuned, or released on another day,
    has the vocabulary of its base."""
    name = model[:_NAME_CHARS_MAX].lower()
    if name.startswith("ft:"):
        name = name.split(":")[1]
    return _BEHIND.sub("", _BEFORE.sub("", name))


def family_of(model: str) -> Family:
    """The family of a model; UNKNOWN for a name that says nothing."""
    name = base_model(model)
    return next((family for family in FAMILIES if family.names.match(name)), UNKNOWN)
