"""The timeline of a cell: what is drawn, and where."""

import re
import xml.etree.ElementTree as ET

import pytest

from mainstay.drill.form.chart import chart, marks

SVG = {"lasted": 2.5, "detected": 0.04, "failover": 1.88, "recovered": 0.4, "measured": "OUTAGE"}


def row(steps, **told):
    return {"fault": "kill", "target": "api", "timeline": {"api": steps}} | SVG | told


def steps(count, *, begin=-1.0, sent=5, failed=0, latency=0.01):
    return [[round(begin + 0.1 * n, 3), sent, failed, latency, latency] for n in range(count)]


def drawn(cell):
    return ET.fromstring(chart(cell, "api", "c"))


def texts(image):
    return [one.text for one in image.iter("text")]


def kind(image, name):
    return [one for one in image.iter() if name in (one.get("class") or "").split()]


def test_what_happened_is_told_in_its_order():
    found = [(mark.name, mark.at) for mark in marks(row([]))]

    assert found == [("fault", 0.0), ("detected", 0.04), ("failover", 1.88), ("recovered", 2.9)]


def test_what_did_not_happen_has_no_mark():
    found = marks(row([], detected=None, failover=0.0, recovered=None, lasted=0.0))

    assert [mark.words for mark in found] == ["fault, over at once"]


def test_a_mark_beyond_the_last_user_is_left_out():
    image = drawn(row(steps(30), recovered=60.0))

    assert not kind(image, "recovered")
    assert len(kind(image, "mark")) == 3


def test_a_label_at_the_right_edge_stands_to_the_left_of_its_mark():
    image = drawn(row(steps(40), recovered=0.4))

    anchors = {one.get("class"): one.find("text").get("text-anchor") for one in kind(image, "mark")}
    assert (anchors["mark fault"], anchors["mark recovered"]) == ("start", "end")


def test_the_span_of_the_fault_is_shaded_and_one_that_is_over_at_once_has_none():
    (span,) = kind(drawn(row(steps(50))), "span")

    assert float(span.get("width")) == pytest.approx(884 * 2.5 / 5.0, abs=0.2)
    assert not kind(drawn(row(steps(50), lasted=0.0)), "span")


def test_failed_requests_are_hatched_and_told_to_who_points_at_them():
    lines = steps(30)
    lines[12] = [0.2, 5, 2, 0.01, 0.02]

    image = drawn(row(lines))

    (failed,) = kind(image, "failed")
    assert failed.get("fill") == "url(#c-h)"
    assert [note.find("title").text for note in kind(image, "note")] == ["at 0.2 s: 2 of 5 failed"]
    assert "2 failed, from 0.2 s to 0.3 s after the fault began" in image.find("desc").text


def test_the_line_of_latency_is_broken_where_nobody_was_answered():
    lines = steps(30)
    lines[10:15] = [[round(0.1 * n, 3), 5, 5, None, None] for n in range(5)]

    (median,) = kind(drawn(row(lines)), "median")

    assert median.get("d").count("M") == 2


def test_one_step_between_two_gaps_is_a_dot():
    lines = [[0.1 * n, 5, 5, None, None] for n in range(9)]
    lines[4] = [0.4, 5, 0, 0.01, 0.01]

    (median,) = kind(drawn(row(lines)), "median")

    assert re.fullmatch(r"M[\d.]+ [\d.]+h0", median.get("d"))


def test_where_nobody_was_ever_answered_that_is_said():
    image = drawn(row([[0.1 * n, 5, 5, None, None] for n in range(9)]))

    assert "no request was answered" in texts(image)
    assert not kind(image, "median")


@pytest.mark.parametrize(("seconds", "every"), [(5, 0.5), (30, 5), (120, 10), (600, 60)])
def test_the_axis_has_few_ticks_however_long_it_took(seconds, every):
    image = drawn(row(steps(seconds * 10, begin=0.0), lasted=0.0))

    ticks = [float(text) for text in texts(image) if re.fullmatch(r"\d+(\.\d+)?", text)]
    assert {every, 2 * every} <= set(ticks)
    assert len(ticks) <= 18


@pytest.mark.parametrize(
    ("latency", "labels"),
    [
        (0.0, ["0.1 ms", "1 ms"]),
        (0.012, ["10 ms", "100 ms"]),
        (3.0, ["1 s", "10 s"]),
        (0.01, ["10 ms", "100 ms"]),
    ],
)
def test_latency_is_drawn_between_whole_decades(latency, labels):
    image = drawn(row(steps(30, latency=latency)))

    assert [text for text in texts(image) if re.fullmatch(r"[\d.]+ m?s", text)] == labels


def test_without_a_step_nothing_is_drawn():
    assert chart(row([]), "api", "c") == ""


def test_all_entry_points_of_a_cell_are_drawn_on_the_same_scale():
    both = row(steps(40)) | {"timeline": {"api": steps(40), "web": steps(90, begin=-3.0)}}

    places = [
        [mark.find("circle").get("cx") for mark in kind(ET.fromstring(chart(both, entry, "c")), "mark")]
        for entry in both["timeline"]
    ]

    assert places[0] == places[1]
