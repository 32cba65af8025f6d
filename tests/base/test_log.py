"""The log: one line a record, no secret in it."""

from __future__ import annotations

import gc
import io
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from dd0c.base import log, secrets
from dd0c.base.secrets import Secret

LOGGER = logging.getLogger("dd0c.test")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    stream = io.StringIO()
    log.configure("gateway", stream=stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before


def test_a_record_is_one_line_with_its_fields(lines: io.StringIO) -> None:
    """Time, level, process, message and fields stand on one line, whatever they hold."""
    LOGGER.warning("worker died\nagain", extra={"slot": 1, "why": 'it said "no"\nand left'})
    moment, rest = lines.getvalue().split(" ", 1)
    assert moment.endswith("Z")
    assert moment[10] == "T"
    assert rest == (
        'warning gateway worker died\\nagain slot=1 why="it said \\"no\\"\\nand left"\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefgh12345678",
        "sk-ant-api03-abc_DEF-123456",
        "dd0c_sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "Authorization: Bearer abcdefghijkl",
        "GET /x?key=abcdefghijkl&y=1",
    ],
)
def test_anything_shaped_like_a_key_is_masked(lines: io.StringIO, text: str) -> None:
    """K-40: known shapes never reach a log, in a message or in a field."""
    LOGGER.info("got %s", text, extra={"header": text})
    for fragment in ("abcdefgh", "abc_DEF", "AAAA"):
        assert fragment not in lines.getvalue()
    assert lines.getvalue().count(secrets.MASK) == 2


def test_a_living_secret_is_masked_in_message_field_and_traceback(lines: io.StringIO) -> None:
    """K-40: the text of every secret the process holds is replaced wherever it occurs."""
    secret = Secret('odd"pass word')
    LOGGER.info("one %s", secret.reveal(), extra={"two": secret.reveal()})
    try:
        raise ValueError(secret.reveal())
    except ValueError:
        LOGGER.exception("three")
    assert "pass word" not in lines.getvalue()
    assert lines.getvalue().count(secrets.MASK) == 4
    assert lines.getvalue().count("\n") == 2


def test_a_dropped_secret_is_forgotten() -> None:
    """Remembering for the mask keeps no secret alive."""
    secret = Secret("short-lived-secret")
    assert secret.reveal() in secrets.living()
    del secret
    gc.collect()
    assert "short-lived-secret" not in secrets.living()


def test_masking_the_empty_secret_changes_nothing(lines: io.StringIO) -> None:
    """An unset secret, or one shorter than a word, does not blank out the log."""
    unset, short = Secret(""), Secret("info")
    LOGGER.info("an info line")
    assert "an info line" in lines.getvalue()
    del unset, short
