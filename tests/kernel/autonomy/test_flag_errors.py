"""The rule by which a flag turns itself off: exact where samples are small (K-62)."""

from __future__ import annotations

import random

import pytest

from dd0c.kernel.autonomy import flag_errors
from dd0c.kernel.autonomy.flag_errors import BEFORE_MIN, WINDOW_MIN, Sample, Seen

QUIET = (Sample(),) * (WINDOW_MIN + BEFORE_MIN)


def minutes(*samples: Sample) -> tuple[Sample, ...]:
    """The newest minutes, and nothing before them."""
    return (*samples, *QUIET[len(samples) :])


def before(sample: Sample) -> tuple[Sample, ...]:
    """Seen just before the window."""
    return (*QUIET[:WINDOW_MIN], sample, *QUIET[WINDOW_MIN + 1 :])


@pytest.mark.parametrize(
    ("with_it", "without", "expected"),
    [
        # Fisher's lady: 4 cups each way, 3 of 4 right: 17/70.
        (Sample(1, 3), Sample(3, 1), 17 / 70),
        # All 20 fail with it, none of 20 without: one of C(40, 20) = 137,846,528,820 ways.
        (Sample(0, 20), Sample(20, 0), 1 / 137_846_528_820),
        # 1 of 2 with it, none of 2 without: half of all ways.
        (Sample(1, 1), Sample(2, 0), 0.5),
        (Sample(5, 0), Sample(5, 0), 1.0),
    ],
)
def test_chance_is_fishers(with_it: Sample, without: Sample, expected: float) -> None:
    """Literals worked out by counting (K-62)."""
    assert flag_errors.chance(with_it, without) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("on", "off", "trips"),
    [
        (Sample(0, 20), Sample(20, 0), True),
        (Sample(0, 19), Sample(20, 0), False),  # too few with it
        (Sample(0, 20), Sample(19, 0), False),  # too few without it
        (Sample(0, 20), Sample(), False),  # nothing to compare with
        (Sample(15, 5), Sample(100, 0), False),  # chance would do that now and then
        (Sample(150, 50), Sample(1000, 0), True),
        (Sample(96_000, 4_000), Sample(99_000, 1_000), False),  # certain, and no emergency
        (Sample(40_000, 60_000), Sample(60_000, 40_000), False),  # not twice as frequent
        (Sample(10_000, 90_000), Sample(60_000, 40_000), True),
        (Sample(20, 0), Sample(0, 20), False),  # the flag does good
        (Sample(900_000, 100_000), Sample(960_000, 40_000), True),
    ],
)
def test_a_flag_is_turned_off_when_errors_rise_with_it(
    on: Sample, off: Sample, trips: bool
) -> None:
    """Enough was seen, the rise matters, and it is no chance: all three (K-62)."""
    found = flag_errors.judge(Seen(minutes(on), minutes(off)))
    assert (found is not None) is trips


def test_where_nobody_is_without_the_flag_it_is_held_against_itself() -> None:
    """On for all, it is compared with what it did before the last five minutes; with those without
    it where there are enough of them (K-62)."""
    failing = Sample(0, 30)
    was_well = before(Sample(300, 0))
    was_ill = before(Sample(0, 300))
    now = tuple(new + old for new, old in zip(minutes(failing), was_well, strict=True))
    assert flag_errors.judge(Seen(now, QUIET)) is not None
    ill = tuple(new + old for new, old in zip(minutes(failing), was_ill, strict=True))
    assert flag_errors.judge(Seen(ill, QUIET)) is None
    assert flag_errors.judge(Seen(ill, minutes(Sample(300, 0)))) is not None


def test_what_does_no_harm_is_not_turned_off_by_chance() -> None:
    """20,000 looks at samples of all sizes with the same rate of errors: none trips (K-62)."""
    drawn = random.Random(62)
    for _ in range(20_000):
        rate = drawn.choice((0.0, 0.01, 0.1, 0.3, 0.5))
        on, off = (_draw(drawn, drawn.choice((20, 40, 100)), rate) for _ in range(2))
        assert flag_errors.judge(Seen(minutes(on), minutes(off))) is None, (on, off)


def _draw(drawn: random.Random, seen: int, rate: float) -> Sample:
    bad = sum(drawn.random() < rate for _ in range(seen))
    return Sample(seen - bad, bad)
