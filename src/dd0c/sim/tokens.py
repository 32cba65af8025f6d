"""Counting tokens with the vocabulary of OpenAI's current models (o200k_base).

Claude has no public tokenizer; its simulated usage is counted with the same vocabulary. The
tokenizer takes 44 ms and 31 MB to load, so it is loaded when the first text is counted.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from splintr import AnyTokenizer, Tokenizer

MESSAGE_OVERHEAD: Final = 3  # around each message, as OpenAI documents for its chat models
REPLY_OVERHEAD: Final = 3  # the start of the reply
OTHER_PART: Final = 85  # a file or a sound in a message: its real cost cannot be told from here
CACHED_TEXT_MAX: Final = 4096  # characters; a thousand longer prompts would be the memory we save


@cache
def _tokenizer() -> AnyTokenizer:
    return Tokenizer.from_pretrained("o200k_base")


def count(text: str) -> int:
    """How many tokens a text is."""
    return _count_cached(text) if len(text) <= CACHED_TEXT_MAX else _count(text)


def _count(text: str) -> int:
    return len(_tokenizer().encode_ordinary(text))


_count_cached = lru_cache(maxsize=1024)(_count)


def split(text: str) -> tuple[str, ...]:
    """A text as the pieces its tokens stand for; a character that spans tokens is one piece."""
    pieces: list[str] = []
    pending = b""
    for token in _tokenizer().encode_ordinary(text):
        pending += _tokenizer().decode_token_bytes(token)
        try:
            pieces.append(pending.decode())
        except UnicodeDecodeError:
            continue
        pending = b""
    return tuple(pieces)
