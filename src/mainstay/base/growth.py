"""How rests grow that come again and again."""

_MOST = 64


def doubled(first: float, times: int, cap: float) -> float:
    """Give `first` doubled so many times, and `cap` at most."""
    # The exponent is bounded because what flaps may do so for months, and 2.0**1024 overflows.
    return min(cap, first * 2.0 ** min(times, _MOST))
