"""Markdown, as GitHub shows it."""

import re

import pytest

from mainstay.drill.form.markdown import LIMIT, markdown


def table(text):
    """Give the rows of its first table, cell by cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in rows if len(row) == len(rows[0])]


def test_it_begins_with_what_matters(mixed):
    first = markdown(mixed).splitlines()

    assert first[0] == "## ❌ shop: 5 of 9 cells not as expected"
    assert first[4] == "The worst is reset at api, LOST: 2 acknowledged writes were not carried out."


def test_a_report_that_is_as_expected_says_so(mixed):
    fine = mixed["cells"][0]

    text = markdown(mixed | {"met": True, "cells": [fine]})

    assert text.startswith("## ✅ shop: 1 cell as expected")
    assert "<details>" not in text


def test_the_matrix_has_a_row_for_each_cell_and_those_that_are_not_met_come_first(mixed):
    rows = table(markdown(mixed))

    assert len(rows) == 2 + len(mixed["cells"])
    assert rows[2][1:5] == ["<code>kill</code>", "<code>api</code>", "**OUTAGE**", "95 of 200"]


def test_what_is_not_met_or_accepted_has_its_details_with_the_command_that_plays_it_again(mixed):
    text = markdown(mixed)

    assert text.count("<details>") == text.count("</details>") == 6
    assert "<summary>freeze at api: ACCEPTED</summary>" in text
    assert "- accepted: one instance is enough at night" in text
    assert "```sh\nmainstay drill run --fault kill --target api --quick --rps 50 --seed 1\n```" in text


def test_coverage_is_told_by_class(mixed):
    assert "| crash | 1 of 6 | 0.009 | – |" in markdown(mixed)  # noqa: RUF001 - a dash


def test_nothing_that_a_stranger_says_is_markup_or_ends_a_cell(hostile):
    text = markdown(hostile)

    assert len(table(text)) == 2 + len(hostile["cells"])
    assert "\n# head" not in text
    assert text.isprintable() or set(filter(lambda sign: not sign.isprintable(), text)) <= {"\n", "\u200b"}
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert "<script>" not in outside
    assert "@everyone" not in re.sub(r"<summary>.*?</summary>", "", outside)


def test_a_command_with_backticks_stays_within_its_fence(mixed):
    mixed["cells"][1]["reproduce"] = "mainstay drill run --target '```'"

    assert "````sh\nmainstay drill run --target '```'\n````\n" in markdown(mixed)


@pytest.mark.parametrize("limit", [LIMIT, 60_000, 8_000])
def test_it_is_never_longer_than_it_may_be_and_says_what_it_left_out(mixed, limit):
    cells = [row | {"cell": f"{row['cell']}-{number}"} for number in range(900) for row in mixed["cells"]]

    text = markdown(mixed | {"cells": cells}, limit)

    assert len(text.encode()) <= limit
    assert re.search(r"\*[\d,]+ (row|detail)s left out: a summary may not be longer", text)
    assert text.rstrip().endswith("</sub>")
