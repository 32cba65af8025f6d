"""Errors as pages: what happened, what is safe, what to do next.

In the frame when it is known who asks, else alone. "Not permitted" and "could not load" look and
read differently, as neither is "nothing there". Whoever is not signed in is sent to sign in.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dd0c.kernel.web.console import frame, sign_in
from dd0c.kernel.web.problems import Problem
from dd0c.kernel.web.requires import principal_of

PLAN = "/console/plan"
_ABSENT = (
    "It may never have existed, be older than what is kept, or belong to an organisation that this "
    "key is not part of."
)
_SAFE = "Nothing was changed. Calls through the gateway go on, and what they cost is kept."


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says."""

    kind: str
    tone: str
    word: str
    title: str
    story: tuple[str, ...]
    actions: tuple[tuple[str, str], ...]
    request_id: str = ""


def render(request: Request, problem: Problem) -> Response:
    """The page of a problem; for a caller who is not known, the way to sign in."""
    if problem.status == 401:
        after = str(request.url.replace(scheme="", netloc="")) if request.method == "GET" else ""
        return RedirectResponse(sign_in.address(after or sign_in.HOME), 303)
    page = explain(problem, request.url.path)
    console, who = frame.of(request), principal_of(request)
    if who is None:
        return console.render_alone("problem_alone.html", problem.status, problem=page)
    return console.render(request, who, "problem.html", problem.status, problem=page)


def explain(problem: Problem, path: str) -> Page:
    """The words for a problem met at a path."""
    home = ("To Home", sign_in.HOME)
    said = tuple(_sentence(text) for text in (problem.detail, problem.hint) if text)
    if problem.status == 402:
        plan = ("See the plan", PLAN)
        return Page("refused", "warn", "Plan", "The plan has no room for that", said, (plan, home))
    if problem.status == 403:
        other = ("Sign in with another key", sign_in.PATH)
        title = "This key may not do that"
        return Page("forbidden", "warn", "Not permitted", title, said, (other,))
    if problem.status == 404:
        title = "There is nothing here"
        return Page("absent", "info", "Not found", title, (_ABSENT,), (home,))
    if problem.status < 500:
        return Page("refused", "warn", "Not understood", "That did not work", said, (home,))
    again = ("Try again", path)
    story = (*said, _SAFE)
    title = "This page could not be loaded"
    return Page("failed", "bad", "Could not load", title, story, (again, home), problem.request_id)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
