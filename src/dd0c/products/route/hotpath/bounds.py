"""The most that a request can cost, before it is sent (R-16). Pure.

A token stands for at least one byte of text, so a body has no more input tokens than bytes, besides
those that a provider adds for its template and for tools. Images are the exception: their base64 is
long and says nothing about their tokens, so it is taken out and each image counts as the largest
that the model takes. And some input is not in the body, or packed: files, earlier responses. Then
only the model's context bounds it. What a tool of the provider does on its own, searching the web,
has no bound.

`estimate` is another number, for limits of tokens a minute, which are corrected afterwards: bounds
that are four times too high would halve such a limit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from dd0c.base import images
from dd0c.products.route.hotpath import pictures, tariff
from dd0c.products.route.hotpath.snapshot import Price, Tier
from dd0c.products.route.models import Endpoint

Spans = dict[str, tuple[int, int]]

FRAME_TOKENS = 64  # what a template adds
TOOLS_TOKENS = (
    1_000  # what it adds to explain tools; Anthropic's largest is 804 with two of its own
)
BYTES_PER_TOKEN = 4
ESTIMATED_OUTPUT = 1_000
LARGEST = (20_000, 20_000)
WIDEST = (2_048, 768)  # has the most tiles
ASKED_MAX = 10**9
CONTEXT_MAX = 1_050_000  # tokens of a prompt, where no bound of the model is known
_SECOND_US = 1_000_000

OUTPUT_KEYS = {
    Endpoint.CHAT: ("max_completion_tokens", "max_tokens"),
    Endpoint.COMPLETIONS: ("max_tokens",),
    Endpoint.RESPONSES: ("max_output_tokens",),
    Endpoint.MESSAGES: ("max_tokens",),
}
"""Where a caller bounds the answer; the first is where we do."""

_IMAGES = {
    Endpoint.CHAT: (b'"image_url"', 2),  # as the type of a part and as its key
    Endpoint.RESPONSES: (b'"input_image"', 1),
    Endpoint.MESSAGES: (b'"image"', 1),
}
_FILES = frozenset((b"document", b"file_data", b"file_id", b"file_url", b"item_reference"))
_MARKS = re.compile(  # in one pass
    rb'"(image|image_url|input_image|input_audio|cache_control|%b)"' % b"|".join(sorted(_FILES))
)
_FILE = re.compile(rb'"file_(?:data|id|url)"\s*:\s*"|"type"\s*:\s*"item_reference"')
_PACKED = re.compile(rb'"application\\?/pdf"|"type"\s*:\s*"url"')
_DOCUMENT = re.compile(rb'"type"\s*:\s*"document"')
_TIER_KEYS = ("service_tier", "speed", "inference_geo")  # whoever sets one may pay another price
_EARLIER = ("previous_response_id", "conversation", "prompt")
_LETTER = re.compile(rb"(?<!\\)(?:\\\\)*\\u00[4-7]")  # is escaped by who wants to hide a mark
_LOOKED_AT = frozenset(
    (
        *("stream", "stream_options", "n", "best_of", "prompt", "tools", "functions"),
        *("modalities", "audio", "metadata", "user", "safety_identifier"),
        *_TIER_KEYS,
        *_EARLIER,
    )
)
"""Keys that say more than text; all that is read of a body anywhere."""
_items: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


class Bounds(NamedTuple):
    """In tokens. `output`: for each of the answers asked for; None: the caller sets no bound.
    `marks`: keys and types in the body that size or price may depend on. `elsewhere`: some input
    is not in the body, or packed, so `input` does not bound it."""

    input: int
    output: int | None
    answers: int
    estimate: int
    marks: frozenset[bytes] = frozenset()
    elsewhere: bool = False

    def within(self, context: int | None) -> Bounds:
        """With what bounds the input that is elsewhere: the model's context."""
        if not self.elsewhere:
            return self
        return self._replace(input=max(self.input, context or CONTEXT_MAX))


