"""Metrics of one name, made of what was counted."""

from collections.abc import Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from mainstay.base.histogram import STEPS, upper

Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]
"""Values by those of the labels."""

BOUNDS = tuple(range(55, 192, STEPS // 2))
"""Buckets of ours at whose upper bounds those of Prometheus end: two to every doubling from 512 µs to 67 s.
All of ours would be 140 series for each service; these put a quantile off by at most a half, mostly less."""
COARSE = BOUNDS[::2]
"""Likewise for instances, of which there may be many: one to every doubling."""


def counter(name: str, about: str, labels: Labels, samples: Samples) -> Metric:
    """Make a metric of what only grows."""
    family = CounterMetricFamily(f"mainstay_{name}", about, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def gauge(name: str, about: str, labels: Labels, samples: Samples) -> Metric:
    """Make a metric of what is now."""
    family = GaugeMetricFamily(f"mainstay_{name}", about, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def histogram(
    name: str,
    about: str,
    labels: Labels,
    bounds: Iterable[int],
    samples: Iterable[tuple[Labels, Mapping[int, int], float]],
) -> Metric:
    """Make a metric of how often something took how long.

    Args:
        name: Without the prefix.
        about: What it is.
        labels: Their names.
        bounds: Buckets of ours at whose upper bounds those of the metric end.
        samples: Values of the labels, counts by bucket of ours, and the sum of all durations in seconds.
    """
    bounds = tuple(bounds)
    family = HistogramMetricFamily(f"mainstay_{name}", about, labels=labels)
    for values, counts, seconds in samples:
        family.add_metric(values, buckets=_cumulated(counts, bounds), sum_value=seconds)
    return family


def _cumulated(counts: Mapping[int, int], bounds: Iterable[int]) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    seen, rest = 0, sorted(counts.items(), reverse=True)
    for bound in bounds:
        while rest and rest[-1][0] <= bound:
            seen += rest.pop()[1]
        buckets.append((repr(upper(bound)), seen))
    return [*buckets, ("+Inf", sum(counts.values()))]
