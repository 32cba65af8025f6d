"""What an attempt used and what it costs, when its caller may not have got all of it (R-13). Pure.

Two sums are kept apart. *Upstream* is what the provider made and charges for: its own word, or the
text that came from it, counted. *Delivered* is what reached the caller. They differ when the caller
left; which of them is the cost of the attempt is its organisation's policy: delivered where such
answers are aborted, upstream where they are read to their end. A sum that nobody can tell is None.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dd0c.products.route.hotpath.snapshot import Counted
from dd0c.products.route.hotpath.tariff import Rating
from dd0c.products.route.models import NO_USAGE, Usage, UsageSource

Rate = Callable[[Usage], Rating]


class Bill(msgspec.Struct, frozen=True):
    """`rating` is of `usage`. Tokens are of output, reasoning and audio included."""

    usage: Usage
    source: UsageSource
    rating: Rating
    error: float | None = None
    delivered_tokens: int | None = None
    upstream_tokens: int | None = None
    delivered_pico: int | None = None
    upstream_pico: int | None = None


FREE = Bill(NO_USAGE, UsageSource.NONE, Rating(0, None, None), None, 0, 0, 0, 0)
"""No provider charges for it: it lists models, was never sent, or was refused."""


def told(usage: Usage, rating: Rating) -> Bill:
    """The provider has told all, and the caller got all."""
    tokens = output_tokens(usage)
    cost = rating.cost_pico
    return Bill(usage, UsageSource.PROVIDER, rating, None, tokens, tokens, cost, cost)


def settle(
    said: Usage, counted: Counted, rate: Rate, *, known: bool, whole: bool, upstream: bool
) -> Bill:
    """The bill of an answer that was not both delivered and told of completely.

    `known`: what the provider said is its last word. `whole`: all that came was delivered.
    `upstream`: the organisation pays for what the provider made.
    """
    made: Usage | None = said
    made_tokens = output_tokens(said)
    if not known:  # some tell a running number, which knows of more than there is to be read
        counts = [one for one in (made_tokens, counted.received) if one is not None]
        made_tokens = max(counts, default=None)
        made = completed(said, counted.input, made_tokens)
    got, got_tokens = made, made_tokens
    if not whole:
        got_tokens = counted.delivered
        if got_tokens is not None and made_tokens is not None:
            got_tokens = min(got_tokens, made_tokens)
        got = completed(said, counted.input, got_tokens)
    of_made = rate(made) if made is not None else None
    of_got = rate(got) if got is not None else None
    chosen, rating = (made, of_made) if upstream else (got, of_got)
    if chosen is None or rating is None:
        source = UsageSource.NONE if said == NO_USAGE else UsageSource.PROVIDER
        chosen = said
        rating = Rating(None, None, "no_usage" if said == NO_USAGE else "usage_incomplete")
    else:
        source = UsageSource.PROVIDER if known and chosen is made else UsageSource.ESTIMATED
    return Bill(
        chosen,
        source,
        rating,
        counted.error,
        got_tokens,
        made_tokens,
        of_got.cost_pico if of_got is not None else None,
        of_made.cost_pico if of_made is not None else None,
    )


def output_tokens(usage: Usage) -> int | None:
    """All output tokens, reasoning and audio included; None when the provider did not say."""
    if usage.output is None:
        return None
    return usage.output + (usage.reasoning or 0) + (usage.audio_output or 0)


def completed(said: Usage, counted_input: int | None, output: int | None) -> Usage | None:
    """What the provider said of the prompt, or the count of it, with so much output."""
    tokens_in = said.input if said.input is not None else counted_input
    if tokens_in is None or output is None:
        return None
    return msgspec.structs.replace(
        said, input=tokens_in, output=output, reasoning=None, audio_output=None
    )
