"""How providers say what was used: where each number stands, and what contains what. Data only.

A `Format` is read by `usage.read`, the only function that knows how. Paths are keys of the usage
object with dots between; in a list, `key=value` chooses the members, and what follows it is the
number: `promptTokensDetails.modality=AUDIO.tokenCount`. Several paths may lead to one number: hosts
that speak a dialect of OpenAI's API put the same count in different places, or in two at once.

Numbers are named as the buckets of `models.Usage`, and besides:

- `total`: of everything. It decides how the rest is to be read.
- `written`: all that was written to a cache. Where its lives are not told it was written for the
  shortest one, which is what a provider does unless it is asked for more.
- `fresh`: what was not read from a cache, said besides the whole.
- `fed`: input beside `input`, which tools fed back to the model.
- `unpriced`: what costs apart and has no bucket. More than none of it, and nothing can be known.

Whether cached tokens lie inside the input, and reasoning inside the output, differs among providers
that otherwise speak alike. The total shows it; where it does not, the provider's `Habit` holds.
Providers are named as in the price list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Habit(NamedTuple):
    """How a provider counts where its numbers do not show it."""

    cached_inside: bool = True
    reasoning_inside: bool = True
    total_has_reasoning: bool = True
    rest_is_reasoning: bool = False  # what the total has more is reasoning that is named nowhere


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """Paths to numbers, and how it is counted: by anybody, and by whom else.

    `tiers`: keys of words that a price may depend on.
    """

    paths: Mapping[str, tuple[str, ...]]
    habit: Habit = Habit()
    habits: Mapping[str, Habit] = field(default_factory=dict)
    tiers: tuple[str, ...] = ()


OPENAI = Format(
    {
        "input": ("prompt_tokens", "input_tokens"),
        "cache_read": (
            "prompt_tokens_details.cached_tokens",
            "input_tokens_details.cached_tokens",
            "prompt_cache_hit_tokens",
            "num_cached_tokens",
            "cached_tokens",
        ),
        "written": (
            "prompt_tokens_details.cache_write_tokens",
            "prompt_tokens_details.cache_creation_input_tokens",
            "input_tokens_details.cache_write_tokens",
        ),
        "fresh": ("prompt_cache_miss_tokens",),
        "audio_input": (
            "prompt_tokens_details.audio_tokens",
            "input_tokens_details.audio_tokens",
        ),
        "image": ("prompt_tokens_details.image_tokens", "input_tokens_details.image_tokens"),
        "output": ("completion_tokens", "output_tokens"),
        "reasoning": (
            "completion_tokens_details.reasoning_tokens",
            "output_tokens_details.reasoning_tokens",
            "reasoning_tokens",
        ),
        "audio_output": (
            "completion_tokens_details.audio_tokens",
            "output_tokens_details.audio_tokens",
        ),
        "server_tools": ("num_search_queries", "num_sources_used"),
        "unpriced": ("citation_tokens",),
        "total": ("total_tokens",),
    },
    habits={
        "google": Habit(rest_is_reasoning=True),
        "perplexity": Habit(reasoning_inside=False, total_has_reasoning=False),
        "x-ai": Habit(reasoning_inside=False),
    },
)
"""Chat, completions and responses, of OpenAI and of those who speak as it does.

- OpenAI, https://platform.openai.com/docs/api-reference/chat/object and …/responses/object: cached
  and written ones inside the prompt, reasoning and rejected predictions inside the completion.
- DeepSeek, https://api-docs.deepseek.com/api/create-chat-completion: hit + miss = prompt_tokens.
- Fireworks, Together and vLLM (https://docs.vllm.ai) as OpenAI, with cached ones at the top, in the
  details, or null there. Ollama (https://docs.ollama.com/api/openai-compatibility): no details.
- Google, https://discuss.ai.google.dev/t/question-with-usage-in-openai-compatibility/98760: the
  total has the thinking, which often stands nowhere else.
- Groq, https://console.groq.com/docs/prompt-caching: cached ones as OpenAI; in streams the object
  also stands in `x_groq`.
- Mistral, https://docs.mistral.ai/api/#tag/chat: seconds of audio beside the tokens.
- OpenRouter, https://openrouter.ai/docs/use-cases/usage-accounting: always told; its own price
  stands beside, in credits.
- Perplexity, https://docs.perplexity.ai/getting-started/pricing: reasoning, searches and citations
  of deep research are charged apart from completion_tokens.
- xAI, https://docs.x.ai/docs/key-information/consumption-and-rate-limits: reasoning is not in
  completion_tokens, but in total_tokens. Each source of a live search is charged.
"""

EMBEDDINGS = Format({"input": ("prompt_tokens", "input_tokens", "total_tokens")})
"""Embeddings have input only, so a total alone says it, as Voyage does.

https://platform.openai.com/docs/api-reference/embeddings/create,
https://docs.voyageai.com/reference/embeddings-api
"""

ANTHROPIC = Format(
    {
        "input": ("input_tokens",),
        "cache_read": ("cache_read_input_tokens",),
        "written": ("cache_creation_input_tokens",),
        "cache_write_5m": ("cache_creation.ephemeral_5m_input_tokens",),
        "cache_write_1h": ("cache_creation.ephemeral_1h_input_tokens",),
        "output": ("output_tokens",),
        "reasoning": ("output_tokens_details.thinking_tokens",),
        "server_tools": ("server_tool_use.web_search_requests",),
    },
    Habit(cached_inside=False),
    tiers=("service_tier", "speed", "inference_geo"),
)
"""Messages: the input has neither what was read from nor what was written to a cache; the output
has the thinking. Fetching pages costs nothing but its tokens, so only searches are counted.

https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance,
https://docs.anthropic.com/en/api/messages, …/docs/agents-and-tools/tool-use/web-search-tool
"""

GEMINI = Format(
    {
        "input": ("promptTokenCount",),
        "cache_read": ("cachedContentTokenCount",),
        "fed": ("toolUsePromptTokenCount",),
        "audio_input": ("promptTokensDetails.modality=AUDIO.tokenCount",),
        "image": ("promptTokensDetails.modality=IMAGE.tokenCount",),
        "output": ("candidatesTokenCount",),
        "reasoning": ("thoughtsTokenCount",),
        "audio_output": ("candidatesTokensDetails.modality=AUDIO.tokenCount",),
        "unpriced": (
            "candidatesTokensDetails.modality=IMAGE.tokenCount",
            "cacheTokensDetails.modality=AUDIO.tokenCount",
        ),
        "total": ("totalTokenCount",),
    },
    Habit(reasoning_inside=False),
)
"""`usageMetadata`: the prompt has the cached ones; thoughts lie beside the candidates, what tools
fed back beside the prompt, and the total has all four. Some models count thoughts as candidates.

https://ai.google.dev/api/generate-content#UsageMetadata,
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse
"""

BEDROCK = Format(
    {
        "input": ("inputTokens", "inputTokenCount"),
        "cache_read": ("cacheReadInputTokens", "cacheReadInputTokenCount"),
        "written": ("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        "cache_write_5m": ("cacheDetails.ttl=5m.inputTokens",),
        "cache_write_1h": ("cacheDetails.ttl=1h.inputTokens",),
        "output": ("outputTokens", "outputTokenCount"),
        "total": ("totalTokens",),
    },
    Habit(cached_inside=False),
)
"""Converse, whole and in the `metadata` event of a stream, and `amazon-bedrock-invocationMetrics`
at the end of an InvokeModel stream: the input has no cached ones, the total has them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
"""
