import io

import pytest

from mainstay.drill.load.command import main
from mainstay.drill.load.hgrm import hgrm
from mainstay.drill.load.record import Head, Record, write


def made(milliseconds, outcome="ok"):
    return Record(0, "r", "GET", "kept", 0, 1.0, 0.0, 1.0 + milliseconds / 1000, outcome, 200, "GET /", False)


THOUSAND = [made(number) for number in range(1, 1001)]


def rows(text):
    return [line.split() for line in text.splitlines()[2:] if not line.startswith("#")]


def test_it_has_the_form_of_hdrhistograms_tools():
    lines = hgrm(THOUSAND).splitlines()

    assert lines[0] == "       Value     Percentile TotalCount 1/(1-Percentile)"
    assert lines[1] == ""
    assert lines[2] == "       1.000 0.000000000000          1           1.00"
    assert lines[3] == "     100.000 0.100000000000        100           1.11"
    assert lines[-4] == "    1000.000 1.000000000000       1000"
    assert lines[-3] == "#[Mean    =      500.500, StdDeviation   =      288.675]"
    assert lines[-2] == "#[Max     =     1000.000, Total count    =         1000]"
    assert lines[-1].startswith("#[Buckets = ")


def test_the_distance_to_the_end_is_halved_every_five_lines():
    shares = [float(row[1]) for row in rows(hgrm(THOUSAND))]

    assert shares[:16:5] == pytest.approx([0.0, 0.5, 0.75, 0.875])
    assert shares == sorted(shares)
    assert ["300.000", "0.300000000000", "300", "1.43"] in rows(hgrm(THOUSAND))


def test_every_value_is_one_that_somebody_had():
    values = [float(row[0]) for row in rows(hgrm([made(3), made(7), made(7), made(50)]))]

    assert set(values) == {3.0, 7.0, 50.0}


def test_what_failed_has_no_latency():
    assert "Total count    =            1]" in hgrm([made(5), made(5000, "timeout")])


def test_of_nothing_there_is_nothing_to_tell():
    text = hgrm([])

    assert rows(text) == []
    assert "Total count    =            0]" in text


def test_files_are_merged_by_their_latencies(tmp_path, capsys):
    for name, records in (("a", THOUSAND[:500]), ("b", THOUSAND[500:])):
        file = io.StringIO()
        write(file, Head("http://x", "r", 0.0, 0.0, {}, {}), records)
        (tmp_path / name).write_text(file.getvalue())

    code = main(["--hgrm", str(tmp_path / "a"), str(tmp_path / "b")])

    assert code == 0
    assert rows(capsys.readouterr().out) == rows(hgrm(THOUSAND))


@pytest.mark.parametrize(("content", "code"), [(None, 6), ("x", 3)])
def test_a_file_that_has_no_records_is_told(tmp_path, capsys, content, code):
    if content:
        (tmp_path / "a").write_text(content)

    assert main(["--hgrm", str(tmp_path / "a")]) == code

    assert str(tmp_path / "a") in capsys.readouterr().err
