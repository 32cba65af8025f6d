"""The most that a request can cost: literals, worked out by hand."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from dd0c.products.route.hotpath import bounds, jsonspan
from dd0c.products.route.hotpath.bounds import Bounds, Rates
from dd0c.products.route.hotpath.snapshot import Tier, Variant
from dd0c.products.route.models import Endpoint
from tests.support.worker import CLAUDE_PRICE, PRICE

QUESTION = [{"role": "user", "content": "Hello"}]
PICTURE = base64.b64encode(bytes(30_000)).decode()  # 40,000 letters
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PICTURE},
}
DATA_URL = f"data:image/png;base64,{PICTURE}"
TEMPLATE, TOOLS = 64, 1_000


def of(endpoint: Endpoint, **body: Any) -> tuple[Bounds, int]:
    """The bounds of a body, and how long it is."""
    data = json.dumps(body).encode()
    return bounds.of(data, jsonspan.spans(data), endpoint, str(body["model"])), len(data)


@pytest.mark.parametrize(
    ("endpoint", "given", "output", "answers"),
    [
        (Endpoint.CHAT, {"max_tokens": 100}, 100, 1),
        (Endpoint.CHAT, {"max_completion_tokens": 70, "max_tokens": 100}, 100, 1),
        (Endpoint.CHAT, {"max_completion_tokens": 70, "n": 3}, 70, 3),
        (Endpoint.CHAT, {"max_tokens": None}, None, 1),
        (Endpoint.CHAT, {"max_tokens": -5, "n": 0}, None, 1),
        (Endpoint.CHAT, {"max_tokens": 1.5}, None, 1),
        (Endpoint.CHAT, {"max_tokens": 9, "n": 5.0}, 9, 5),  # vLLM takes it for 5, and the next too
        (Endpoint.CHAT, {"max_tokens": 9, "n": "5"}, 9, 5),
        (Endpoint.CHAT, {"max_tokens": 9, "n": "many"}, 9, 1),
        (Endpoint.CHAT, {"max_tokens": 9, "n": 10**400}, 9, 10**9),
        (Endpoint.CHAT, {"max_tokens": "100"}, None, 1),
        (Endpoint.CHAT, {"max_tokens": 10**15}, 10**9, 1),
        (Endpoint.CHAT, {"max_tokens": 10**40}, None, 1),
        (Endpoint.CHAT, {"max_output_tokens": 5}, None, 1),  # of another endpoint
        (Endpoint.COMPLETIONS, {"max_tokens": 9, "n": 2, "best_of": 5}, 9, 5),
        (Endpoint.COMPLETIONS, {"max_tokens": 9, "prompt": ["a", "b", "c"], "n": 2}, 9, 6),
        (Endpoint.COMPLETIONS, {"max_tokens": 9, "prompt": [1, 2, 3]}, 9, 1),  # one, of tokens
        (Endpoint.RESPONSES, {"max_output_tokens": 40}, 40, 1),
        (Endpoint.MESSAGES, {"max_tokens": 40}, 40, 1),
        (Endpoint.EMBEDDINGS, {"input": "x"}, 0, 1),
    ],
)
def test_the_answer_is_bounded_by_what_the_caller_says(
    endpoint: Endpoint, given: dict[str, Any], output: int | None, answers: int
) -> None:
    """What is no count is no bound: the provider says best what is wrong with it (R-16)."""
    found, size = of(endpoint, model="gpt-5-mini", **given)
    assert (found.output, found.answers) == (output, answers)
    assert found.input == size + TEMPLATE


def test_tools_and_templates_add_what_no_byte_of_the_body_shows() -> None:
    """Anthropic's prompt for tools has up to 804 tokens (R-16)."""
    found, size = of(Endpoint.CHAT, model="gpt-5-mini", messages=QUESTION, tools=[])
    assert found.input == size + TEMPLATE + TOOLS


