import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.base.errors import SpecError
from mainstay.base.units import (
    DURATION_PATTERN,
    SHARE_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_share,
    format_size,
    parse_duration,
    parse_share,
    parse_size,
)

DURATIONS = [
    ("500ms", 0.5),
    ("1s", 1.0),
    ("2m", 120.0),
    ("1h", 3600.0),
    ("30d", 2_592_000.0),
    ("1.5s", 1.5),
    ("0.1s", 0.1),
    ("0", 0.0),
    (0, 0.0),
    (0.0, 0.0),
    ("0s", 0.0),
]

SIZES = [
    ("64KiB", 65_536),
    ("1MB", 1_000_000),
    ("2GiB", 2**31),
    ("3GB", 3 * 10**9),
    ("1.5KiB", 1536),
    ("1KB", 1000),
    ("1MiB", 2**20),
    ("7B", 7),
    ("0", 0),
    (0, 0),
]

SHARES = [("99.95%", 0.9995), ("20%", 0.2), ("0%", 0.0), ("100%", 1.0), ("33.3%", 0.333)]

NOT_DURATIONS = [
    (5, "5 has no unit: write 5ms, 5s, 5m, 5h or 5d"),
    ("5", "'5' has no unit: write 5ms, 5s, 5m, 5h or 5d"),
    (1.5, "1.5 has no unit: write 1.5ms, 1.5s, 1.5m, 1.5h or 1.5d"),
    ("5 s", "'5 s' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    ("5S", "'5S' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    ("5sec", "'5sec' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    ("-5s", "'-5s' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    (-5, "-5 is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    ("", "'' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    ("٣s", "'٣s' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    ("5s\n", "'5s\n' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    (
        "1234567890123s",
        "'1234567890123s' is not a duration: write a number and one of ms, s, m, h, d, as in 500ms",
    ),
    (True, "True is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    (False, "False is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    (None, "None is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
    (float("nan"), "nan is not a duration: write a number and one of ms, s, m, h, d, as in 500ms"),
]

NOT_SIZES = [
    (64, "64 has no unit: write 64B, 64KB, 64MB, 64GB, 64KiB, 64MiB or 64GiB"),
    ("64K", "'64K' is not a size: write a number and one of B, KB, MB, GB, KiB, MiB, GiB, as in 64KiB"),
    ("64kb", "'64kb' is not a size: write a number and one of B, KB, MB, GB, KiB, MiB, GiB, as in 64KiB"),
    ("0.5B", "'0.5B' is not a whole number of bytes"),
]

NOT_SHARES = [
    (20, "20 has no unit: write 20%"),
    (0.2, "0.2 has no unit: write 0.2%"),
    (0, "0 has no unit: write 0%"),
    ("20", "'20' has no unit: write 20%"),
    ("a fifth", "'a fifth' is not a share: write a number and %, as in 20%"),
    ("100.1%", "'100.1%' is more than 100%"),
    ("5ms", "'5ms' is not a share: write a number and %, as in 20%"),
]


@pytest.mark.parametrize(("written", "seconds"), DURATIONS)
def test_durations_are_read_as_people_write_them(written, seconds):
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(("written", "size"), SIZES)
def test_sizes_are_read_as_people_write_them(written, size):
    assert parse_size(written) == size


@pytest.mark.parametrize(("written", "share"), SHARES)
def test_shares_are_read_as_people_write_them(written, share):
    assert parse_share(written) == share


@pytest.mark.parametrize(
    ("parse", "written", "message"),
    [
        *((parse_duration, *case) for case in NOT_DURATIONS),
        *((parse_size, *case) for case in NOT_SIZES),
        *((parse_share, *case) for case in NOT_SHARES),
    ],
)
def test_all_else_is_refused_and_the_units_are_named(parse, written, message):
    with pytest.raises(SpecError) as refused:
        parse(written)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0"),
        (0.5, "500ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (90, "90s"),
        (120, "2m"),
        (3600, "1h"),
        (86400, "1d"),
        (0.0005, "0.5ms"),
        (1.0005, "1.0005s"),
    ],
)
def test_durations_are_written_in_the_largest_whole_unit(seconds, written):
    assert format_duration(seconds) == written


@pytest.mark.parametrize(
    ("size", "written"),
    [(0, "0"), (65536, "64KiB"), (10**6, "1MB"), (1536, "1536B"), (2**30, "1GiB"), (1000, "1KB")],
)
def test_sizes_are_written_in_the_largest_whole_unit(size, written):
    assert format_size(size) == written


@pytest.mark.parametrize(
    ("share", "written"), [(0.2, "20%"), (0.9995, "99.95%"), (0, "0%"), (1, "100%"), (1 / 3, "33.333333333%")]
)
def test_shares_are_written_in_percent(share, written):
    assert format_share(share) == written


@given(st.integers(min_value=0, max_value=10**13))
def test_a_written_duration_reads_back_to_the_millisecond(milliseconds):
    seconds = milliseconds / 1000

    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_a_written_size_reads_back(size):
    assert parse_size(format_size(size)) == size


@given(st.integers(min_value=0, max_value=10**6))
def test_a_written_share_reads_back(millionths):
    share = millionths / 10**6

    assert parse_share(format_share(share)) == share


@given(st.text(alphabet="0123456789.msdhKMGiB% -", max_size=12))
def test_the_published_patterns_allow_what_can_be_read_and_nothing_else(text):
    for parse, pattern in (
        (parse_duration, DURATION_PATTERN),
        (parse_size, SIZE_PATTERN),
        (parse_share, SHARE_PATTERN),
    ):
        matches = re.search(pattern, text) is not None
        try:
            parse(text)
        except SpecError as error:
            beyond_a_pattern = "whole number" in str(error) or "more than" in str(error)
            assert not matches or beyond_a_pattern
        else:
            assert matches
