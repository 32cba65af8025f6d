"""Texts that are read and commands that are judged, without keeping anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from dd0c.base.errors import Error
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web import resources
from dd0c.kernel.web.fields import Body
from dd0c.kernel.web.packed import unpack
from dd0c.kernel.web.requires import Requires
from dd0c.products.run import advice, documents, judging, shapes
from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.models import Format, Parsed
from dd0c.products.run.shapes import StepShown, VerdictShown

router = APIRouter(prefix="/api/v1/run", tags=["run"])

Reader = Annotated[Principal, Depends(Requires("run:read"))]
LINES = "application/x-ndjson"


class SourceGiven(Body):
    """The text of a runbook."""

    source: str = Field(min_length=1, description="The text; at most 1 MB.")
    packed: bool = Field(
        False, strict=True, description="`source` is base64 of its UTF-8 packed with zlib."
    )
    format: Format | None = Field(None, description="Null: as the text looks.")

    def text(self) -> str:
        """The source as it was written; InvalidInput, TooLarge."""
        return unpack("source", self.source, packed=self.packed, bytes_max=judging.SOURCE_BYTES_MAX)


class RemarkShown(BaseModel):
    """Something that whoever wrote the runbook should know about how it was read."""

    line: int | None
    text: str


class ParsedShown(BaseModel):
    """A text as it was read, with its commands judged."""

    format: Format
    steps: list[StepShown]
    remarks: list[RemarkShown]


class CommandsGiven(Body):
    """Commands to be judged."""

    commands: list[str] = Field(
        min_length=1, max_length=500, description="Texts for bash.", examples=[["kubectl get pods"]]
    )


class Classified(BaseModel):
    """The verdicts, in the order of the commands."""

    items: list[VerdictShown]


@router.post(
    "/parse",
    operation_id="parse_runbook",
    summary="Read a runbook into steps",
    response_model=ParsedShown,
    responses={200: {"content": {LINES: {"schema": {"type": "string"}}}}},
)
async def parse(given: SourceGiven, request: Request, who: Reader) -> Response | ParsedShown:
    """Nothing is kept. With `Accept: application/x-ndjson` each step is a line, sent as soon as it
    is judged, and the last line has what is said of the whole. At most 30 times a minute for an
    organisation, commands that are judged included."""
    await documents.require_rate(resources.of(request).rates, who.org)
    source = given.text()
    parsed = await documents.read(source, given.format)
    steps = _steps(documents.judge(parsed.steps, source, advice.advisor(request, who)))
    if LINES in request.headers.get("accept", ""):
        return StreamingResponse(_lines(parsed, steps), media_type=LINES)
    return ParsedShown(
        format=parsed.format,
        steps=[step async for step in steps],
        remarks=_remarks(parsed),
    )


@router.post("/classify", operation_id="classify_commands", summary="Judge commands")
async def classify(given: CommandsGiven, request: Request, who: Reader) -> Classified:
    """What each may do to the world, at worst. None is run or kept. At most 30 times a minute for
    an organisation, runbooks that are read included."""
    await documents.require_rate(resources.of(request).rates, who.org)
    found = await documents.classify(given.commands)
    return Classified(items=[shapes.show_verdict(verdict) for verdict in found])


async def _steps(steps: AsyncIterator[JudgedStep]) -> AsyncIterator[StepShown]:
    position = 0
    async for judged in steps:
        position += 1
        yield shapes.show_step(position, judged)


async def _lines(parsed: Parsed, steps: AsyncIterator[StepShown]) -> AsyncIterator[bytes]:
    """The steps, then the rest; an error in between is the last line, as the status is out."""
    try:
        async for step in steps:
            yield _line({"step": step.model_dump(mode="json")})
    except Error as error:
        yield _line({"error": {"code": error.code, "detail": error.message, "hint": error.hint}})
        return
    remarks = [remark.model_dump() for remark in _remarks(parsed)]
    yield _line({"end": {"format": parsed.format, "remarks": remarks}})


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _remarks(parsed: Parsed) -> list[RemarkShown]:
    return [RemarkShown(line=remark.line, text=remark.text) for remark in parsed.remarks]
