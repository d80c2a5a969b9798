"""Latencies in fixed buckets: 8 to every doubling, so a quantile is off by at most an eighth.

Fixed buckets merge by addition, over instances, workers and time; averaged percentiles mean nothing.
"""

from collections.abc import Iterable, Mapping

STEPS = 8
"""Buckets to every doubling."""


def bucket(seconds: float) -> int:
    """Give the bucket of a latency; anything under 8 µs counts as 8 µs."""
    return place(int(seconds * 1e6))


def place(micros: int) -> int:
    """Give the bucket of so many microseconds."""
    if micros < STEPS:
        return STEPS
    shift = micros.bit_length() - 4
    return (shift + 1) * STEPS + ((micros >> shift) & 7)


def upper(index: int) -> float:
    """Give the upper bound of a bucket, in seconds."""
    shift = index // STEPS - 1
    return ((8 + index % STEPS + 1) << shift) / 1e6


def merged(parts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Add histograms up."""
    total: dict[int, int] = {}
    for part in parts:
        for index, count in part.items():
            total[index] = total.get(index, 0) + count
    return total


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Give the latency that `share` (0 to 1) of the counted did not exceed, in seconds; None without any."""
    total = sum(counts.values())
    if not total:
        return None
    rank = share * total
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= rank:
            return upper(index)
    return upper(max(counts))
