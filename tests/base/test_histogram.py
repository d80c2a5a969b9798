from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.histogram import bucket, merged, quantile, upper

latencies = st.floats(0.0, 3600.0)


@given(latencies)
def test_a_latency_is_under_its_bound_by_at_most_an_eighth(seconds):
    bound = upper(bucket(seconds))

    assert seconds < bound
    assert bound <= max(seconds, 8e-6) * 1.125 + 2e-6


@given(latencies, latencies)
def test_buckets_are_ordered_as_latencies_are(one, other):
    low, high = sorted((one, other))

    assert bucket(low) <= bucket(high)


@given(st.lists(latencies, min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_off_by_at_most_an_eighth(values, share):
    counts = merged({bucket(value): 1} for value in values)

    found = quantile(counts, share)

    rank = min(len(values) - 1, max(0, -int(-share * len(values) // 1) - 1))
    true = sorted(values)[rank]
    assert true < found <= max(true, 8e-6) * 1.125 + 2e-6


@given(st.lists(latencies), st.lists(latencies))
def test_merging_is_as_counting_together(one, other):
    parts = [merged({bucket(value): 1} for value in values) for values in (one, other)]

    assert merged(parts) == merged({bucket(value): 1} for value in one + other)


def test_of_nothing_there_is_no_quantile():
    assert quantile({}, 0.5) is None