@pytest.mark.parametrize(
    ("endpoint", "model", "part", "tokens"),
    [
        (  # 2,048 x 768 is 8 tiles: 85 + 8 x 170
            *(Endpoint.CHAT, "gpt-4o"),
            {"type": "image_url", "image_url": {"url": DATA_URL}},
            1_445,
        ),
        (  # 1,536 patches of 1.62 tokens
            *(Endpoint.RESPONSES, "gpt-5-mini"),
            {"type": "input_image", "image_url": DATA_URL},
            2_488,
        ),
        (
            *(Endpoint.MESSAGES, "claude-sonnet-4-5"),
            IMAGE,
            1_600,
        ),
    ],
)
def test_an_image_counts_as_the_largest_and_not_by_its_base64(
    endpoint: Endpoint, model: str, part: dict[str, Any], tokens: int
) -> None:
    """40,000 letters of base64 are one image (R-14, R-16)."""
    key = "input" if endpoint is Endpoint.RESPONSES else "messages"
    found, size = of(endpoint, model=model, **{key: [{"role": "user", "content": [part]}]})
    assert found.input == size - len(PICTURE) + tokens + TEMPLATE


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,Not base64, but a long story!",
        "data:application/pdf;base64,JVBERi0=",
        "a text with base64, and image/png before it, quoted",
    ],
)
def test_nothing_but_an_image_is_taken_out(url: str) -> None:
    """Text that calls itself an image counts byte by byte (R-16)."""
    part = {"type": "image_url", "image_url": {"url": url}}
    found, size = of(Endpoint.CHAT, model="gpt-4o", messages=[{"role": "user", "content": [part]}])
    assert found.input == size + 1_445 + TEMPLATE


def test_a_text_with_a_data_url_in_it_is_no_image() -> None:
    """Only the URL of an image is taken out: a page with a picture inside, pasted beside a real
    image, is text that counts byte by byte (R-16)."""
    page = {"type": "text", "text": f'<img src="data:image/png;base64,{PICTURE}'}
    quoted = {"type": "text", "text": f'{{"url": "data:image/png;base64,{PICTURE}'}
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    content = [{"role": "user", "content": [image, page, quoted]}]
    found, size = of(Endpoint.CHAT, model="gpt-4o", messages=content)
    assert found.input == size + 1_445 + TEMPLATE


@pytest.mark.parametrize(
    ("endpoint", "body", "images", "each"),
    [
        (
            Endpoint.MESSAGES,
            {"messages": [{"content": [{"type": "tool_use", "name": "draw", "input": IMAGE}]}]},
            *(1, 1_600),
        ),
        (
            Endpoint.MESSAGES,
            {"messages": [{"content": [{"type": "tool_use", "input": {"parts": [IMAGE] * 2}}]}]},
            *(2, 1_600),
        ),
        (
            Endpoint.MESSAGES,
            {"messages": [], "tools": [{"input_schema": {"default": IMAGE}}]},
            *(1, 1_600),
        ),
        (
            Endpoint.MESSAGES,
            {"messages": [{"content": [{"type": "text", "text": json.dumps(IMAGE)}, IMAGE]}]},
            *(1, 1_600),
        ),
        (
            Endpoint.MESSAGES,
            {"messages": [{"content": [{"type": "tool_use", "input": 1}, {"type": []}, IMAGE]}]},
            *(1, 1_600),
        ),
        (
            Endpoint.CHAT,
            {"messages": [], "tools": [{"function": {"parameters": {"image_url": DATA_URL}}}]},
            *(1, 1_445),
        ),
        (
            Endpoint.RESPONSES,
            {"input": [], "metadata": {"type": "input_image", "image_url": DATA_URL}},
            *(1, 1_445),
        ),
    ],
)
def test_what_imitates_an_image_is_text(
    endpoint: Endpoint, body: dict[str, Any], images: int, each: int
) -> None:
    """Input of a tool, a schema or a text that is spelled as an image costs by its length: taken
    out, it would let 40,000 letters through a budget for 1,600 tokens. So does what nobody
    understands (R-16)."""
    found, size = of(endpoint, model="gpt-4o", **body)
    real = json.dumps(body).count('"text": ') * len(PICTURE)  # beside the text stands a real one
    tools = TOOLS if "tools" in body else 0
    assert found.input == size - real + images * each + TEMPLATE + tools