class Rates(NamedTuple):
    """The dearest that a token can be, in units of 10**-12 dollars / `unit`."""

    input: int
    output: int
    fixed: int
    unit: int

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Pico-dollars, rounded up."""
        return -(
            -(input_tokens * self.input + output_tokens * self.output + self.fixed) // self.unit
        )

    def affords(self, pico: int, input_tokens: int) -> int:
        """How many output tokens fit into an amount after the input."""
        left = pico * self.unit - input_tokens * self.input - self.fixed
        return left // self.output if self.output else ASKED_MAX


def of(body: bytes, found: Spans, endpoint: Endpoint, model: str) -> Bounds:
    """The bounds of a request whose top-level values are at `found`."""
    text, seen, marks = len(body), 0, frozenset(_MARKS.findall(body))
    if marks and (count := _pictures(body, endpoint)):
        text -= pictures.measure(body, found, endpoint)
        seen = count * _picture_tokens(model, endpoint)
    most = text + seen + FRAME_TOKENS
    if "tools" in found or "functions" in found:
        most += TOOLS_TOKENS
    if endpoint is Endpoint.EMBEDDINGS:
        return Bounds(most, 0, 1, text // BYTES_PER_TOKEN, marks)
    output = None
    for key in OUTPUT_KEYS[endpoint]:
        if key in found and (given := _number(body[slice(*found[key])])) is not None:
            output = given if output is None else max(output, given)
    answers = 1
    if "n" in found or "best_of" in found or "prompt" in found:
        answers = _answers(body, found, endpoint)
    likely = ESTIMATED_OUTPUT if output is None else min(output, ESTIMATED_OUTPUT)
    estimate = text // BYTES_PER_TOKEN + seen + likely * answers
    elsewhere = _is_elsewhere(body, found, endpoint, marks)
    return Bounds(most, output, answers, estimate, marks, elsewhere)


def is_simple(keys: Iterable[str]) -> bool:
    """Whether nothing at the top level of a body with these keys has to be looked at but its model,
    its text and a bound of the answer."""
    return _LOOKED_AT.isdisjoint(keys)


def simple(
    body: bytes, given: dict[str, bytes], endpoint: Endpoint
) -> tuple[int, int | None, int] | None:
    """Input, output and estimate as `of` has them for a body with keys that are simple; None: ask
    there."""
    if body.find(b"\\u00") >= 0 or _MARKS.search(body) is not None:
        return None
    output = None
    for key in OUTPUT_KEYS[endpoint]:
        if key in given:
            number = _number(given[key])
            if number is None or output is not None:
                return None
            output = number
    likely = ESTIMATED_OUTPUT if output is None else min(output, ESTIMATED_OUTPUT)
    return len(body) + FRAME_TOKENS, output, len(body) // BYTES_PER_TOKEN + likely


def worst(prices: Sequence[Price], bounds: Bounds, found: Spans, at_us: int) -> Rates | None:
    """The dearest rates that may apply, of all prices that an answer may get; None where one says
    too little to bound a cost. `at_us`: when it is sent, rounded down to a second."""
    chosen: list[Price | None] = []
    for price in prices:
        now, later = (tariff.select(price, None, at_us + us) for us in (0, _SECOND_US))
        chosen += [now] if now is later else [now, later]
    if any(key in found for key in _TIER_KEYS):
        chosen += [variant.price for price in prices for variant in price.variants]
    rates = [
        _tier_rates(tier, 10**one.scale, bounds, found)
        for one in chosen
        if one is not None
        for tier in one.tiers
        if tier.above < bounds.input
    ]
    if len(rates) == 1:
        return rates[0]
    known = [rate for rate in rates if rate is not None]
    if not known or len(known) < len(rates):
        return None
    unit = max(rate.unit for rate in known)
    return Rates(
        max(rate.input * (unit // rate.unit) for rate in known),
        max(rate.output * (unit // rate.unit) for rate in known),
        max(rate.fixed * (unit // rate.unit) for rate in known),
        unit,
    )


def is_plain(prices: Sequence[Price], bounds: Bounds, found: Spans) -> bool:
    """Whether `worst` of these prices is the same for all requests like this one."""
    return (
        all(map(tariff.is_steady, prices))
        and not any(key in found for key in _TIER_KEYS)
        and "modalities" not in found
        and "audio" not in found
        and not bounds.marks
    )


def _tier_rates(tier: Tier, unit: int, bounds: Bounds, found: Spans) -> Rates | None:
    if tier.input is None or (tier.output is None and bounds.output != 0):
        return None
    dearest_input, dearest_output = tier.input, max(tier.output or 0, tier.reasoning or 0)
    if b"cache_control" in bounds.marks:
        dearest_input = max(dearest_input, tier.cache_write_5m or 0, tier.cache_write_1h or 0)
    elif tier.cache_write_5m is not None and tier.cache_write_1h is None:
        dearest_input = max(dearest_input, tier.cache_write_5m)  # written without being asked for
    if b"input_audio" in bounds.marks:
        dearest_input = max(dearest_input, tier.audio_input or 0)
    if tier.image is not None:
        dearest_input = max(dearest_input, tier.image)
    if "modalities" in found or "audio" in found:
        dearest_output = max(dearest_output, tier.audio_output or 0)
    return Rates(dearest_input, dearest_output, tier.request or 0, unit)


def _number(text: bytes) -> int | None:
    """A count that the caller gave; None for what is none: the provider says best what is wrong."""
    return min(int(text), ASKED_MAX) if text.isdigit() and len(text) < 20 else None


def _answers(body: bytes, found: Spans, endpoint: Endpoint) -> int:
    """How many answers are made for this one request."""
    given = [_several(body, found[key]) for key in ("n", "best_of") if key in found]
    answers = max(given, default=1)
    start, end = found.get("prompt", (0, 0))
    if endpoint is Endpoint.COMPLETIONS and body[start : start + 1] == b"[":
        prompts = _items.decode(body[start:end])
        if prompts and bytes(prompts[0])[:1] in (b'"', b"["):
            answers *= len(prompts)
    return answers


def _is_elsewhere(body: bytes, found: Spans, endpoint: Endpoint, marks: frozenset[bytes]) -> bool:
    """Whether there is input that the body does not hold as text."""
    if endpoint is Endpoint.RESPONSES:
        for key in _EARLIER:
            if key in found and body[slice(*found[key])] != b"null":
                return True
    if marks & _FILES and (_FILE.search(body) or (_DOCUMENT.search(body) and _PACKED.search(body))):
        return True
    return b"\\u00" in body and _LETTER.search(body) is not None


def _several(body: bytes, span: tuple[int, int]) -> int:
    """How many the caller asks for: 5.0 and "5" are 5 to many hosts."""
    try:
        number = float(body[slice(*span)].strip(b'"'))
    except ValueError:
        return 1
    return math.ceil(min(number, ASKED_MAX)) if number > 1 else 1


def _pictures(body: bytes, endpoint: Endpoint) -> int:
    """How many images there are."""
    mark, times = _IMAGES.get(endpoint, (b"", 1))
    return -(-body.count(mark) // times) if mark else 0


def _picture_tokens(model: str, endpoint: Endpoint) -> int:
    """The tokens of the largest image that a model takes."""
    if endpoint is Endpoint.MESSAGES:
        return images.anthropic_tokens(LARGEST, model)
    return images.openai_tokens(model, WIDEST)
