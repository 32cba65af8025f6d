"""How many tokens of a vocabulary a text is.

`encode_ordinary` takes `<|endoftext|>` in a text as the text it is: the provider did not see a
special token there either. A vocabulary stays loaded until others were needed more lately, or
none was for a while and somebody calls `forget`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dd0c.base import memory

if TYPE_CHECKING:
    from splintr import AnyTokenizer

LOADED_MAX: Final = 3  # vocabularies at a time: 20 to 40 MB each
SLICE_CHARS: Final = 64 * 1024


@lru_cache(maxsize=LOADED_MAX)
def load(name: str) -> AnyTokenizer:
    """The vocabulary, ready: what is not ASCII costs 100 ms the first time (measured), here."""
    from splintr import Tokenizer  # whoever counts nothing need not map 38 MB

    tokenizer = Tokenizer.from_pretrained(name)
    tokenizer.encode_ordinary("Größe 日本語 🙂")
    return tokenizer


def forget() -> None:
    """Unload all: whoever counts next loads again, in a tenth of a second."""
    load.cache_clear()
    memory.give_back()


def count(name: str, text: str) -> int:
    """Tokens of a text; half of a surrogate pair counts as the character it is replaced with."""
    tokenizer = load(name)
    return sum(len(tokenizer.encode_ordinary(part)) for part in _slices(_whole(text)))


def _whole(text: str) -> str:
    """The text as UTF-8 can say it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _slices(text: str) -> Iterator[str]:
    """Parts of a long text: a run of a million letters would take 75 MB to encode at once.

    No pattern that splits words goes on past a space after anything else, so a cut there changes
    no count. Where a slice has none, the count may be one too high for it.
    """
    start = 0
    while len(text) - start > SLICE_CHARS:
        cut = _find_cut(text, start + SLICE_CHARS // 2, start + SLICE_CHARS)
        yield text[start:cut]
        start = cut
    yield text[start:]


def _find_cut(text: str, first: int, last: int) -> int:
    """The last space between the two that follows anything else; `last` if there is none."""
    cut = text.rfind(" ", first, last)
    while cut > first:
        if not text[cut - 1].isspace():
            return cut
        cut = text.rfind(" ", first, cut)
    return last
