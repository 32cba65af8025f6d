"""The text of answers and its tokens, against the tokenizer itself."""

from __future__ import annotations

import genai_prices
import pytest
from splintr import Tokenizer

from dd0c.sim import catalogue, prose, tokens


def test_pieces_are_the_tokens_of_their_text() -> None:
    """Joined pieces, tokenized as one text, are that many tokens: so usage is a real count."""
    tokenizer = Tokenizer.from_pretrained("o200k_base")
    for number in range(200):
        pieces = prose.compose(str(number).encode(), length=number or None)
        text = "".join(pieces)
        assert len(tokenizer.encode_ordinary(text)) == len(pieces)
        assert text.isprintable()


def test_text_follows_from_the_seed() -> None:
    """The same seed says the same, another one something else, and length cuts it exactly."""
    assert prose.compose(b"a") == prose.compose(b"a") != prose.compose(b"b")
    assert len(prose.compose(b"a", 12_345)) == 12_345


def test_characters_that_span_tokens_stay_whole() -> None:
    """A character whose bytes are several tokens is never torn over two events."""
    text = "日本語の🦄🏴‍☠️ naïve"
    assert "".join(tokens.split(text)) == text


@pytest.mark.parametrize("model", catalogue.OPENAI + catalogue.ANTHROPIC, ids=lambda m: m.name)
def test_price_lists_know_every_model(model: catalogue.Model) -> None:
    """Each model on offer has a price, under the name asked for and the name served."""
    provider = "openai" if model in catalogue.OPENAI else "anthropic"
    usage = genai_prices.Usage(input_tokens=1_000_000)
    for name in (model.name, model.served):
        assert genai_prices.calc_price(usage, name, provider_id=provider).total_price > 0
