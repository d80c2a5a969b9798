import pytest

from mainstay.base.errors import Problem
from mainstay.system.node import Mapping, Scalar, Sequence, compose
from mainstay.system.place import Place


def test_every_node_knows_its_place():
    root, problems = compose("a: 1\nb:\n  - 'x'\n")

    assert problems == []
    assert root == Mapping(
        Place(1, 1),
        [
            (Scalar(Place(1, 1), "a", plain=True), Scalar(Place(1, 4), "1", plain=True)),
            (
                Scalar(Place(2, 1), "b", plain=True),
                Sequence(Place(3, 3), [Scalar(Place(3, 5), "x", plain=False)]),
            ),
        ],
    )


def test_an_alias_shares_the_node_it_names():
    root, _ = compose("a: &x {k: v}\nb: *x\n")

    assert root.pairs[0][1] is root.pairs[1][1]


def test_an_anchor_that_is_given_again_means_the_latest():
    root, _ = compose("a: &x 1\nb: &x 2\nc: *x\n")

    assert root.pairs[2][1].text == "2"


def test_an_alias_used_as_a_key_stands_where_it_is_used():
    root, _ = compose("a: &x b\n*x : 2\n")

    assert root.pairs[1][0] == Scalar(Place(2, 1), "b", plain=True)


def test_what_can_be_told_before_a_syntax_error_is_told_too():
    root, problems = compose("a: 1\na: 2\nb: [")

    assert root is None
    assert [problem.line for problem in problems] == [2, 3]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"\\U00110000"', Problem(1, 1, "", "is not YAML: chr() arg not in range(0x110000)")),
        (
            'a: 1\nb: "\\Uffffffff"',
            Problem(2, 1, "", "is not YAML: Python int too large to convert to C int"),
        ),
        ("a: 1\n--- b", Problem(2, 1, "", "found a second document, allowed is one")),
        (
            "%YAML 2.0\n--- a",
            Problem(1, 1, "", "is not YAML: found incompatible YAML document (version 1.* is required)"),
        ),
    ],
)
def test_a_malformed_text_is_a_problem_and_never_a_traceback(text, problem):
    assert compose(text) == (None, [problem])
