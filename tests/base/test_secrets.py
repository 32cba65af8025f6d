"""Secrets stay masked wherever a value is shown (K-32)."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from dataclasses import asdict, dataclass, replace

import msgspec
import pydantic
import pydantic_core
import pytest

from dd0c.base.secrets import MASK, Secret

CANARY = "sk-canary-9f1c"


@dataclass(frozen=True)
class Holder:
    """What holds a secret, as settings do."""

    secret: Secret

    def __radd__(self, other: object) -> str:
        raise TypeError(f"{other} and {self}")


class Struct(msgspec.Struct):
    """What holds a secret, as the data plane does."""

    secret: Secret


class Model(pydantic.BaseModel, arbitrary_types_allowed=True):
    """What holds a secret, as a form may."""

    secret: Secret
    number: int = 0


def test_no_way_of_showing_a_secret_shows_it() -> None:
    """repr, str, format, containers and tracebacks hold the mask (K-32)."""
    secret = Secret(CANARY)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", repr([secret]), f"{secret!r}"]
    try:
        raise ValueError(secret)
    except ValueError as error:
        shown.append("".join(traceback.format_exception(error)))
    assert [text for text in shown if CANARY in text] == []
    assert all(MASK in text for text in shown)
    assert secret.reveal() == CANARY


def test_a_secret_leaves_by_no_codec() -> None:
    """JSON, msgspec, pydantic and pickle refuse a secret instead of writing it (K-32)."""
    holder = Holder(Secret(CANARY))
    for write in (
        json.dumps,
        pickle.dumps,
        msgspec.json.encode,
        msgspec.msgpack.encode,
        pydantic_core.to_json,
    ):
        for value in (holder.secret, holder):
            with pytest.raises((TypeError, pydantic_core.PydanticSerializationError)) as refused:
                write(value)
            assert CANARY not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(TypeError):
        holder.secret.__getstate__()


def test_what_holds_a_secret_is_copied_and_shown_with_the_mask() -> None:
    """Copies of a dataclass, its dict, a model and its errors hold the secret and show none (K-32):
    there is one value, so a copy is never a second one to forget."""
    holder = Holder(Secret(CANARY))
    copies = [
        copy.copy(holder).secret,
        copy.deepcopy([holder])[0].secret,
        asdict(holder)["secret"],
        replace(holder).secret,
        msgspec.structs.asdict(Struct(holder.secret))["secret"],
        Model(secret=holder.secret).model_copy(deep=True).secret,
    ]
    assert all(found is holder.secret for found in copies)
    with pytest.raises(pydantic.ValidationError) as refused:
        Model.model_validate({"secret": holder.secret, "number": holder.secret})
    shown = [str(refused.value), repr(holder), repr(Struct(holder.secret)), str(asdict(holder))]
    shown += [repr(Model(secret=holder.secret)), json.dumps(asdict(holder), default=str)]
    assert all(MASK in text and CANARY not in text for text in shown)


def test_a_traceback_with_its_values_shows_the_mask() -> None:
    """A trace that shows the variables of each frame, as debuggers and crash reports do (K-32)."""
    secret = Secret(CANARY)
    try:
        secret + Holder(secret)
    except TypeError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        text = "".join(told.format())
    assert f"secret = Secret({MASK})" in text
    assert CANARY not in text


def test_secrets_compare_by_value() -> None:
    """Two secrets of one value are equal; a secret equals no text."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("lone \udc80") == Secret("lone \udc80")  # an environment may hold such bytes
    assert not Secret("")
    assert len(Secret("abc")) == 3
