"""What exports look like: which column or field holds what. Tables; no code but their types.

Sources. OpenAI: the usage and costs objects of the Admin API
(https://platform.openai.com/docs/api-reference/usage) and the files of its dashboard's Export.
Anthropic: the usage and cost reports of the Admin API
(https://docs.claude.com/en/api/admin-api/usage-cost/get-messages-usage-report, …/get-cost-report;
amounts are cents there) and the files of its console's usage and cost pages. The generic CSV is
ours. Fields inside of others have dotted names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Measure(StrEnum):
    """What can be compared: tokens, and picodollars."""

    INPUT = "input"
    CACHED = "cached"
    OUTPUT = "output"
    COST = "cost"


class Source(StrEnum):
    """Whose export it is."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of export. `start` is when a line begins, `marks` tell the kind by what must be
    there, and `sums` are the columns that add up to a measure; of them those in `marks` must be
    filled. `places`: of the amount's unit in dollars. `named`: models have display names.
    """

    source: Source
    kind: str
    start: str
    marks: frozenset[str]
    sums: Mapping[Measure, tuple[str, ...]]
    others: frozenset[str] = frozenset()
    model: str = "model"
    keys: tuple[str, ...] = ()
    credential: str = ""
    request: str = ""
    currency: str = ""
    places: int = 0
    named: bool = False

    @property
    def measured(self) -> frozenset[str]:
        """All columns with numbers."""
        return frozenset(name for names in self.sums.values() for name in names)

    @property
    def columns(self) -> frozenset[str]:
        """Every column that may be there."""
        named = (self.start, self.model, *self.keys, self.credential, self.request, self.currency)
        return self.marks | self.others | self.measured | frozenset(filter(None, named))


def _sums(**names: str) -> Mapping[Measure, tuple[str, ...]]:
    return MappingProxyType({Measure(name): tuple(text.split()) for name, text in names.items()})


_OPENAI_WHO = (
    "end_time start_time_iso end_time_iso project_id project_name user_id user_email api_key_name"
    " organization_id organization_name api_source object"
)
_OPENAI_KINDS = (
    "num_model_requests batch service_tier input_uncached_tokens input_audio_tokens"
    " output_audio_tokens input_text_tokens output_text_tokens input_image_tokens"
    " output_image_tokens input_cached_text_tokens input_cached_audio_tokens"
    " input_cached_image_tokens"
)
_ANTHROPIC_WHO = "workspace usage_type context_window inference_geo speed"


def _names(*texts: str) -> frozenset[str]:
    return frozenset(" ".join(texts).split())


OPENAI_USAGE = Form(
    source=Source.OPENAI,
    kind="organization.usage.completions.result",
    start="start_time",
    marks=frozenset({"start_time", "input_tokens", "output_tokens"}),
    sums=_sums(input="input_tokens", cached="input_cached_tokens", output="output_tokens"),
    keys=("api_key_id",),
    others=_names(_OPENAI_WHO, _OPENAI_KINDS),
)
OPENAI_COSTS = Form(
    source=Source.OPENAI,
    kind="organization.costs.result",
    start="start_time",
    marks=frozenset({"start_time", "amount.value", "amount.currency"}),
    sums=_sums(cost="amount.value"),
    model="",
    keys=("api_key_id",),
    others=_names(_OPENAI_WHO, "line_item quantity quantity_unit"),
    currency="amount.currency",
)
ANTHROPIC_USAGE = Form(
    source=Source.ANTHROPIC,
    kind="usage report",
    start="starting_at",
    marks=frozenset({"starting_at", "uncached_input_tokens", "output_tokens"}),
    sums=_sums(
        input="uncached_input_tokens cache_read_input_tokens"
        " cache_creation.ephemeral_5m_input_tokens cache_creation.ephemeral_1h_input_tokens",
        cached="cache_read_input_tokens",
        output="output_tokens",
    ),
    keys=("api_key_id",),
)
ANTHROPIC_COSTS = Form(
    source=Source.ANTHROPIC,
    kind="cost report",
    start="starting_at",
    marks=frozenset({"starting_at", "amount", "currency"}),
    sums=_sums(cost="amount"),
    currency="currency",
    places=2,
)
ANTHROPIC_USAGE_CSV = Form(
    source=Source.ANTHROPIC,
    kind="usage file",
    start="usage_date_utc",
    marks=frozenset({"usage_date_utc", "usage_input_tokens_no_cache", "usage_output_tokens"}),
    sums=_sums(
        input="usage_input_tokens_no_cache usage_input_tokens_cache_read"
        " usage_input_tokens_cache_write_5m usage_input_tokens_cache_write_1h",
        cached="usage_input_tokens_cache_read",
        output="usage_output_tokens",
    ),
    model="model_version",
    keys=("api_key",),
    others=_names(_ANTHROPIC_WHO, "web_search_count"),
)
ANTHROPIC_COSTS_CSV = Form(
    source=Source.ANTHROPIC,
    kind="cost file",
    start="usage_date_utc",
    marks=frozenset({"usage_date_utc", "cost_usd", "token_type"}),
    sums=_sums(cost="cost_usd"),
    keys=("api_key", "api_key_id"),
    others=_names(_ANTHROPIC_WHO, "list_price_usd cost_type api_key_status"),
    named=True,
)
GENERIC_CSV = Form(
    source=Source.CSV,
    kind="csv",
    start="date",
    marks=frozenset({"date"}),
    sums=_sums(
        input="input_tokens", cached="cached_input_tokens", output="output_tokens", cost="cost_usd"
    ),
    credential="credential",
    request="request_id",
)

JSON_FORMS: Final = (OPENAI_USAGE, OPENAI_COSTS, ANTHROPIC_USAGE, ANTHROPIC_COSTS)
CSV_FORMS: Final = (
    OPENAI_USAGE,
    OPENAI_COSTS,
    ANTHROPIC_USAGE_CSV,
    ANTHROPIC_COSTS_CSV,
    GENERIC_CSV,
)
CSV_NAMES: Final = {"amount_value": "amount.value", "amount_currency": "amount.currency"}
"""What the files call fields of the API's objects."""
