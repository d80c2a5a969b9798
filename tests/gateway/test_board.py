import os

import pytest

from mainstay.gateway.crew.board import SLACK, Board


@pytest.fixture
def boards(tmp_path):
    made = [Board(tmp_path / "board", number) for number in (1, 2, 3)]
    yield made
    for board in made:
        board.close()


def test_who_has_more_than_another_and_some_slack_is_ahead(boards):
    one, other, _ = boards
    other.beat(100.0)
    one.tell(SLACK)

    before = one.ahead(100.0)
    one.tell(SLACK + 1)

    assert (before, one.ahead(100.0)) == (False, True)


def test_the_slack_grows_with_the_number_of_clients(boards):
    one, other, _ = boards
    other.beat(100.0)
    other.tell(800)
    one.tell(900)

    before = one.ahead(100.0)
    one.tell(903)

    assert (before, one.ahead(100.0)) == (False, True)


def test_the_one_with_the_fewest_counts(boards):
    one, other, third = boards
    for board in (other, third):
        board.beat(100.0)
    other.tell(50)
    third.tell(5)
    one.tell(20)

    assert one.ahead(100.0)


def test_who_is_alone_is_never_ahead(boards):
    boards[0].tell(1000)

    assert not boards[0].ahead(100.0)


@pytest.mark.parametrize("told_at", [96.0, 101.0])
def test_who_has_not_told_lately_or_before_a_reboot_is_not_counted_on(boards, told_at):
    one, other, _ = boards
    other.beat(told_at)
    one.tell(1000)

    assert not one.ahead(100.0)


def test_who_cuts_the_file_ends_nobody_and_it_is_as_if_each_were_alone_until_they_tell_again(
    boards, tmp_path
):
    one, other, _ = boards
    other.beat(100.0)
    one.tell(1000)

    os.truncate(tmp_path / "board", 0)
    alone = one.ahead(100.0)
    other.beat(101.0)

    assert (alone, one.ahead(101.0)) == (False, True)


def test_who_closed_is_not_counted_on(tmp_path):
    one, other = Board(tmp_path / "board", 1), Board(tmp_path / "board", 2)
    other.beat(100.0)
    other.close()
    one.tell(1000)

    assert not one.ahead(100.0)
    one.close()
