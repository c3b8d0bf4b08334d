"""What measurements do to a forecast."""

import pytest

from sweeps.forecast.calibration import Calibration, Interval, Pair

SLOW = [Pair(forecast=10.0, measured=20.0)] * 20


def test_without_measurements_the_interval_is_the_prior() -> None:
    """A forecast that nobody has checked and that claims to be sure."""
    said = Calibration({}, 2.0).interval(("prompt_tuning", "xl"), 10.0)
    assert (said.low, said.middle, said.high) == pytest.approx((5.0, 10.0, 20.0))


def test_a_measured_group_is_forecast_by_its_own_trials() -> None:
    """Data sheets that go on to speak where trials have spoken."""
    calibration = Calibration({("prompt_tuning", "60k"): SLOW}, 3.0)
    said = calibration.interval(("prompt_tuning", "60k"), 100.0)
    assert said.middle == pytest.approx(200.0)
    assert said.high / said.low < 1.4
    assert calibration.count == 20


def test_another_group_takes_its_correction_with_less_trust() -> None:
    """One slow size that says nothing of the next, or is believed of it to the second."""
    calibration = Calibration({("prompt_tuning", "60k"): SLOW}, 3.0)
    said = calibration.interval(("prompt_tuning", "2m"), 100.0)
    own = calibration.interval(("prompt_tuning", "60k"), 100.0)
    assert said.middle == pytest.approx(200.0)
    assert said.high - said.low > own.high - own.low


def test_misses_are_told_with_and_without_the_others() -> None:
    """A report of its own errors that has seen the answers."""
    fast = [Pair(forecast=10.0, measured=5.0)] * 3
    groups = {("prompt_tuning", "60k"): SLOW, ("prompt_tuning", "2m"): fast}
    slow, quick = Calibration(groups, 3.0).misses()
    assert (slow.measured, slow.from_work.middle, slow.count) == (400.0, 200.0, 20)
    assert slow.from_others is not None and quick.from_others is not None
    assert slow.from_others.middle == pytest.approx(100.0)
    assert quick.from_others.middle == pytest.approx(60.0)
    assert 15.0 not in quick.from_others


def test_intervals_add_up_end_by_end() -> None:
    """Errors of groups that cancel in the sum although they have one cause."""
    one = Interval(low=1, middle=2, high=4)
    assert (one + one) * 2 == Interval(low=4, middle=8, high=16)
