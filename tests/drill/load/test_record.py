import io

import pytest

from mainstay.base.errors import SpecError
from mainstay.drill.load.record import OUTCOMES, Head, Record, read, write

HEAD = Head("http://127.0.0.1:1", "r", 10.5, 1e9, {"rate": 3}, {"asked": 2})
GOOD = Record(0, "r-0", "GET", "kept", 4, 0.5, 0.001, 0.75, "ok", 200, "GET /", False)
BAD = Record(1, "r-1", "POST", "fresh", 0, 0.6, 0.001, 0.7, "refused", 0, "POST /orders", True)


def test_what_is_written_can_be_read():
    file = io.StringIO()

    write(file, HEAD, [GOOD, BAD])

    assert read(file.getvalue().splitlines()) == (HEAD, [GOOD, BAD])


def test_microseconds_are_kept_and_what_is_below_is_not():
    file = io.StringIO()

    write(file, HEAD, [GOOD._replace(at=0.1234567, lag=0.0000014, end=0.7654321)])

    _, (record,) = read(file.getvalue().splitlines())
    assert (record.at, record.lag, record.end) == (0.123457, 0.000001, 0.765432)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_all_outcomes_but_ok_are_failures(outcome):
    assert GOOD._replace(outcome=outcome).failed == (outcome != "ok")


def test_latency_counts_from_the_intended_start():
    assert GOOD._replace(lag=0.2).latency == 0.25


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["nonsense"],
        ["[]"],
        ["{}"],
        ['{"load": {"url": "x"}}'],
        [
            '{"load": {"url": "", "run": "", "monotonic": 0, "wall": 0, "spec": {}, "lane": {}}}',
            '{"number": 1}',
        ],
    ],
)
def test_a_file_of_something_else_is_refused(lines):
    with pytest.raises(SpecError, match="not a file of load records"):
        read(lines)


def test_a_file_of_another_version_is_refused():
    file = io.StringIO()
    write(file, HEAD._replace(version=1), [])

    with pytest.raises(SpecError) as refusal:
        read(file.getvalue().splitlines())

    assert str(refusal.value) == "records of version 1 cannot be read, only 2"
