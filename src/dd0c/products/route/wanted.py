"""Budgets and limits as people ask for them: what is accepted is decided once."""

from __future__ import annotations

import uuid

from pydantic import Field, model_validator
from starlette.requests import Request

from dd0c.base import ids
from dd0c.kernel.db.pool import Transaction
from dd0c.kernel.guard.windows import Span
from dd0c.kernel.web import audited, resources
from dd0c.kernel.web.fields import Body, Text
from dd0c.products.route import events, subjects
from dd0c.products.route.amounts import Count, Usd, pico_of
from dd0c.products.route.models import dollars_text
from dd0c.products.route.store import budgets, limits
from dd0c.products.route.store.budgets import Budget, NewBudget
from dd0c.products.route.store.limits import Limit, NewLimit
from dd0c.products.route.subjects import Scope

MEASURES = ("requests_per_minute", "tokens_per_minute", "concurrency")
SUBJECT = (
    "Which one: a key by name, beginning or id, a team by name or id, else the text of a tag, "
    "route or model. None for `organisation`."
)


class BudgetWanted(Body):
    """How much may be spent."""

    scope: Scope = Field(description="What is spent together.")
    subject: Text | None = Field(None, description=SUBJECT)
    window: Span = Field(
        description="In which time, by the organisation's clock; weeks from Monday."
    )
    usd: Usd
    hard: bool = Field(
        True, strict=True, description="Whether requests that do not fit are refused."
    )


class LimitWanted(Body):
    """How much at once and in a minute; at least one of the three."""

    scope: Scope = Field(description="What is counted together.")
    subject: Text | None = Field(None, description=SUBJECT)
    requests_per_minute: Count | None = Field(None, description="In any sixty seconds.")
    tokens_per_minute: Count | None = Field(
        None, description="Input and output together, in any sixty seconds."
    )
    concurrency: Count | None = Field(None, description="Requests that are being answered.")

    @model_validator(mode="after")
    def _limits_something(self) -> LimitWanted:
        if all(getattr(self, name) is None for name in MEASURES):
            raise ValueError(f"give at least one of {', '.join(MEASURES)}")
        return self


async def set_budget(
    tx: Transaction, request: Request, org: uuid.UUID, wanted: BudgetWanted
) -> Budget:
    """The budget, in place of the one of the same scope, subject and window."""
    subjects.check_room("budgets", await budgets.count(tx))
    new = NewBudget(
        scope=wanted.scope,
        subject=await subjects.resolve(tx, wanted.scope, wanted.subject),
        span=wanted.window,
        amount_pico=pico_of(wanted.usd),
        hard=wanted.hard,
    )
    made = await budgets.save(tx, org, new, resources.of(request).clock.now())
    await audited.record(
        tx,
        request,
        events.BUDGET_SET,
        ids.text(ids.Kind.BUDGET, made.id),
        private=_typed(made),
        scope=made.scope,
        subject_id=subjects.id_text(made.scope, made.subject),
        window=made.span,
        usd=dollars_text(made.amount_pico),
        hard=made.hard,
    )
    return made


async def remove_budget(tx: Transaction, request: Request, budget: uuid.UUID) -> Budget:
    """The budget, which has ended; NotFound."""
    gone = await budgets.remove(tx, budget, resources.of(request).clock.now())
    await audited.record(tx, request, events.BUDGET_REMOVED, ids.text(ids.Kind.BUDGET, budget))
    return gone


async def set_limit(
    tx: Transaction, request: Request, org: uuid.UUID, wanted: LimitWanted
) -> Limit:
    """The limit, in place of the one of the same scope and subject."""
    subjects.check_room("limits", await limits.count(tx))
    new = NewLimit(
        scope=wanted.scope,
        subject=await subjects.resolve(tx, wanted.scope, wanted.subject),
        requests_per_minute=wanted.requests_per_minute,
        tokens_per_minute=wanted.tokens_per_minute,
        concurrency=wanted.concurrency,
    )
    made = await limits.save(tx, org, new, resources.of(request).clock.now())
    await audited.record(
        tx,
        request,
        events.LIMIT_SET,
        ids.text(ids.Kind.LIMIT, made.id),
        private=_typed(made),
        scope=made.scope,
        subject_id=subjects.id_text(made.scope, made.subject),
        requests_per_minute=made.requests_per_minute,
        tokens_per_minute=made.tokens_per_minute,
        concurrency=made.concurrency,
    )
    return made


async def remove_limit(tx: Transaction, request: Request, limit: uuid.UUID) -> Limit:
    """The limit, which has ended; NotFound."""
    gone = await limits.remove(tx, limit, resources.of(request).clock.now())
    await audited.record(tx, request, events.LIMIT_REMOVED, ids.text(ids.Kind.LIMIT, limit))
    return gone


def _typed(rule: Budget | Limit) -> dict[str, str] | None:
    """The subject where it is a text, and no id."""
    is_text = rule.subject and rule.scope not in subjects.KINDS
    return {"subject": rule.subject} if is_text else None
