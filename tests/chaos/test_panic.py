"""A panic reaches every worker, whatever is away between the gateway and its stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.panic_drill import Drill, drilling
from tests.support.database import Cluster
from tests.support.passage import State

pytestmark = pytest.mark.chaos

UP, PAUSED, DEAD = State.UP, State.PAUSED, State.DEAD


@pytest.fixture(scope="module")
def drill(cluster: Cluster) -> Iterator[Drill]:
    """A gateway with two workers; `python -m tests.chaos.panic_drill` has eight."""
    with drilling(cluster, workers=2) as drill:
        yield drill


@pytest.mark.parametrize(
    ("database", "cache"), [(UP, UP), (UP, PAUSED), (UP, DEAD), (PAUSED, UP), (DEAD, UP)]
)
def test_one_store_is_enough(drill: Drill, database: State, cache: State) -> None:
    """K-63: with either store paused or dead for the gateway all workers refuse, and when all is
    well again and the panic is ended they serve."""
    drill.by_api(database, cache)
    drill.calm()


@pytest.mark.parametrize(("database", "cache"), [(PAUSED, DEAD), (DEAD, PAUSED)])
def test_with_neither_the_local_file_is(drill: Drill, database: State, cache: State) -> None:
    """K-63: a gateway that hears of neither store is stopped by its own host's file."""
    drill.by_file(database, cache)
    drill.calm()
