"""Secrets stay masked wherever a value is shown (K-32)."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest

from dd0c.base.secrets import MASK, Secret

CANARY = "sk-canary-9f1c"


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
    """JSON and pickle refuse a secret instead of writing it (K-32)."""
    with pytest.raises(TypeError):
        json.dumps(Secret(CANARY))
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))


def test_secrets_compare_by_value() -> None:
    """Two secrets of one value are equal; a secret equals no text."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")
    assert len(Secret("abc")) == 3
