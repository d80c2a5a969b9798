"""For which share of their time users had a service that worked, as plain values."""

from typing import Any

from mainstay.ledger.store import Store, Subject
from mainstay.reliability.users import doubling, minimal_ratio

_MILLIS = 1000


def audience(store: Store, subject: Subject, since: float, until: float, level: int) -> dict[str, Any] | None:
    """Give the time of users in a period, and the worst of it by length; None where users were not told apart.

    Args:
        store: The ledger.
        subject: A service.
        since: Seconds since 1970.
        until: Likewise.
        level: The length of the spans that are looked at, in seconds.
    """
    times = store.of_users(subject, since, until, level)
    up, down = (sum(time[place] for time in times) for place in (1, 2))
    if not up + down:
        return None
    first = times[0][0]
    series = [(0.0, 0.0)] * ((times[-1][0] - first) // level + 1)
    for at, its_up, its_down in times:
        series[(at - first) // level] = (its_up, its_down)
    return {
        "up": up / _MILLIS,
        "down": down / _MILLIS,
        "availability": up / (up + down),
        "worst": [
            {"seconds": width * level, "availability": ratio, "since": first + at * level}
            for width, ratio, at in minimal_ratio(series, list(doubling(len(series))))
        ],
    }
