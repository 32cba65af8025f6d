"""The JSON API of run: texts read into steps, commands judged, runbooks with their versions."""

from __future__ import annotations

from fastapi import APIRouter

from dd0c.products.run.api import reading, runbooks

router = APIRouter()
for part in (reading, runbooks):
    router.include_router(part.router)
