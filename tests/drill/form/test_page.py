"""The page: whole, alone, and readable without its colours."""

import re
from html.parser import HTMLParser

from mainstay.drill.form.page import page
from mainstay.drill.report import unplayed
from matrices import cell


class Reader(HTMLParser):
    """Reads a page, and sees that what is opened is closed."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def named(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]

    def charts(self):
        return [one for one in self.named("svg") if one.get("role") == "img"]


def read(report):
    reader = Reader()
    reader.feed(page(report))
    reader.close()
    assert not reader.open
    return reader


def test_it_begins_with_three_sentences(mixed):
    text = read(mixed).text

    for begin in (
        "5 of 9 cells not as expected",
        "9 cells of",
        "The worst is reset at api, LOST",
        "Of 61 cells",
    ):
        assert any(part.startswith(begin) for part in text)


def test_it_needs_nothing_else_and_runs_nothing(mixed):
    reader = read(mixed)

    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        assert not {name for name in attributes if name.startswith("on") or name == "src"}
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", page(mixed))
    assert "@import" not in page(mixed)


def test_every_link_leads_to_a_cell_of_the_page_and_every_id_is_there_once(mixed):
    reader = read(mixed)

    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    links = [attributes["href"][1:] for attributes in reader.named("a")]
    assert len(ids) == len(set(ids))
    assert len(links) == 9
    assert set(links) <= set(ids)


def test_each_cell_that_was_played_has_its_timeline_evidence_and_command(mixed):
    reader = read(mixed)

    assert len(reader.named("article")) == len(reader.charts()) == 9
    assert "mainstay drill run --fault kill --target api --quick --rps 50 --seed 1" in reader.text
    assert {"fault, 2.50 s", "detected after 0.04 s", "pid 4711 ended"} <= set(reader.text)


def test_a_narrow_screen_has_the_name_of_the_target_in_each_square(mixed):
    squares = [one["data-at"] for one in read(mixed).named("td") if "data-at" in one]

    assert len(squares) == 9
    assert set(squares) == {"web", "api", "a"}


def test_times_from_the_beginning_and_from_the_end_of_the_fault_are_told_apart(mixed):
    text = set(read(mixed).text)

    assert {"all back after it ended", "all back 2.90 s after it began"} <= text


def test_the_worst_cell_comes_first(mixed):
    order = re.findall(r"<h3>([\w-]+) <span>at</span> (\w+)</h3>", page(mixed))

    assert order[:3] == [("reset", "api"), ("stop", "api"), ("kill", "api")]
    assert order[-1] == ("kill", "web")


def test_a_gap_is_seen_in_the_matrix(mixed, shop):
    mixed["cells"].append(unplayed(cell(shop, "files@web"), "it was never drilled"))

    reader = read(mixed)

    assert {"NOT RUN", "it was never drilled"} <= set(reader.text)
    assert len(reader.charts()) == 9


def test_targets_with_no_fault_in_common_have_tables_of_their_own(mixed):
    heads = re.findall(r'<th scope="col">fault</th>(.*?)</tr>', page(mixed))

    assert [re.findall(r">(\w+)</th>", head) for head in heads] == [["web", "api"], ["a"]]


def test_nothing_depends_on_colour_alone(mixed):
    reader = read(mixed)

    verdicts = {"SURVIVED", "DEGRADED", "OUTAGE", "LOST", "DUPLICATED", "INVALID", "ACCEPTED"}
    assert verdicts <= set(reader.text)
    assert len(reader.named("pattern")) == 9
    assert all("aria-labelledby" in one for one in reader.charts())
    assert all("scope" in one for one in reader.named("th"))


def test_nothing_that_a_stranger_says_is_markup(hostile):
    reader = read(hostile)

    assert not reader.named("script")
    assert any("</title><script>alert(1)</script>" in part for part in reader.text)


def test_a_report_without_a_cell_is_a_page_that_says_so(mixed):
    reader = read(mixed | {"cells": [], "coverage": [], "met": False})

    assert "Nothing was drilled" in reader.text
