"""What an answer says about the tokens it used, put into disjoint buckets. No I/O.

One function reads every provider's way of saying it, after a table (`formats`). What a provider
does not say stays None. Numbers that cannot be true (negative, fractional, beyond any model, more
cached than sent, a total that they do not add up to) are not repaired, and not half believed:
nothing is known then but which field is wrong, and the provider's own text is kept beside the row.

The same numbers may be read in two ways: cached tokens inside or beside the input, reasoning inside
or beside the output. A total decides it: the provider's usual way holds if it adds up, else the
only other one that does. Without a total the usual way holds.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Annotated, Any, NamedTuple

import msgspec

from dd0c.products.route.hotpath import formats
from dd0c.products.route.hotpath.formats import Format, Habit
from dd0c.products.route.models import NO_USAGE, Usage

TOKENS_MAX = 10**9  # more is no count of tokens: contexts end at some millions
ORDINARY = frozenset(("default", "global", "not_available", "standard"))

_NUMBERS = (*Usage.__struct_fields__, "total", "written", "fresh", "fed")
_WRITTEN = "cache_creation_input_tokens"
_NOWHERE = ""  # the place of what has no bucket
_object = msgspec.json.Decoder(dict[str, Any])


class Counted(msgspec.Struct, frozen=True, gc=False):
    """Tokens by bucket; `wrong` is the field for which nothing can be believed. `tier`: what the
    usage says of itself that a price may depend on."""

    usage: Usage
    wrong: str | None = None
    tier: str | None = None


class _Wrong(Exception):
    """A field that cannot be believed."""


class _Each(NamedTuple):
    """Members of a list: the key that tells their kinds apart, where each kind's number goes."""

    by: str
    number: str
    kinds: dict[str, Any]


_Way = tuple[bool, bool]  # cached tokens lie inside the input, reasoning inside the output
_Tree = dict[str, Any]  # by key: the place of a number (or _NOWHERE), an _Each, a _Tree


_Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)] | None


