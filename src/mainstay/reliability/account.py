"""What was counted of one subject in one span of time, so that spans can be added up without losing anything.

A subject is a service, or one of its instances. Counts only add; latencies are histograms of fixed buckets, which add as well.
So the account of an hour is the sum of those of its minutes, and a percentile of it is that of all its requests.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mainstay.base.histogram import merged

COUNTS = (
    "requests",
    "failures",
    "broken",
    "cancelled",
    "refused",
    "retries",
    "hedges",
    "shed",
    "fallbacks",
    "status_1xx",
    "status_2xx",
    "status_3xx",
    "status_4xx",
    "status_5xx",
    "micros",
    "user_up",
    "user_down",
)
"""What is counted, by name. Of a service: `requests` that came, `failures` among them (answered with 5xx or not at all),
`broken` off in mid-answer, `cancelled` by their clients, `refused` without an attempt, `retries` and `hedges` that were made,
`shed` for overload, answered by a `fallback`; answers by class; the sum of their latencies in microseconds; the time of users that was
`user_up` and `user_down`, in milliseconds, see `users`. Of an instance:
`requests` are attempts."""


@dataclass(frozen=True, slots=True)
class Account:
    """Counts of a span of time."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """By the names of `COUNTS`; what is not there is 0."""
    latencies: Mapping[int, int] = field(default_factory=dict)
    """Answers by bucket of their latency, see `base.histogram`."""

    def __bool__(self) -> bool:
        """Tell whether anything was counted."""
        return any(self.counts.values()) or bool(self.latencies)

    def __add__(self, other: "Account") -> "Account":
        """Add two spans up."""
        return total((self, other))

    def since(self, before: "Account") -> "Account":
        """Give what was counted after another account of the same subject was taken.

        What is less than it was has begun anew: then all of it is new.
        """
        if any(self.counts.get(name, 0) < count for name, count in before.counts.items()):
            return self
        counts = {name: count - before.counts.get(name, 0) for name, count in self.counts.items()}
        latencies = {
            bucket: count - before.latencies.get(bucket, 0) for bucket, count in self.latencies.items()
        }
        return Account(
            {name: count for name, count in counts.items() if count},
            {bucket: count for bucket, count in latencies.items() if count > 0},
        )


def total(accounts: Iterable[Account]) -> Account:
    """Add spans up."""
    counts: dict[str, int] = {}
    latencies: list[Mapping[int, int]] = []
    for account in accounts:
        for name, count in account.counts.items():
            counts[name] = counts.get(name, 0) + count
        latencies.append(account.latencies)
    return Account(counts, merged(latencies))
