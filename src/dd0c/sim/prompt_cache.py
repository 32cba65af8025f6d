"""Prompt caching: which prompts begin like one that was sent before, for `x-sim-fault: caching`.

It is asked for, not always on, because with it the same request gets another usage the second time.
A prompt is compared part by part (tools, system, each message), not token by token. OpenAI caches
by itself, from 1,024 tokens and in steps of 128 (https://platform.openai.com/docs/guides/
prompt-caching); Anthropic caches up to the parts marked with `cache_control`, from 1,024 tokens
(https://docs.claude.com/en/docs/build-with-claude/prompt-caching). Nothing expires but by number.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from itertools import accumulate
from typing import Final

from msgspec import structs

from dd0c.sim.faults import Faults

Parts = list[tuple[bytes, int]]  # each part of a prompt and its tokens
KEPT: Final = 10_000
LEAST_TOKENS: Final = 1024
STEP_TOKENS: Final = 128
MARK: Final = b'"cache_control":{'
ONE_HOUR: Final = b'"ttl":"1h"'


class PromptCache:
    """The beginnings of prompts, of all models and keys together, as digests."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def applied(self, faults: Faults, scope: str, parts: Parts, *, marked: bool) -> Faults:
        """The faults with the usage that a cache would give; what they say themselves stays."""
        if faults.cached is not None or faults.input is not None:
            return faults
        digests = list(accumulate((p for p, _ in parts), _chained, initial=scope.encode()))[1:]
        totals = list(accumulate(count for _, count in parts))
        ends = [n for n, (part, _) in enumerate(parts) if not marked or MARK in part]
        known = [totals[n] for n in ends if digests[n] in self._known]
        read = max((total for total in known if total >= LEAST_TOKENS), default=0)
        for n in ends:
            self._remember(digests[n])
        if not marked:
            read -= read % STEP_TOKENS
            return structs.replace(faults, cached=read, input=totals[-1] - read)
        end = max((totals[n] for n in ends if totals[n] >= LEAST_TOKENS), default=0)
        written = max(0, end - read)
        in_hour = any(ONE_HOUR in parts[n][0] for n in ends)
        return structs.replace(
            faults,
            cached=read,
            input=totals[-1] - read - written,
            cache_write_1h=written if in_hour else 0,
            cache_write_5m=0 if in_hour else written,
        )

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)


def _chained(before: bytes, part: bytes) -> bytes:
    return hashlib.blake2b(before + part, digest_size=16).digest()
