"""Runbooks that are kept: written, saved as another version, renamed, removed (N-4).

Each of these is one transaction of the caller's, tells the audit log, and is called by the API and
by the pages. What a runbook says is read and judged before the transaction begins.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.requests import Request

from dd0c.base import ids
from dd0c.base.errors import Conflict
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Quota
from dd0c.kernel.web import audited, resources
from dd0c.products.run import advice, documents, events, lineage
from dd0c.products.run.judging import JudgedStep
from dd0c.products.run.lineage import Kept
from dd0c.products.run.models import Format, Remark, Step
from dd0c.products.run.store import runbooks as store
from dd0c.products.run.store import versions
from dd0c.products.run.store.runbooks import Runbook
from dd0c.products.run.store.versions import Row, StepRow
from dd0c.products.run.trust import Level, Trust, Why


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read, with every command judged."""

    source: str
    format: Format
    steps: tuple[JudgedStep, ...]
    remarks: tuple[Remark, ...] = ()


class Text(msgspec.Struct, frozen=True):
    """What a version says, as it is sealed."""

    source: str
    format: Format
    steps: tuple[Step, ...]
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A version of a runbook as it is kept."""

    runbook: Runbook
    row: Row
    text: Text
    steps: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A version as it is judged, and trusted, under the rules of today."""

    runbook: Runbook
    row: Row
    document: Document
    steps: tuple[Kept, ...]


async def read(
    request: Request, who: Principal, source: str, format: Format | None = None
) -> Document:
    """A text with its steps and verdicts; TooLarge."""
    parsed = await documents.read(source, format)
    advisor = advice.advisor(request, who)
    steps = [step async for step in documents.judge(parsed.steps, source, advisor)]
    return Document(source, parsed.format, tuple(steps), parsed.remarks)


async def create(
    tx: Transaction, request: Request, who: Principal, name: str, document: Document
) -> uuid.UUID:
    """A new runbook with its first version; Conflict when the name is taken, PlanExceeded."""
    use = resources.of(request)
    await quotas.take(tx, Quota.RUNBOOKS, use.plan, store.COUNTS)
    runbook = await store.add(tx, who.org, name, use.clock.now())
    await _keep(tx, request, who, runbook, 1, document=document, before=())
    await audited.record(tx, request, events.RUNBOOK_CREATED, _id(runbook), private={"name": name})
    return runbook


async def save(
    tx: Transaction,
    request: Request,
    who: Principal,
    runbook: uuid.UUID,
    *,
    document: Document,
    based_on: int | None = None,
) -> int:
    """Another version, and its number; NotFound. `based_on`: the version that it was made of;
    Conflict when that is no longer the newest: somebody else's edit would be lost."""
    use = resources.of(request)
    await store.hold(tx, runbook)
    found = await store.get(tx, runbook)
    if based_on not in (None, found.version):
        raise Conflict(
            f"this runbook was saved meanwhile: its newest version is {found.version}",
            hint=f"look at what changed since version {based_on}, and save on top of it",
        )
    before = await load(tx, request, who, runbook)
    number = found.version + 1
    await _keep(tx, request, who, runbook, number, document=document, before=before.steps)
    await store.advance(tx, runbook, number, use.clock.now())
    await audited.record(
        tx,
        request,
        events.RUNBOOK_VERSION_SAVED,
        _id(runbook),
        version=number,
        steps=len(document.steps),
    )
    return number


async def rename(tx: Transaction, request: Request, runbook: uuid.UUID, name: str) -> None:
    """It has another name; Conflict when that is taken, NotFound."""
    await store.hold(tx, runbook)
    await store.get(tx, runbook)
    await store.rename(tx, runbook, name)
    await audited.record(tx, request, events.RUNBOOK_RENAMED, _id(runbook), private={"name": name})


async def remove(tx: Transaction, request: Request, runbook: uuid.UUID) -> Runbook:
    """The runbook as it was; it can be used no longer. NotFound."""
    await store.hold(tx, runbook)
    found = await store.get(tx, runbook)
    await store.remove(tx, runbook, resources.of(request).clock.now())
    await audited.record(tx, request, events.RUNBOOK_DELETED, _id(runbook))
    return found


async def load(
    tx: Transaction, request: Request, who: Principal, runbook: uuid.UUID, number: int | None = None
) -> Stored:
    """A version by its number; None: the newest. NotFound."""
    found = await store.get(tx, runbook)
    row = await versions.get(tx, runbook, number or found.version)
    opened = await versions.open_text(tx, resources.of(request).vault, who.org, row.id)
    text = msgspec.json.decode(opened, type=Text)
    rows = await versions.list_steps(tx, row.id)
    steps = zip(text.steps, rows, strict=True)
    return Stored(found, row, text, tuple(_kept(step, row) for step, row in steps))


async def load_pair(
    tx: Transaction,
    request: Request,
    who: Principal,
    runbook: uuid.UUID,
    *,
    before: int | None,
    after: int | None,
) -> tuple[Stored, Stored]:
    """Two versions by their numbers; None: the newest, and the one before the other. NotFound."""
    new = await load(tx, request, who, runbook, after)
    old = await load(tx, request, who, runbook, before or max(1, new.row.number - 1))
    return old, new


async def judge(stored: Stored) -> Version:
    """The version under the rules of today; not in a transaction, as it may take a while."""
    text = stored.text
    judged = tuple([step async for step in documents.judge(text.steps)])
    steps = tuple(map(lineage.today, stored.steps, judged))
    document = Document(text.source, text.format, judged, text.remarks)
    return Version(stored.runbook, stored.row, document, steps)


async def _keep(
    tx: Transaction,
    request: Request,
    who: Principal,
    runbook: uuid.UUID,
    number: int,
    *,
    document: Document,
    before: Sequence[Kept],
) -> None:
    use = resources.of(request)
    steps = lineage.follow(before, document.steps)
    row = Row(
        id=ids.new(),
        runbook=runbook,
        number=number,
        steps=len(steps),
        risk=max((step.risk for step in document.steps if step.risk is not None), default=None),
        saved_at=use.clock.now(),
        saved_by=who.actor.text,
    )
    text = Text(
        document.source, document.format, tuple(kept.step for kept in steps), document.remarks
    )
    written = msgspec.json.encode(text).decode()
    await versions.add(tx, use.vault, who.org, row, written, steps=[_row(kept) for kept in steps])


def _row(kept: Kept) -> StepRow:
    held = kept.trust
    return StepRow(kept.identity, held.basis, held.pack, held.level, held.why)


def _kept(step: Step, row: StepRow) -> Kept:
    held = Trust(Level(row.trust), Why(row.trust_why), row.basis, row.pack)
    return Kept(row.identity, step, held)


def _id(runbook: uuid.UUID) -> str:
    return ids.text(ids.Kind.RUNBOOK, runbook)