@pytest.mark.parametrize(
    ("endpoint", "body", "tokens"),
    [
        (
            Endpoint.MESSAGES,
            {"messages": [{"content": [{"type": "tool_result", "content": [IMAGE, IMAGE]}]}]},
            3_200,
        ),
        (
            Endpoint.MESSAGES,
            {
                "messages": [
                    {
                        "content": [
                            {"type": "document", "source": {"type": "content", "content": [IMAGE]}},
                            {"type": "text", "text": "What is it?"},
                            {"type": "tool_use", "input": {"content": 5, "source": []}},
                            IMAGE,
                        ]
                    },
                    {"content": "Go on"},
                ]
            },
            3_200,
        ),
        (
            Endpoint.RESPONSES,
            {
                "input": [
                    {
                        "type": "function_call_output",
                        "output": [{"type": "input_image", "image_url": DATA_URL}],
                    },
                    {"type": "function_call", "arguments": "{}"},
                    {"content": [{"type": "input_image", "image_url": DATA_URL}]},
                ]
            },
            2_890,
        ),
    ],
)
def test_images_are_found_wherever_a_provider_takes_them(
    endpoint: Endpoint, body: dict[str, Any], tokens: int
) -> None:
    """In what a tool returned and in a document, too, an image is not held for by the letter: a
    screenshot would take a hundred times its price (R-16)."""
    found, size = of(endpoint, model="gpt-4o", **body)
    assert found.input == size - 2 * len(PICTURE) + tokens + TEMPLATE


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (Endpoint.RESPONSES, {"previous_response_id": "resp_1", "input": "Go on"}),
        (Endpoint.RESPONSES, {"conversation": {"id": "conv_1"}, "input": "Go on"}),
        (Endpoint.RESPONSES, {"prompt": {"id": "pmpt_1"}}),
        (Endpoint.RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}]}),
        (Endpoint.RESPONSES, {"input": [{"type": "input_file", "file_url": "https://a/b.pdf"}]}),
        (Endpoint.CHAT, {"messages": [{"type": "file", "file": {"file_id": "file-1"}}]}),
        (Endpoint.CHAT, {"messages": [{"type": "file", "file": {"file_data": "data:,"}}]}),
        (
            Endpoint.MESSAGES,
            {"messages": [{"type": "document", "source": {"type": "url", "url": "https://a"}}]},
        ),
        (
            Endpoint.MESSAGES,
            {"messages": [{"type": "document", "source": {"media_type": "application/pdf"}}]},
        ),
        (Endpoint.MESSAGES, {"messages": [{"type": "image", "source": {"file_id": "file_1"}}]}),
    ],
)
def test_input_that_is_elsewhere_is_bounded_by_the_context(
    endpoint: Endpoint, body: dict[str, Any]
) -> None:
    """An earlier response or a file of 100 kB on a shelf has more tokens than its name has bytes: a
    budget would be overshot (R-16)."""
    found, _ = of(endpoint, model="gpt-5-mini", **body)
    assert found.within(400_000).input == 400_000
    assert found.within(None).input == 1_050_000


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (Endpoint.RESPONSES, {"previous_response_id": None, "input": "Hello"}),
        (Endpoint.COMPLETIONS, {"prompt": "Hello"}),
        (Endpoint.CHAT, {"messages": QUESTION, "tools": [{"file_id": {"type": "string"}}]}),
        (Endpoint.CHAT, {"messages": [{"role": "user", "content": '"file_id": "x", \\u0066'}]}),
        (
            Endpoint.MESSAGES,
            {"messages": [{"type": "document", "source": {"type": "text", "data": "Hello"}}]},
        ),
    ],
)
def test_what_only_looks_like_it_is_not(endpoint: Endpoint, body: dict[str, Any]) -> None:
    """Tools that have a parameter of that name, and prompts about files, are text (R-16)."""
    found, _ = of(endpoint, model="gpt-5-mini", **body)
    assert found.within(400_000) == found
    assert found.input < 2_000


def test_a_hidden_image_costs_as_much_as_anything() -> None:
    """Escaped letters hide a mark from us and not from the provider: all that the model takes is
    held for them (R-16)."""
    data = rb'{"model":"m","messages":[{"type":"imag\u0065_url"}]}'
    found = bounds.of(data, jsonspan.spans(data), Endpoint.CHAT, "m")
    assert found.within(400_000).input == 400_000


def test_the_estimate_is_of_another_kind() -> None:
    """A limit of tokens a minute is not quartered by bounds: four bytes a token, and of the answer
    what is asked for, at most 1,000 (K-60)."""
    found, size = of(Endpoint.CHAT, model="m", messages=QUESTION, max_tokens=50)
    assert found.estimate == size // 4 + 50
    found, size = of(Endpoint.CHAT, model="m", messages=QUESTION, max_tokens=50_000, n=2)
    assert found.estimate == size // 4 + 2_000


