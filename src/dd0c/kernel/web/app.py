"""The control server's application, put together from what the manifests bring."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from fastapi import APIRouter, Depends, FastAPI

from dd0c.base import settings
from dd0c.kernel.jobs.job import Job
from dd0c.kernel.plans import quotas
from dd0c.kernel.plans.catalogue import Quota
from dd0c.kernel.web import (
    access,
    autonomy,
    contents,
    deliveries,
    dependencies,
    endpoints,
    flags,
    identity,
    inbox,
    invitations,
    jobs,
    keys,
    openapi,
    parts,
    people,
    plans,
    problems,
    query,
    sources,
    status,
    teams,
)
from dd0c.kernel.web.audit import api as audit
from dd0c.kernel.web.console import errors, frame, live, routes, section
from dd0c.kernel.web.edge import Edge
from dd0c.kernel.web.key_limits import LimitKey
from dd0c.kernel.web.metrics import Metrics
from dd0c.kernel.web.probes import Health, Probe
from dd0c.kernel.web.resources import Resources
from dd0c.kernel.web.twin import Twins

HEALTH_SHARED_S = 10.0
READY_SHARED_S = 1.0


@dataclass(frozen=True, slots=True)
class Added:
    """What products add to the kernel's own endpoints."""

    api: Sequence[APIRouter] = ()
    pages: Sequence[APIRouter] = ()
    sections: Sequence[frame.Section] = ()
    probes: Sequence[Probe] = ()
    jobs: Sequence[Job] = ()
    limit_key: LimitKey | None = None
    counts: Mapping[Quota, LiteralString] = field(default_factory=dict)


def create(resources: Resources, added: Added) -> FastAPI:
    """The application. Its resources stay the caller's to open and close."""
    app = FastAPI(
        openapi_url=None,  # status.show_openapi serves it, completed
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    metrics = Metrics([resources.pool], resources.breakers)
    readable = dependencies.database_probe(resources.pool, writes=False)
    writable = dependencies.database_probe(resources.pool, writes=True)
    app.state.resources = resources
    app.state.settings = settings.explain(resources.settings)
    app.state.jobs = added.jobs
    app.state.limit_key = added.limit_key
    app.state.counts = {**quotas.COUNTS, **added.counts}
    app.state.begun = time.monotonic()
    app.state.metrics = metrics
    app.state.ready = Health([readable], resources.clock, READY_SHARED_S)
    app.state.health = Health([writable, *added.probes], resources.clock, HEALTH_SHARED_S)
    sections = (*added.sections, section.SECTION)
    app.state.console = frame.Console(sections)
    topics = [topic for each in sections for topic in each.topics]
    app.state.live = live.Hub(resources.pool, topics, resources.flags)
    app.state.problem_page = errors.render
    include_api(app, added.api)
    app.state.query_names = query.names(app.routes)
    for router in (inbox.router, routes.router, *added.pages):
        app.include_router(router, include_in_schema=False)
    app.state.document = openapi.describe(app)
    problems.install(app)
    app.add_middleware(Twins)
    app.add_middleware(Edge, metrics=metrics, header_bytes_max=resources.settings.header_bytes_max)
    return app


def include_api(app: FastAPI, products: Sequence[APIRouter]) -> None:
    """Every endpoint that the API document describes: the kernel's own and the products'."""
    own = (status, parts, jobs, identity, teams, keys, people, invitations, access)
    told = (contents, sources, endpoints, deliveries, autonomy, flags, plans, audit)
    for router in (*(each.router for each in (*own, *told)), *products):
        app.include_router(router, dependencies=[Depends(query.refuse_unknown)])
