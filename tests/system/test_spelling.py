import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.system.document import read_document
from mainstay.system.spelling import spelt

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        "",
        "~",
        "off",
        "1.10",
        "0x10",
        "${PORT}",
        "$${PORT}",
        "$",
        "$$",
        "a: b",
        "- a",
        "*a",
        "<<",
        "#",
        "\x7f\x85\u2028",
    ]
)
NUMBERS = (
    st.booleans()
    | st.integers(0, 2**64 - 1)
    | st.integers(-(10**18) + 1, 0)
    | st.floats(allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-300)
)
VALUES = st.recursive(
    TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=5))
def test_what_is_spelt_is_read_as_it_was(content):
    document = read_document(spelt(content), {"PORT": "of the environment"})

    assert document.problems == []
    assert document.content == content
    assert repr(document.content) == repr(content)


def test_what_is_no_number_is_read_as_it_was():
    read = read_document(spelt({"a": math.nan, "b": [-math.inf]}), {}).content

    assert math.isnan(read["a"])
    assert read["b"] == [-math.inf]


@pytest.mark.parametrize("text", ["${PORT}", "$${PORT}", "${PORT:-80} $$ $x"])
def test_what_belongs_to_the_instance_stays_its_own(text):
    command = {"services": {"web": {"command": text, "env": {"A": text}}}}
    once = read_document(spelt(command), {"PORT": "1"}).content

    assert once == command


def test_it_reads_as_a_person_would_write_it():
    content = {
        "name": "shop",
        "services": {"web": {"command": ["node", "a.js"], "env": {"A": "$1"}, "hold": 0}},
    }

    assert spelt(content) == (
        'name: "shop"\nservices:\n  web:\n    command: ["node", "a.js"]\n    env:\n      "A": "$$1"\n    hold: 0\n'
    )
