import math

import pytest

from mainstay.system.scalar import interpolate, typed, whole_characters


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *(
            (word, word)
            for word in ("on", "off", "yes", "no", "y", "1:30", "1_000", "nUll", "0b1", "1e", ".", "--1")
        ),
        ("10", 10),
        ("-3", -3),
        ("+3", 3),
        ("010", 10),
        ("0o17", 15),
        ("0xff", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_words_without_quotes_mean_what_yaml_1_2_says(text, meaning):
    result = typed(text)

    assert result == meaning
    assert type(result) is type(meaning)


def test_not_a_number_is_a_number_too():
    assert math.isnan(typed(".NaN"))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}-${A}", "1-1"),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${NONE:-}", ""),
        ("${NONE:-a b:c}", "a b:c"),
        ("$A $ $5 a$", "$A $ $5 a$"),
        ("$$A $${A} $$$$", "$A ${A} $$"),
        ("${PORT}", "80"),
    ],
)
def test_names_are_replaced_by_their_values(text, result):
    assert interpolate(text, {"A": "1", "EMPTY": "", "PORT": "80"}, for_instance=False) == (result, [])


def test_what_only_the_instance_knows_stays():
    text = "${PORT} ${PORT:-1} ${MAINSTAY_INSTANCE} ${MAINSTAY_ZONE} ${MAINSTAY_SERVICE} ${MAINSTAY_URL_A}"

    assert interpolate(text, {"PORT": "80"}, for_instance=True) == (text, [])


@pytest.mark.parametrize("text", ["${}", "${1}", "${A", "${A-b}", "${A:?b}", "${A:+b}", "${ A }"])
def test_other_forms_of_a_shell_are_refused(text):
    _, problems = interpolate(text, {"A": "1"}, for_instance=False)

    assert problems == [f"found '{text}', allowed: ${{NAME}}, ${{NAME:-default}}, and $$ for a $"]


def test_every_missing_name_is_told():
    _, problems = interpolate("${B} ${C}", {}, for_instance=False)

    assert [problem.split(":")[0] for problem in problems] == [
        "the environment has no B",
        "the environment has no C",
    ]


def test_halves_of_characters_are_joined_or_refused():
    assert whole_characters("\ud83d\ude00") == "😀"
    assert whole_characters("\ud83d") is None
