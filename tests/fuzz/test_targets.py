"""The fuzz targets with a fixed seed, with another one each time, and with all that they found."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import pytest

from tests.fuzz import hunt, reference, requests, targets
from tests.fuzz.__main__ import ARTIFACTS, SEED_MAX
from tests.fuzz.reference import Answered, Message, Mismatch
from tests.fuzz.wires import Outcome
from tests.support.worker import SECRET

COUNTS = {"requests": 700, "answers": 1500, "documents": 5000, "streams": 400, "commands": 40}


def run(name: str, seed: int, folder: Path) -> None:
    """So many inputs of this seed."""
    target = targets.TARGETS[name]
    with targets.opened(name, folder) as check:
        for data in itertools.islice(hunt.inputs(target, seed), COUNTS[name]):
            hunt.try_one(check, data, ARTIFACTS / name, seed)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_made_inputs_show_no_mistake(name: str, tmp_path: Path) -> None:
    """R-33: h11, `json` and a stream at once agree with us on inputs that are always the same."""
    run(name, 33, tmp_path)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_inputs_that_were_never_tried_show_no_mistake(name: str, tmp_path: Path) -> None:
    """R-33: nor do others each time; what fails is kept, and its path and seed are told."""
    run(name, SystemRandom().randrange(1, SEED_MAX), tmp_path)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_what_was_found_once_stays_mended(name: str, tmp_path: Path) -> None:
    """R-33: each input that has shown a mistake of ours is tried for ever."""
    with targets.opened(name, tmp_path) as check:
        for path in targets.found(name):
            try:
                check(path.read_bytes())
            except Exception as error:
                raise hunt.Found(f"{path}: {error}") from error


CAME = Message(
    b"POST",
    b"/v1/models?a=b",
    [(b"host", b"x"), (b"x-a", b"1"), (b"cookie", b"c"), (b"content-length", b"2")],
    b"{}",
    b"1.1",
)
ADDED = [
    *((b"host", b"p"), (b"authorization", b"Bearer " + SECRET.encode())),
    *((b"accept-encoding", b"identity"), (b"x-a", b"1"), (b"traceparent", b"t")),
]
WENT = replace(CAME, headers=ADDED)
SERVED = Answered(200, 0, False)


@pytest.mark.parametrize(
    ("came", "went", "got", "still_open"),
    [
        ([], [WENT], [SERVED], True),
        ([CAME], [WENT, WENT], [SERVED, Answered(200, 1, False)], True),
        ([CAME], [WENT, WENT], [SERVED], True),
        ([CAME, CAME], [WENT], [SERVED], True),
        ([CAME], [WENT], [SERVED], False),
        ([CAME], [WENT], [Answered(400, None, True), SERVED], True),
        ([CAME], [], [Answered(200, None, False)], True),
        ([CAME], [replace(WENT, method=b"GET")], [SERVED], True),
        ([CAME], [replace(WENT, target=b"/v1/models?a=c")], [SERVED], True),
        ([CAME], [replace(WENT, headers=[*ADDED, (b"cookie", b"c")])], [SERVED], True),
        ([CAME], [replace(WENT, headers=[p for p in ADDED if p[0] != b"x-a"])], [SERVED], True),
        ([CAME], [replace(WENT, headers=[*ADDED, (b"host", b"q")])], [SERVED], True),
        ([CAME], [replace(WENT, body=b'{"a":1}')], [SERVED], True),
    ],
)
def test_the_comparison_can_fail(
    came: Sequence[Message], went: Sequence[Message], got: Sequence[Answered], *, still_open: bool
) -> None:
    """A request too many or too few, one that is changed on its way: each is a mismatch."""
    requests.compare([CAME], Outcome([WENT], b"", True), [SERVED])
    with pytest.raises(Mismatch):
        requests.compare(came, Outcome(went, b"", still_open), got)


def test_a_request_behind_another_one_is_seen() -> None:
    """What the provider would take for two requests is no single one, nor is half of one."""
    one = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    assert reference.read_one(one).body == b"{}"
    for sent in (one + one, one + b"x", one[:-1], one.replace(b" HTTP", b"\n HTTP")):
        with pytest.raises(Mismatch):
            reference.read_one(sent)


def test_a_failing_input_is_kept_and_told(tmp_path: Path) -> None:
    """Its file holds the bytes, its name and the seed stand in the message."""

    def refuse(_: bytes) -> None:
        raise Mismatch("as expected")

    with pytest.raises(hunt.Found, match="with seed 7: Mismatch: as expected") as raised:
        hunt.try_one(refuse, b"bytes", tmp_path / "requests", 7)
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"bytes"
    assert str(kept) in str(raised.value)
