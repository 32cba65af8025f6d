"""Embeddings as OpenAI gives them: unit vectors that follow from model and input alone."""

from __future__ import annotations

import base64
import hashlib
import math
from array import array
from typing import Annotated, Any, Final, Literal

import msgspec

from dd0c.sim import catalogue, tokens
from dd0c.sim.faults import Faults
from dd0c.sim.http import Answer, Refusal, encode
from dd0c.sim.openai import dialect

INPUTS_MAX: Final = 2048
Tokens = list[int]


class Embed(msgspec.Struct):
    """The part of an embeddings request that changes the answer."""

    model: str
    input: str | Annotated[list[str | int | Tokens], msgspec.Meta(max_length=INPUTS_MAX)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None


_embed = msgspec.json.Decoder(Embed)


def parse(body: bytes) -> Embed:
    """The request in a body; Refusal as OpenAI words it."""
    embed: Embed = dialect.check(_embed, body)
    if not embed.input:
        raise Refusal(400, "Input cannot be an empty string or list.", param="input")
    longest = catalogue.dimensions(embed.model)
    if (embed.dimensions or 0) > longest:
        message = f"Invalid value for 'dimensions': the model {embed.model} has {longest}."
        raise Refusal(400, message, param="dimensions")
    return embed


def answer(embed: Embed, faults: Faults, _key: str) -> Answer:
    """The list of embeddings, one for each input."""
    inputs = _inputs(embed)
    size = embed.dimensions or catalogue.dimensions(embed.model)
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _written(_vector(embed.model, text, size), embed.encoding_format),
        }
        for index, text in enumerate(inputs)
    ]
    body: dict[str, Any] = {
        "object": "list",
        "data": data,
        "model": catalogue.served(embed.model),
    }
    if faults.null_usage:
        body["usage"] = None
    elif not faults.no_usage:
        counted = sum(tokens.count(i) if isinstance(i, str) else len(i) for i in inputs)
        total = counted if faults.input is None else faults.input
        body["usage"] = {"prompt_tokens": total, "total_tokens": total}
    return Answer(200, dialect.headers(faults), dialect.ID_HEADER, encode(body))


def _inputs(embed: Embed) -> list[str | Tokens]:
    """The inputs one by one: a list of numbers is one input, already in tokens."""
    if isinstance(embed.input, str):
        return [embed.input]
    numbers = [item for item in embed.input if isinstance(item, int)]
    texts = [item for item in embed.input if not isinstance(item, int)]
    if numbers and texts:
        raise Refusal(400, "Input must not mix tokens and texts.", param="input")
    return [numbers] if numbers else texts


def _vector(model: str, text: str | Tokens, size: int) -> array[float]:
    """A unit vector. Its numbers are the bytes of a hash, read as signed 16 bit."""
    raw = hashlib.shake_256(encode([model, text])).digest(2 * size)
    numbers = array("h", raw)
    norm = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return array("f", [number / norm for number in numbers])


def _written(vector: array[float], encoding: str) -> str | list[float]:
    return vector.tolist() if encoding == "float" else base64.b64encode(vector).decode()
