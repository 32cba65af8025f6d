"""Whether the process lives, whether it can serve, how everything is, and the numbers."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dd0c.base.errors import Unavailable
from dd0c.kernel.auth.principals import Principal
from dd0c.kernel.web.metrics import Metrics
from dd0c.kernel.web.probes import Health, Status
from dd0c.kernel.web.requires import Requires

router = APIRouter(tags=["status"])


class Alive(BaseModel):
    """The process runs and its event loop turns."""

    status: Literal["alive"]
    uptime_s: float


class Ready(BaseModel):
    """The process can serve."""

    status: Literal["ready"]


class Item(BaseModel):
    """One dependency."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    status: Status = Field(
        description="`degraded`: works, but not as it should; `unknown`: cannot be asked now."
    )
    detail: str = Field(description="What was seen.")
    remedy: str = Field(description="What to do where it is not ok.")
    since: datetime = Field(description="When it was first seen to be so.")
    took_ms: float


class HealthReport(BaseModel):
    """Every dependency, exercised within the last ten seconds."""

    model_config = ConfigDict(from_attributes=True)

    status: Status = Field(description="That of the worst item.")
    checked_at: datetime
    items: list[Item]


@router.get("/livez", operation_id="show_liveness", summary="Whether the process lives")
async def show_liveness(request: Request) -> Alive:
    """Answers as long as the event loop turns; asks nothing else."""
    return Alive(status="alive", uptime_s=round(time.monotonic() - request.app.state.begun, 1))


@router.get("/readyz", operation_id="show_readiness", summary="Whether the process can serve")
async def show_readiness(request: Request) -> Ready:
    """200 when the database answers the role that serves requests, else 503."""
    ready: Health = request.app.state.ready
    report = await ready.report()
    if report.status != "ok":
        raise Unavailable("; ".join(f"{i.name}: {i.detail}" for i in report.items))
    return Ready(status="ready")


@router.get(
    "/metrics",
    operation_id="show_metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text format."}},
)
async def show_metrics(request: Request) -> Response:
    """Counters of this process; no names of tenants or keys."""
    metrics: Metrics = request.app.state.metrics
    return metrics.render()


@router.get("/api/openapi.json", include_in_schema=False)
async def show_openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document of this very server."""
    return JSONResponse(request.app.state.document)


@router.get("/api/v1/health", operation_id="show_health", summary="How every part is")
async def show_health(
    request: Request, who: Annotated[Principal, Depends(Requires("platform:health"))]
) -> HealthReport:
    """Each dependency exercised for real, at most once in ten seconds. 200 also when one fails."""
    health: Health = request.app.state.health
    return HealthReport.model_validate(await health.report())
