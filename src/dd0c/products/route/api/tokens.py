"""How tokens are counted where the provider does not, and how far off that is (R-14)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.db import tenancy
from dd0c.kernel.web import resources
from dd0c.kernel.web.requires import Requires
from dd0c.products.route.models import Learned
from dd0c.products.route.store import token_factors
from dd0c.products.route.tokens import factors
from dd0c.products.route.tokens.families import base_model, family_of

router = APIRouter(prefix="/api/v1/route", tags=["route"])

NAME_CHARS_MAX = 256


class Accuracy(BaseModel):
    """How the text of one model is counted."""

    provider: str | None = Field(description="Whose price list holds for it.")
    model: str = Field(description="A fine-tuned model under the name of its base.")
    vocabulary: str
    exact: bool = Field(description="Whether the vocabulary is the model's own.")
    samples: int = Field(description="Answers counted by the provider and here.")
    factor: float = Field(description="What a count of the vocabulary is multiplied by now.")
    learned: bool = Field(description="Whether the factor comes from samples; else it is a guess.")
    error: float = Field(description="What an estimate says of itself: its relative error.")
    mean_error: float | None = Field(
        description="Mean relative error of estimates of answers that the provider counted then; "
        "null: too few."
    )
    p95_error: float | None = Field(
        description="19 of 20 were off by less, if errors are normally distributed; null: too few."
    )


class Accuracies(BaseModel):
    """Of each model that the organisation has used."""

    samples_min: int = Field(description="From how many samples on a factor is applied.")
    items: list[Accuracy]


@router.get(
    "/tokens/accuracy", operation_id="show_token_accuracy", summary="How well tokens are counted"
)
async def show_token_accuracy(
    request: Request,
    who: Annotated[Principal, Depends(Requires("route:read"))],
    *,
    model: Annotated[
        str | None,
        Query(description="Only this model, used or not.", max_length=NAME_CHARS_MAX),
    ] = None,
    provider: Annotated[
        str | None, Query(description="Only of this price provider.", max_length=NAME_CHARS_MAX)
    ] = None,
) -> Accuracies:
    """What gateways have learned from answers that providers counted themselves, for the models
    that the organisation has used; what holds for any other one if it is asked for by name."""
    use = resources.of(request)
    async with tenancy.tenant(use.pool, who.org) as tx:
        used = await token_factors.list_used(tx)
        known = await token_factors.load(tx)
    keys = {(of, base_model(name)) for of, name in used}
    if model is not None:
        keys = {key for key in keys if key[1] == base_model(model)}
    if provider is not None:
        keys = {key for key in keys if key[0] == provider}
    items = [_show(of, name, known.get((of, name))) for of, name in sorted(keys)]
    if model is not None and not items:
        items = [_show(provider, base_model(model), None)]
    return Accuracies(samples_min=factors.SAMPLES_MIN, items=items)


def _show(provider: str | None, model: str, learned: Learned | None) -> Accuracy:
    found = learned or Learned()
    family, measure = family_of(model), factors.measure_of(model, learned)
    return Accuracy(
        provider=provider,
        model=model,
        vocabulary=family.vocabulary,
        exact=family.exact,
        samples=found.samples,
        factor=measure.factor,
        learned=not family.exact and factors.factor_of(found) is not None,
        error=measure.error,
        mean_error=factors.mean_error(found),
        p95_error=factors.p95_error(found),
    )
