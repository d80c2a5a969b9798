from mainstay.tolerance.deadline import Deadline


def test_what_is_left_falls_to_nothing_and_not_below():
    deadline = Deadline(10.0)

    assert [deadline.left(now) for now in (4.0, 10.0, 11.0)] == [6.0, 0.0, 0.0]


def test_an_attempt_gets_its_time_and_never_more_than_is_left():
    deadline = Deadline(10.0)

    assert [deadline.fit(now, 2.0) for now in (4.0, 8.0, 9.0)] == [6.0, 10.0, 10.0]


def test_it_has_passed_from_its_moment_on():
    deadline = Deadline(10.0)

    assert [deadline.passed(now) for now in (9.9, 10.0, 10.1)] == [False, True, True]
