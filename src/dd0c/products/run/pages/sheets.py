"""A runbook as a sheet: its source, and beside each part of it the steps that were made of it.

A sheet streams: what has been judged is on screen while the rest is judged, by nothing but an
answer that goes on, so it needs no script. Its head says what is known when the text was read; its
end, which the style sheet moves up, how risky it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

from dd0c.base.errors import Error
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web import problems, twin
from dd0c.kernel.web.console import frame
from dd0c.products.run import documents, filling, lineage, shapes, trust
from dd0c.products.run.lineage import Kept
from dd0c.products.run.models import Format, Parsed, Remark, Step
from dd0c.products.run.pages import excerpts
from dd0c.products.run.pages.excerpts import Excerpt, Source
from dd0c.products.run.shapes import RiskName, StepShown
from dd0c.products.run.trust import Trust

TONES = {"safe": "good", "caution": "warn", "dangerous": "bad", "blocked": "never", None: "info"}
LINES_SHOWN = 2_000
HERE = "<!-- sheet -->"  # no text of a runbook can be it: they are escaped


@dataclass(frozen=True, slots=True)
class Book:
    """What is shown of a runbook beside its steps; `id` and `version` of one that is kept."""

    source: str
    name: str = ""
    id: str = ""
    version: int | None = None
    filled: dict[str, str] = field(default_factory=dict)
    """Placeholders, and what the reader put in their place."""
    edited: tuple[int, int] | None = None
    """Lines that are open to be edited."""
    kept: Sequence[Kept] = ()
    """The steps with their trust, where the text is that of a version."""
    problem: str = ""


class Held(BaseModel):
    """How far a step is trusted, and why."""

    level: int
    sentence: str


class Card(StepShown):
    """A step as a card shows it."""

    filled_risk: RiskName | None
    """With a plain word in place of each placeholder."""
    trust: Held | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the page says."""

    name: str
    id: str
    version: int | None
    format: Format
    steps: list[Card]
    remarks: Sequence[Remark]
    versions: Sequence[object]


async def answer(
    request: Request,
    who: Principal,
    book: Book,
    parsed: Parsed,
    *,
    status: int = 200,
    **names: Any,
) -> Response:
    """The sheet of a text that was read; `names` are for its templates."""
    steps = [filling.fill(step, book.filled) for step in parsed.steps]
    if twin.is_wanted(request):
        shown = [card async for card in _cards(steps, book.kept)]
        sheet = Sheet(
            book.name,
            book.id,
            book.version,
            parsed.format,
            shown,
            parsed.remarks,
            names["versions"],
        )
        return Response(to_json(sheet, indent=1), status, media_type="application/json")
    open_to_all = list(dict.fromkeys(name for step in parsed.steps for name in step.placeholders))
    page = frame.of(request).render(
        request,
        who,
        "run/sheet.html",
        status,
        book=book,
        steps=len(steps),
        commands=sum(len(step.commands) for step in steps),
        placeholders=open_to_all,
        format=parsed.format,
        remarks=parsed.remarks,
        here=HERE,
        shown=excerpts.pieces,
        tones=TONES,
        as_data=_as_data(request, book),
        **names,
    )
    before, _, after = bytes(page.body).partition(HERE.encode())
    headers = {name: page.headers[name] for name in frame.HEADERS}
    pieces = _pieces(frame.of(request), book, steps, (before, after), names)
    return StreamingResponse(pieces, status, media_type="text/html; charset=utf-8", headers=headers)


def _as_data(request: Request, book: Book) -> dict[str, str] | None:
    """The twin of a version's page; what was only posted has no address."""
    if not book.kept:
        return None
    address = twin.address(request)
    return {"json": address, "curl": twin.curl(request, address), "csv": ""}


async def _pieces(
    console: frame.Console,
    book: Book,
    steps: list[Step],
    around: tuple[bytes, bytes],
    names: dict[str, Any],
) -> AsyncIterator[bytes]:
    yield around[0]
    source, judged = Source(book.source), _cards(steps, book.kept)
    counts: Counter[str | None] = Counter()
    firsts: dict[str | None, int] = {}
    problem = ""
    try:
        for each in excerpts.excerpts(steps, source.lines):
            cards = [await anext(judged) for _ in each.steps]
            for card in cards:
                counts[card.risk] += 1
                firsts.setdefault(card.risk, card.position)
            said = each.first <= LINES_SHOWN and source.text(each.first, each.last).strip()
            if cards or said:
                yield console.fragment(
                    "run/pair.html", **_pair(book, source, each, cards), **names
                ).encode()
    except Error as error:  # the status is out: it is said where the steps end
        problem = problems.sentence(error)
    told = [(TONES[risk], risk, counts[risk], firsts[risk]) for risk in TONES if counts[risk]]
    yield console.fragment(
        "run/sum.html", told=told, problem=problem, more=source.lines > LINES_SHOWN
    ).encode()
    yield around[1]


def _pair(book: Book, source: Source, each: Excerpt, cards: list[Card]) -> dict[str, object]:
    """What the template of a part of the source and its steps asks."""
    typed = [command.span for card in cards for command in card.commands]
    last = min(each.last, max(each.first, LINES_SHOWN))
    is_open = book.edited == (each.first, each.last)
    return {
        "each": each,
        "cards": cards,
        "lines": source.show(each.first, last, typed),
        "text": source.text(each.first, each.last) if is_open else None,
        "tones": TONES,
        "shown": excerpts.pieces,
    }


async def _cards(steps: Sequence[Step], kept: Sequence[Kept]) -> AsyncIterator[Card]:
    """The steps judged as they stand, and with a plain word for what is still to be filled."""
    samples = [filling.sample(step) for step in steps]
    pairs = list(zip(steps, samples, strict=True))
    judging = documents.judge([each for pair in pairs for each in dict.fromkeys(pair)])
    for position, (step, sample) in enumerate(pairs):
        judged = await anext(judging)
        filled = judged if sample == step else await anext(judging)
        held = lineage.today(kept[position], judged).trust if kept else None
        yield Card(
            **shapes.show_step(position + 1, judged).model_dump(),
            filled_risk=shapes.risk_name(filled.risk),
            trust=None if held is None else _held(held),
        )


def _held(held: Trust) -> Held:
    return Held(level=held.level, sentence=trust.SENTENCES[held.why])
