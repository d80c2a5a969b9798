import pytest

from mainstay.base.growth import doubled


@pytest.mark.parametrize(("times", "length"), [(0, 0.5), (1, 1.0), (3, 4.0), (4, 5.0), (10_000, 5.0)])
def test_it_doubles_each_time_up_to_its_cap(times, length):
    assert doubled(0.5, times, 5.0) == length
