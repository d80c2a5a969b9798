"""Latencies as HdrHistogram's tools write a distribution of percentiles (`.hgrm`), which its plotters read.

Every figure is exact: it is one of the latencies, in milliseconds, and not the bound of a bucket. Several
runs are merged by putting their latencies together; percentiles cannot be averaged.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import count

from mainstay.drill.load.record import Record

TICKS = 5
"""Lines for each halving of the distance to 100 %, as HdrHistogram's tools have it."""


def hgrm(records: Iterable[Record]) -> str:
    """Write how the latencies of the requests that succeeded are spread.

    Those that failed have none: a refusal is fast, and would make an outage look quick.
    """
    ranked = sorted(record.latency * 1000 for record in records if not record.failed)
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    for value, share, seen in _steps(ranked):
        rest = f"{1 / (1 - share):14.2f}" if share < 1 else ""
        lines.append(f"{value:12.3f} {share:2.12f} {seen:10d} {rest}".rstrip())
    return "\n".join([*lines, *_end(ranked), ""])


def _steps(ranked: Sequence[float]) -> Iterator[tuple[float, float, int]]:
    """Give value, share and how many are no greater: closer and closer to 100 %, and then that."""
    if not ranked:
        return
    for share in _shares():
        # By nearest rank, and with whole numbers: 0.3 of 1000 must be the 300th.
        value = ranked[max(0, math.ceil(share * len(ranked)) - 1)]
        seen = bisect_right(ranked, value)
        if seen == len(ranked):
            break
        yield value, float(share), seen
    yield ranked[-1], 1.0, len(ranked)


def _shares() -> Iterator[Fraction]:
    for halving in count():
        distance = Fraction(1, 2**halving)
        yield from (1 - distance + distance * tick / (2 * TICKS) for tick in range(TICKS))


def _end(ranked: Sequence[float]) -> list[str]:
    total = len(ranked)
    mean = math.fsum(ranked) / total if total else 0.0
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in ranked) / total) if total else 0.0
    longest = ranked[-1] if total else 0.0
    # One bucket of equal steps of a microsecond, which is as exact as a record is.
    steps = math.ceil(longest * 1000) + 1
    return [
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {spread:12.3f}]",
        f"#[Max     = {longest:12.3f}, Total count    = {total:12d}]",
        f"#[Buckets = {1:12d}, SubBuckets     = {steps:12d}]",
    ]
