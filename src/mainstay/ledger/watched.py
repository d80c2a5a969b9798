"""How often instances of a service failed, and for how long, as the ledger saw it: what a prediction is made from."""

from typing import NamedTuple

from mainstay.ledger.store import INSTANCE, Store
from mainstay.reliability.span import over, uptime, within
from mainstay.reliability.summary import failures


class Watched(NamedTuple):
    """What was seen of all instances of a service."""

    served: float
    """Seconds for which they served, all together."""
    failures: int
    """How often one that served no longer did; drills and maintenance are not counted."""
    repairs: list[float]
    """How long each took until it served again, in seconds, where both ends were seen."""


def watched(store: Store, service: str, since: float, until: float) -> Watched:
    """Look at all instances of a service in a period, seconds since 1970."""
    excuses = store.marks(service, since, until)
    served, count, repairs = 0.0, 0, []
    for subject in store.subjects(INSTANCE):
        if subject.service == service:
            spans = over(within(store.spans(subject, since, until, until), since, until), excuses)
            found = failures(spans)
            served += uptime(spans).served
            count += len(found.times)
            repairs += [one for one in found.repairs if one > 0]
    return Watched(served, count, repairs)