class _Prompt(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    cached_tokens: _Tokens = None
    cache_write_tokens: _Tokens = None
    audio_tokens: _Tokens = None


class _Completion(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    reasoning_tokens: _Tokens = None
    audio_tokens: _Tokens = None
    accepted_prediction_tokens: _Tokens = None
    rejected_prediction_tokens: _Tokens = None


class _Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What most answers say; anything else is left to the table."""

    prompt_tokens: Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]
    completion_tokens: Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]
    total_tokens: int
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None


_NO_PROMPT, _NO_COMPLETION = _Prompt(), _Completion()
_plain = msgspec.json.Decoder(_Plain)


def read(raw: bytes, form: Format, provider: str = "") -> Counted:
    """The buckets of a usage object in a provider's form."""
    if form is formats.OPENAI and provider not in form.habits:
        usage = read_plain(raw)
        if usage is not None:
            return Counted(usage)
    numbers: list[int | None] = [None] * len(_NUMBERS)
    try:
        given = _object.decode(raw)
        _gather(given, _tree(form), numbers)
        usage = _disjoint(numbers, form, form.habits.get(provider, form.habit))
    except _Wrong as wrong:
        return Counted(NO_USAGE, str(wrong))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Counted(NO_USAGE, "usage")
    return Counted(usage, None, _tier(given, form.tiers) if form.tiers else None)


def read_plain(raw: bytes) -> Usage | None:
    """The same as by the table for an object in OpenAI's own words that adds up, in a third of the
    time; None for any other."""
    try:
        given = _plain.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    sent, made = given.prompt_tokens, given.completion_tokens
    prompt = given.prompt_tokens_details or _NO_PROMPT
    completion = given.completion_tokens_details or _NO_COMPLETION
    read, written, audio_in = prompt.cached_tokens, prompt.cache_write_tokens, prompt.audio_tokens
    reasoning, audio_out = completion.reasoning_tokens, completion.audio_tokens
    fresh = sent - (read or 0) - (written or 0) - (audio_in or 0)
    text = made - (reasoning or 0) - (audio_out or 0)
    if fresh < 0 or text < 0 or given.total_tokens != sent + made:
        return None
    return Usage(fresh, read, written, None, text, reasoning, audio_in, audio_out)


def overlay(first: bytes, then: bytes) -> bytes:
    """An Anthropic usage object with the keys of a later one that are not null.

    The later one counts all that was written to the cache and not for how long. Where nothing had
    been written for an hour, what came after was not either: longer lives stand first in a prompt.
    """
    try:
        before, later = _object.decode(first), _object.decode(then)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return then
    merged = before | {key: value for key, value in later.items() if value is not None}
    lives = merged.get("cache_creation")
    grown = merged.get(_WRITTEN) != before.get(_WRITTEN) and later.get("cache_creation") is None
    if grown and isinstance(lives, dict) and lives.get("ephemeral_1h_input_tokens") == 0:
        del merged["cache_creation"]
    return msgspec.json.encode(merged)


def without_output(usage: Usage) -> Usage:
    """What is left of a count that was made before the answer was complete."""
    return msgspec.structs.replace(usage, output=None, reasoning=None, audio_output=None)


@cache
def _tree(form: Format) -> _Tree:
    """The paths of a format as a tree, to walk beside the object."""
    tree: _Tree = {}
    for name, paths in form.paths.items():
        place = _NUMBERS.index(name) if name in _NUMBERS else _NOWHERE
        for path in paths:
            *outer, last = path.split(".")
            if "=" in path:
                by, _, kind = outer[1].partition("=")
                tree.setdefault(outer[0], _Each(by, last, {})).kinds[kind] = place
            elif outer:
                tree.setdefault(outer[0], {})[last] = place
            else:
                tree[last] = place
    return tree


def _gather(given: dict[str, Any], tree: _Tree, numbers: list[int | None]) -> None:
    """Put what is given of the tree in its places."""
    for key, value in given.items():
        if value is None or (place := tree.get(key)) is None:
            continue
        if type(place) is int:
            plain = type(value) is int and 0 <= value <= TOKENS_MAX
            number = value if plain else _whole(key, value)
            if numbers[place] is None:
                numbers[place] = number
            elif numbers[place] != number:
                raise _Wrong(key)  # told twice, differently
        elif type(place) is dict and type(value) is dict:
            _gather(value, place, numbers)
        elif type(place) is _Each and type(value) is list:
            for member in value:
                kind = member.get(place.by) if type(member) is dict else None
                if type(kind) is str and kind in place.kinds:
                    _gather({key: member.get(place.number)}, {key: place.kinds[kind]}, numbers)
        elif value:
            raise _Wrong(key)  # has no bucket, or is no number, object or list where one belongs


def _whole(key: str, value: Any) -> int:
    """A number that is no plain one, if it is a count all the same: 1e3."""
    if type(value) is float and value.is_integer() and 0 <= value <= TOKENS_MAX:
        return int(value)
    raise _Wrong(key)


def _disjoint(numbers: list[int | None], form: Format, habit: Habit) -> Usage:
    """The numbers with nothing counted in two of them."""
    sent, read, short, long, made, reasoning, audio_in, audio_out, image, tools = numbers[:10]
    total, written, fresh, fed = numbers[10:]
    if written is not None:
        if short is None and long is None:
            short = written
        elif (short or 0) + (long or 0) != written:
            raise _wrong(form, "written")
    if fresh is not None and sent is not None and fresh + (read or 0) != sent:
        raise _wrong(form, "fresh")
    cached, thought = (read or 0) + (short or 0) + (long or 0), reasoning or 0
    rest = None  # what the total has beside input and output
    if total is not None and sent is not None:
        rest = total - sent - (made or 0) - (fed or 0)
        if habit.rest_is_reasoning and reasoning is None and rest > 0:
            reasoning = thought = rest
            habit = habit._replace(reasoning_inside=False)
    if sent is not None:
        sent -= (audio_in or 0) + (image or 0)
    if made is not None:
        made -= audio_out or 0

    def fits(way: _Way) -> bool:
        beside = 0 if way[0] else cached
        beside += 0 if way[1] or not habit.total_has_reasoning else thought
        return (
            (sent is None or sent >= (cached if way[0] else 0))
            and (made is None or made >= (thought if way[1] else 0))
            and (rest is None or rest == beside)
        )

    way = habit.cached_inside, habit.reasoning_inside
    if not fits(way):
        others = [other for other in _others(way, cached, thought) if fits(other)]
        if rest is None or len(others) != 1:
            too_many = sent is not None and sent < (cached if way[0] else 0)
            raise _wrong(form, "total" if rest else "cache_read" if too_many else "reasoning")
        way = others[0]
    if sent is not None:
        sent += (fed or 0) - (cached if way[0] else 0)
    if made is not None and way[1]:
        made -= thought
    return Usage(sent, read, short, long, made, reasoning, audio_in, audio_out, image, tools)


def _others(way: _Way, cached: int, thought: int) -> list[_Way]:
    """The other ways to read cached tokens and reasoning, where there are any."""
    cached_ways = (True, False) if cached else way[:1]
    reasoning_ways = (True, False) if thought else way[1:]
    return [other for other in product(cached_ways, reasoning_ways) if other != way]


def _wrong(form: Format, number: str) -> _Wrong:
    return _Wrong(form.paths[number][0].rpartition(".")[2])


def _tier(given: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Words that are not the ordinary ones, or the first word."""
    words = [word for key in keys if isinstance(word := given.get(key), str)]
    special = [word for word in words if word not in ORDINARY]
    return "+".join(special or words[:1]) or None
