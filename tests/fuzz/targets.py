"""What is fuzzed: for each target how inputs begin, what they are changed with, and the check that
raises Mismatch (or anything else: nothing may break) where one shows a mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.fuzz import answers, commands, documents, grammar, requests, streams
from tests.fuzz.grammar import Make
from tests.fuzz.wires import Wired

CORPUS = Path(__file__).parent / "corpus"
Check = Callable[[bytes], None]


class Target(NamedTuple):
    """One thing to fuzz."""

    make: Make
    pieces: Sequence[bytes]


TARGETS = {
    "requests": Target(grammar.request, grammar.PIECES),
    "answers": Target(grammar.answer, grammar.ANSWER_PIECES),
    "documents": Target(grammar.document, grammar.JSON_PIECES),
    "streams": Target(grammar.stream, grammar.STREAM_PIECES),
    "commands": Target(commands.make, commands.PIECES),
}


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Check]:
    """The check of a target; what it writes goes to the folder."""
    if name == "requests":
        with closing(Wired(folder)) as wired:
            yield partial(requests.check, wired)
    elif name == "answers":
        with closing(answers.Provider()) as provider:
            yield partial(answers.check, provider)
    else:
        yield {"documents": documents, "streams": streams, "commands": commands}[name].check


def found(name: str) -> list[Path]:
    """Inputs that once showed a mistake."""
    return sorted((CORPUS / name).iterdir())
