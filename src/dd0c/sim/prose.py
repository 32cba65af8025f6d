"""The text of answers: sentences picked by a hash of the request, as the pieces tokens stand for.

A sentence ends in a full stop and the next begins with a space, and the vocabulary never joins a
token across that border. So the tokens of a text are the tokens of its sentences in a row, and an
answer of a hundred thousand tokens needs no tokenizer (tests/sim/test_text.py holds this).

Sentences with letters beyond ASCII are written as pieces, a bar between them: the tokenizer's first
such letter costs 0.1 s and 11 MB, which a simulator without such prompts need not pay.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import chain, islice
from typing import Final

from dd0c.sim import tokens

SENTENCES: Final = (
    "The short answer is yes, as long as the two parts are released together.",
    "Start with the smallest change that could work and measure it before you add the next one.",
    "A good first step is to write down what the system should do when nothing goes wrong.",
    "There are three ways to do this, and the simplest is usually the one that lasts.",
    "Most of the delay comes from waiting on the network rather than from the work itself.",
    "You can check this by running the same request twice and comparing the results.",
    "Keep the old version running until the new one has served a full day of traffic.",
    "The| café| on| the| corner| closes| early|,| so| the"
    "| team| moved| the| review| to| the| morning|.",
    "If the queue grows faster than it drains, add a limit before you add a machine.",
    "The numbers are small, but they point the same way in every region we looked at.",
    "In| practice| the| cache| answers| nine| out| of| ten"
    "| reads| —| the| tenth| is| where| the| cost| is|.",
    "Each record is written once and never changed, which makes the history easy to trust.",
    "A timeout without a retry loses work, and a retry without a limit makes the outage worse.",
    "It helps to name the owner of each service in the same place that defines its alerts.",
    "The error message should say what happened, what it means and what to do about it.",
    "When two clocks disagree, the safest choice is to trust neither and keep a sequence number.",
    "Fewer options make a calmer product, because every switch is a question for the reader.",
    "The index makes the read fast at the price of a slower write, which is fine here.",
    "Ask what would have to be true for this plan to fail, then look for exactly that.",
    "Costs rise with the length of the conversation, so trim what the model no longer needs.",
    "A| naï|ve| estimate| counts| every| word| as| one| token"
    "| and| comes| out| about| a| quarter| too| low|.",
    "The backup is only as good as the last time somebody restored from it.",
    "Split the table by month, drop the oldest part, and the cleanup job becomes one line.",
    "That said, the second approach is easier to explain and costs almost nothing to undo.",
    "Two people looked at the same graph and saw different things, so we labelled the axes.",
    "The release went out at noon, and by one the number of errors was back to normal.",
    "Prefer a clear limit with a clear message over a slow failure that nobody can explain.",
    "Nothing in the log points to the disk, so the next place to look is the connection pool.",
    "Once the contract is written down, both sides can be changed without a meeting.",
    "The result is the same whether you sort first or filter first, but the cost is not.",
    "Give the job a deadline and let it stop cleanly when the deadline has passed.",
    "In short, measure first, change one thing at a time, and keep a way back.",
)
SENTENCES_MAX: Final = 4


@cache
def _bank() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Each sentence in pieces, as the first of a text and as a later one."""
    return tuple((_split(s), _split(f" {s}")) for s in SENTENCES)


def _split(sentence: str) -> tuple[str, ...]:
    return tuple(sentence.split("|")) if "|" in sentence else tokens.split(sentence)


def compose(seed: bytes, length: int | None = None) -> tuple[str, ...]:
    """An answer in pieces of one token each: `length` of them, else one to four sentences."""
    dice = random.Random(seed)  # noqa: S311 -- the text must follow from the request
    if length is None:
        sentences = _sentences(dice, dice.randint(1, SENTENCES_MAX))
        return tuple(chain.from_iterable(sentences))
    return tuple(islice(chain.from_iterable(_sentences(dice, length)), length))


def _sentences(dice: random.Random, count: int) -> Iterator[tuple[str, ...]]:
    for number in range(count):
        as_first, as_later = dice.choice(_bank())
        yield as_later if number else as_first
