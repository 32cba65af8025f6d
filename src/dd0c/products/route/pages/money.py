"""What was charged and what was made up, kept apart: nobody pays the simulator."""

from __future__ import annotations

from typing import Protocol

from dd0c.kernel.web.console import figures


class Priced(Protocol):
    """Sums of the ledger: `simulated_pico` is part of `cost_pico`."""

    @property
    def cost_pico(self) -> int | None:
        """All that is known; None when nothing is."""

    @property
    def simulated_pico(self) -> int | None:
        """What a simulated provider would have charged; None when nothing was simulated."""


def charged(sums: Priced) -> int | None:
    """What somebody will be charged for; None when nothing is known."""
    return None if sums.cost_pico is None else sums.cost_pico - (sums.simulated_pico or 0)


def is_made_up(sums: Priced) -> bool:
    """Whether all that is known of the cost is simulated."""
    return bool(sums.simulated_pico) and not charged(sums)


def words(sums: Priced) -> str:
    """A cost in a sentence: `$1.20`, `$1.20 and $0.12 simulated`, `$0.12 simulated`."""
    if sums.cost_pico is None:
        return "cost unknown"
    if is_made_up(sums):
        return f"{figures.short(sums.simulated_pico)} simulated"
    extra = f" and {figures.short(sums.simulated_pico)} simulated" if sums.simulated_pico else ""
    return figures.short(charged(sums)) + extra
