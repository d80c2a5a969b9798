import pytest

from mainstay.drill.toolkit.tolerance import check, within

ANSWER = {"status": 200, "headers": {}, "body": {"items": [{"n": 1, "ok": True}, {"n": 2, "ok": False}]}}


@pytest.mark.parametrize(
    ("tolerance", "value", "met"),
    [
        (200, ANSWER, True),
        (503, ANSWER, False),
        ([200, 204], ANSWER, True),
        ([100, 300], ANSWER, False),
        ([100, 300], 200, True),
        ([100, 300], "200", True),
        ([100, 300], True, False),
        ([100, 300], "many", False),
        ([100, 300], None, False),
        ([1, 2, 3], 2, True),
        ([1, 2, 3], 4, False),
        (["a", "b"], "a", True),
        ("ok", "ok", True),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        ({"type": "range", "range": [1, 5], "target": "status"}, {"status": 3}, True),
        ({"type": "range", "range": [1, 5]}, "5.5", False),
        ({"type": "regex", "pattern": "^rea.y$", "target": "stdout"}, {"status": 0, "stdout": "ready"}, True),
        ({"type": "regex", "pattern": '"n": 2', "target": "body"}, ANSWER, True),
        ({"type": "jsonpath", "path": "$.items[*].n", "target": "body"}, ANSWER, True),
        ({"type": "jsonpath", "path": "$.items[*].n", "target": "body", "count": 3}, ANSWER, False),
        (
            {"type": "jsonpath", "path": "$.items[?(@.ok==true)].n", "target": "body", "expect": [1]},
            ANSWER,
            True,
        ),
        ({"type": "jsonpath", "path": "$.a", "expect": "x"}, '{"a": "x"}', True),
        ({"type": "jsonpath", "path": "$.a"}, "no JSON", False),
    ],
)
def test_what_is_within_a_tolerance(tolerance, value, met):
    assert not list(check(tolerance))
    assert within(tolerance, value) is met


@pytest.mark.parametrize(
    ("tolerance", "where", "what"),
    [
        (None, "", "must be a value"),
        ([], "", "must be a value"),
        ({"type": "regex", "pattern": "("}, ".pattern", "is no regular expression"),
        ({"type": "regex"}, ".pattern", "must be a regular expression"),
        ({"type": "jsonpath", "path": "$["}, ".path", "is no JSONPath"),
        ({"type": "range", "range": [1]}, ".range", "must be two numbers"),
        ({"type": "xpath"}, ".type", "found 'xpath', allowed: regex, jsonpath, range, probe"),
    ],
)
def test_what_is_no_tolerance_is_told(tolerance, where, what):
    ((place, told),) = check(tolerance)

    assert place == where
    assert told.startswith(what)
