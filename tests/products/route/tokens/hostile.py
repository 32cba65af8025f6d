"""Ten thousand strings that tokenizers stumble over, and how many tokens each is.

The strings are made from a seed, so they need not be kept; the counts in `reference.txt` are what
tiktoken says of them, OpenAI's own tokenizer. It fetches its vocabularies over the network, so it
is no dependency: whoever changes the strings runs this module where tiktoken has them,

    TIKTOKEN_CACHE_DIR=… python -m tests.products.route.tokens.hostile
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

REFERENCE = Path(__file__).with_name("reference.txt")
VOCABULARIES = ("o200k_base", "cl100k_base")
STRINGS = 10_000
LONG = (70_000, 150_000, 200_000)  # characters: beyond what is encoded at once

T = TypeVar("T")
Dice = Callable[[], float]

TEXT = (
    "the Quick BROWN fox's jumped; I'LL we're don't O'Neill naïve façade Straße İstanbul ǅ ﬁne "
    "don’t x=1 foo_bar fooBar HTTPServer 3.14159 1234567 0x1F a.b.c user@example.com $9.99 --flag "
    "日本語 中文字符 한국어 русский ελληνικά العربية עברית हिन्दी ไทย "
    "🙂 👩‍👩‍👧‍👦 🏳️‍🌈 é é <|endoftext|> "
    "<|im_start|> <|fim_prefix|> </s> [INST] \\n \\u0041 {} () [] /* */ // # ``` ~~~ === ... !?!"
)
WORDS = TEXT.split(" ")
SPACES = (
    " ",
    "  ",
    "    ",
    "\t",
    "\n",
    "\r\n",
    "\n\n",
    " \n ",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\x0b",
)
ODD = (
    "\x00\x1f\x7f\u200b\u200d\ufeff\u0301\u0489\ufffd\ud83d\ude00"
    "\U0010ffff\ue000\u1e9e\u0130\u17b4\u2028"
)
RUNS = (
    "a",
    "é",
    "日",
    "0",
    " ",
    "\n",
    "\t",
    "!",
    "🙂",
    "\u0301",
    "ab",
    "=-",
    "\r\n",
    " a",
    "A",
    "'s",
)


def make() -> Iterator[str]:
    """The strings, always the same."""
    dice = random.Random(20250806).random  # the one method that no version of Python changes
    kinds = (_words, _characters, _runs, _code, _digits)
    for number in range(STRINGS - len(LONG)):
        yield kinds[number % len(kinds)](dice)
    for length in LONG:
        yield _long(dice, length)


def _pick(dice: Dice, several: Sequence[T]) -> T:
    return several[int(dice() * len(several))]


def _words(dice: Dice) -> str:
    count = int(dice() * 30)
    return "".join(_pick(dice, WORDS) + _pick(dice, SPACES) for _ in range(count))


def _characters(dice: Dice) -> str:
    def one() -> str:
        if dice() < 0.1:
            return _pick(dice, ODD)
        bound = _pick(dice, (0x80, 0x250, 0x3000, 0xD800, 0x1FAFF))
        code = int(dice() * bound)
        return "x" if 0xD800 <= code < 0xE000 else chr(code)

    return "".join(one() for _ in range(int(dice() * 40)))


def _runs(dice: Dice) -> str:
    count = 1 + int(dice() * 4)
    return "".join(_pick(dice, RUNS) * int(dice() * 60) for _ in range(count))


def _code(dice: Dice) -> str:
    lines = []
    for _ in range(int(dice() * 8)):
        indent = _pick(dice, ("", "  ", "    ", "\t", "\t\t", "            "))
        parts = "".join(
            _pick(dice, WORDS) + _pick(dice, ("(", "=", ".", "/", "\\", '"', " ")) for _ in range(5)
        )
        lines.append(indent + parts)
    return _pick(dice, ("\n", "\r\n", "\n\n")).join(lines)


def _digits(dice: Dice) -> str:
    text = str(int(dice() * 10 ** int(1 + dice() * 15)))
    return _pick(dice, (text, f" {text}", f"{text},{text}.{text}", f"-{text}%", f"٣{text}Ⅷ½{text}"))


def _long(dice: Dice, length: int) -> str:
    text, makers = "", (_words, _characters, _spaced)
    while len(text) < length:
        text += _pick(dice, makers)(dice)
    return text


def _spaced(dice: Dice) -> str:
    return " ".join(_pick(dice, WORDS) for _ in range(300)) + " " * int(dice() * 90)


def expected() -> dict[str, list[int]]:
    """What tiktoken counted: a line for each vocabulary."""
    lines = REFERENCE.read_text().splitlines()
    return {
        name: [int(n) for n in line.split()] for name, line in zip(VOCABULARIES, lines, strict=True)
    }


if __name__ == "__main__":
    tiktoken = importlib.import_module("tiktoken")
    encodings = [tiktoken.get_encoding(name) for name in VOCABULARIES]
    counts = [[len(encoding.encode_ordinary(text)) for text in make()] for encoding in encodings]
    REFERENCE.write_text("".join(" ".join(map(str, line)) + "\n" for line in counts))