LIMITS = Bounds(10_000, 100, 1, 0)


def test_the_dearest_rate_that_may_apply_is_taken() -> None:
    """Cache writes where they are asked for, the tier that a long prompt may reach, and any service
    tier where the caller names one (R-11, R-16)."""
    assert bounds.worst((PRICE,), LIMITS, {}, 0) == Rates(250_000, 2_000_000, 0, 1)
    kept = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}
    cached, _ = of(Endpoint.MESSAGES, model="claude-sonnet-4-5", system=[kept], max_tokens=100)
    dear = Rates(6_000_000, 15_000_000, 0, 1)
    assert bounds.worst((CLAUDE_PRICE,), cached, {}, 0) == dear
    assert bounds.worst((CLAUDE_PRICE,), LIMITS, {}, 0) == Rates(3_000_000, 15_000_000, 0, 1)
    longer = Tier(9_999, 400_000, None, None, None, 1_000_000)
    tiers = msgspec.structs.replace(PRICE, tiers=(*PRICE.tiers, longer))
    assert bounds.worst((tiers,), LIMITS, {}, 0) == Rates(400_000, 2_000_000, 0, 1)
    short = LIMITS._replace(input=9_999)
    assert bounds.worst((tiers,), short, {}, 0) == Rates(250_000, 2_000_000, 0, 1)
    fast = msgspec.structs.replace(
        PRICE, tiers=(Tier(0, 500_000, None, None, None, 4_000_000),), scale=1
    )
    both = msgspec.structs.replace(PRICE, variants=(Variant("priority", fast),))
    assert bounds.worst((both,), LIMITS, {}, 0) == Rates(250_000, 2_000_000, 0, 1)
    for key in ("service_tier", "speed"):  # Anthropic's fast mode is six times as dear
        named = bounds.worst((both,), LIMITS, {key: (0, 0)}, 0)
        assert named == Rates(2_500_000, 20_000_000, 0, 10)


def test_a_price_that_begins_within_the_second_is_held_for() -> None:
    """What is sent at 7.9 s is known as sent at 7: a dearer price from 7.5 s on is its own
    (R-12, R-16)."""
    dear = msgspec.structs.replace(PRICE, tiers=(Tier(0, 500_000, None, None, None, 4_000_000),))
    both = msgspec.structs.replace(PRICE, variants=(Variant("", dear, from_us=7_500_000),))
    found = [bounds.worst((both,), LIMITS, {}, at_us) for at_us in (6_000_000, 7_000_000)]
    assert found == [Rates(250_000, 2_000_000, 0, 1), Rates(500_000, 4_000_000, 0, 1)]


def test_a_body_with_sound_may_be_as_dear_as_sound() -> None:
    """Sound has a rate of its own, forty times that of text (R-11, R-16)."""
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    question = [{"role": "user", "content": [sound]}]
    heard, _ = of(Endpoint.CHAT, model="gpt-audio", messages=question, max_tokens=100)
    price = msgspec.structs.replace(
        PRICE, tiers=(Tier(0, 250_000, None, None, None, 2_000_000, audio_input=10_000_000),)
    )
    assert bounds.worst((price,), heard, {}, 0) == Rates(10_000_000, 2_000_000, 0, 1)
    assert not bounds.is_plain((price,), heard, {})
    assert bounds.is_plain((price,), LIMITS, {})


def test_a_price_without_a_rate_bounds_nothing() -> None:
    """No rate for output: the cost of an answer is unknown, that of an embedding is not (R-11)."""
    half = msgspec.structs.replace(PRICE, tiers=(Tier(0, 250_000, None, None, None, None),))
    assert bounds.worst((half,), LIMITS, {}, 0) is None
    assert bounds.worst((half,), LIMITS._replace(output=0), {}, 0) == Rates(250_000, 0, 0, 1)


def test_costs_are_rounded_up_and_what_is_affordable_down() -> None:
    """7 tokens at 0.3 p$ and one at 0.5: 2.6 p$ are 3; of 3 p$ two more would be one too many
    (R-16)."""
    rates = Rates(3, 5, 0, 10)
    assert rates.cost(7, 1) == 3
    assert rates.affords(3, 7) == 1
    assert rates.affords(2, 7) == -1
