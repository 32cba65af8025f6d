"""Budgets and limits in words: whose they are, how full, when there is room again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dd0c.base import ids
from dd0c.kernel.web.console import figures, links
from dd0c.products.route import subjects
from dd0c.products.route.pages import rows
from dd0c.products.route.pages.span import Range
from dd0c.products.route.pages.words import End
from dd0c.products.route.standings import Standing

PATH = "/console/budgets"
NEAR, FULL = 80.0, 100.0  # percent from which a person should look, and from which nothing is left

_FILTERS = {"team": "team", "key": "key", "tag": "tag", "route": "model"}


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and how it stands; money is None where it is unknown, for the reason `unknown`."""

    id: str
    scope: str
    subject: str
    subject_id: str | None
    window: str
    hard: bool
    amount_pico: int
    spent_pico: int | None
    reserved_pico: int | None
    remaining_pico: int | None
    percent: float | None
    forecast_pico: int | None
    began_at: datetime | None
    resets_at: datetime | None
    unknown: str | None
    state: End

    @property
    def href(self) -> str:
        """Its page."""
        return f"{PATH}/{self.id}"

    @property
    def whose(self) -> str:
        """What it holds together."""
        return whose(self.scope, self.subject)

    @property
    def every(self) -> str:
        """Its window in a sentence."""
        return window(self.window)


def budget(found: Standing, name: str) -> Budget:
    """A budget as pages show it; `name` is what people call its subject."""
    of = found.budget
    return Budget(
        id=ids.text(ids.Kind.BUDGET, of.id),
        scope=of.scope,
        subject=name,
        subject_id=subjects.id_text(of.scope, of.subject),
        window=of.span,
        hard=of.hard,
        amount_pico=of.amount_pico,
        spent_pico=found.spent_pico,
        reserved_pico=found.reserved_pico,
        remaining_pico=found.remaining_pico,
        percent=found.percent,
        forecast_pico=found.forecast_pico,
        began_at=_moment(found.window.from_s or None),
        resets_at=_moment(found.window.until_s),
        unknown=found.reason,
        state=state(found.percent, "spent" if of.hard else "overspent"),
    )


def state(percent: float | None, full: str) -> End:
    """How full it is, in a word."""
    if percent is None:
        return End("info", "unknown")
    if percent >= FULL:
        return End("bad", full)
    return End("warn", f"over {NEAR:.0f} %") if percent >= NEAR else End("good", "has room")


def whose(scope: str, subject: str) -> str:
    """`the organisation`, `team search`."""
    return f"{scope} {subject}" if subject else "the organisation"


def window(name: str) -> str:
    """`a month`, `in total`."""
    return "in total" if name == "total" else f"{'an' if name == 'hour' else 'a'} {name}"


def title(found: Budget) -> str:
    """What the budget is called in a sentence."""
    return f"${figures.exact(found.amount_pico)} {found.every} for {found.whose}"


def confirmed_by(org: str, subject: str) -> str:
    """What to type to end one: the name of its subject."""
    return subject or org


def resets(found: Budget) -> str:
    """When there is room again."""
    if found.resets_at is None:
        return "never"
    return f"{found.resets_at.astimezone(UTC):%b %d, %H:%M} UTC"


def spent_at(found: Budget, now: datetime) -> datetime | None:
    """When nothing is left if it goes on so; None when that is not in this window, or unknown."""
    began, spent, forecast = found.began_at, found.spent_pico, found.forecast_pico
    if began is None or not spent or forecast is None or forecast <= found.amount_pico:
        return None
    return began + (now - began) * (found.amount_pico / spent)


def requests(scope: str, which: str) -> str:
    """The requests that it holds together; nothing where the list cannot tell them."""
    if scope == "organisation":
        return links.to(rows.PATH, {"range": Range.DAY})
    name = _FILTERS.get(scope)
    return links.to(rows.PATH, {"range": Range.DAY, name: which}) if name else ""


def told(found: Budget, now: datetime) -> str:
    """Where it stands and leads, in a sentence or two."""
    if found.spent_pico is None:
        return f"What is spent is unknown: {found.unknown}"
    text = f"{figures.short(found.spent_pico)} of {figures.short(found.amount_pico)} is spent"
    if found.reserved_pico:
        text += f", {figures.short(found.reserved_pico)} held for requests on their way"
    text += "."
    at = spent_at(found, now)
    if at is not None and at > now:
        text += f" At this pace nothing is left from {at.astimezone(UTC):%b %d, %H:%M} UTC on."
    elif found.forecast_pico is not None and at is None:
        text += f" At this pace {figures.short(found.forecast_pico)} is spent at the window's end."
    return text


def _moment(second: int | None) -> datetime | None:
    return None if second is None else datetime.fromtimestamp(second, UTC)
