"""The arithmetic of the results against what comes out by hand."""

from __future__ import annotations

import pytest

from tests.bench import alone, endurance, figures
from tests.bench.figures import Frontier, Interval, Probe


def probe(per_s: float, p99_ms: float, direct_ms: float = 0.1, **more: float) -> Probe:
    """One rate, tried by a generator that was in time."""
    return Probe(per_s, p99_ms, direct_ms, more.get("lag_ms", 0.1), int(more.get("failed", 0)))


def test_added_latency_is_the_median_of_differences_of_neighbours() -> None:
    """R-41: by hand: 5, 1, 3 added; a drift that both see does not matter."""
    assert figures.added([105, 201, 303], [100, 200, 300]).median == 3
    steady = figures.added([110.0] * 100, [100.0] * 100)
    assert (steady.low, steady.median, steady.high) == (10, 10, 10)
    with pytest.raises(ValueError, match="no turn"):
        figures.added([], [])


def test_the_frontier_ends_where_the_bound_first_breaks() -> None:
    """R-44: a rate that happens to hold beyond the first break does not count."""
    probes = [probe(100, 0.5), probe(200, 2.0), probe(300, 0.9)]
    assert figures.frontier(probes, 1) == Frontier(100, inconclusive=False)
    assert figures.frontier(probes, 5) == Frontier(300, inconclusive=True)
    assert figures.frontier([probe(100, 0.5, failed=1)], 1) == Frontier(None, inconclusive=False)


def test_the_frontier_is_about_what_is_added_to_direct_calls() -> None:
    """R-44: by hand: 1.4 ms where direct calls take 0.6 are 0.8 more, which 1 ms allows; 1.7 are
    1.1 more, which it does not."""
    probes = [probe(100, 1.4, 0.6), probe(200, 1.7, 0.6)]
    assert figures.frontier(probes, 1) == Frontier(100, inconclusive=False)


def test_the_frontier_does_not_judge_what_it_cannot_see() -> None:
    """R-44: where the generator is late by more than half of the bound, or direct calls miss it
    themselves, the search ends without a verdict, whether the bound seemed to hold or not."""
    late = [probe(100, 0.5), probe(200, 2.0, lag_ms=0.6)]
    assert figures.frontier(late, 1) == Frontier(100, inconclusive=True)
    slow = [probe(100, 0.5), probe(200, 2.5, direct_ms=2.4)]
    assert figures.frontier(slow, 1) == Frontier(100, inconclusive=True)
    assert figures.frontier(slow, 5) == Frontier(200, inconclusive=True)


def test_the_next_rate_lies_between_what_held_and_what_broke() -> None:
    """R-44: by hand: 100 held and 200 broke, so 150; none where nothing broke or is seen."""
    probes = [probe(200, 2.0), probe(100, 0.5)]
    assert figures.between(probes, 1) == 150
    assert figures.between(probes, 5) is None
    assert figures.between([probe(100, 2.0)], 1) == 50
    assert figures.between([probe(100, 2.0, lag_ms=0.9)], 1) is None


def test_a_slope_is_the_median_of_all_pairs() -> None:
    """R-42: by hand: between (0, 0), (1, 1), (3, 7) the slopes are 1, 3 and 7/3."""
    assert figures.slope([0, 1, 3], [0, 1, 7]) == Interval(7 / 3, 1, 3)
    with pytest.raises(ValueError, match="slope"):
        figures.slope([1], [1])


def test_a_steady_slope_has_a_narrow_interval_and_a_jump_does_not_move_it() -> None:
    """R-42: ten megabytes taken at once in the middle of a flat line are no growth; three a step
    are three, whoever looks."""
    at = list(range(40))
    assert figures.slope(at, [3.0 * x for x in at]) == Interval(3, 3, 3)
    jump = figures.slope(at, [0.0 if x < 20 else 10.0 for x in at])
    assert jump.low == 0.0
    assert jump.median < 0.3
    flat = figures.slope(at, [float(x % 2) for x in at])
    assert flat.low <= 0 <= flat.high


def test_growth_is_counted_when_caches_are_full_and_in_megabytes_a_million() -> None:
    """R-42: by hand: after ten warm slices of 20,000 requests each of the next adds 0.01 MB, so a
    million adds 0.5 MB; the leap of the warm ones does not count."""
    warm = [number * 1024**2 for number in range(10)]
    later = [20 * 1024**2 + number * 10_486 for number in range(15)]
    assert endurance.growth(warm + later, 20_000).median == pytest.approx(0.5, rel=0.001)


def test_workers_are_doubled_up_to_the_processors() -> None:
    """R-44: N workers are tried even where N is no power of two, and each has a processor."""
    assert alone.sizes(1) == [1]
    assert alone.sizes(2) == [1, 2]
    assert alone.sizes(6) == [1, 2, 4, 6]
    two = alone.split([0, 1, 2, 3], 2)
    assert (sorted(two.subject), sorted(two.rest), two.apart) == ([2, 3], [0, 1], True)
    assert not alone.split([0, 1], 2).apart
