"""Durations, and when many runs end."""

import pytest

from crl.experiments.runtime.time_left import duration, seconds_in_all, seconds_until_all_end


def test_durations_are_given_in_the_unit_that_fits() -> None:
    durations = [duration(seconds) for seconds in (5, 600, 4 * 3600 + 120)]
    assert durations == ["5 s", "10 min", "4 h 02 min"]


def test_all_steps_take_as_long_as_those_that_are_done() -> None:
    assert seconds_in_all({"step": 5, "seconds": 3.0}, 10) == 6.0
    assert seconds_in_all({"step": 12, "seconds": 3.0}, 10) == 3.0
    assert seconds_in_all({}, 10) is None
    assert seconds_in_all({"step": 5, "seconds": float("nan")}, 10) is None


def test_workers_share_the_runs_but_no_run_is_shared() -> None:
    assert seconds_until_all_end([4, 4, 4], [4, 4], 2) == 6
    assert seconds_until_all_end([9, 1], [9, 1], 2) == 9
    assert seconds_until_all_end([4, 4], [], 0) == pytest.approx(8)
