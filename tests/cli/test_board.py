"""How a run is shown while it goes on."""

import io

import pytest
from rich.console import Console

from mainstay.cli import show
from mainstay.cli.board import Board

SEEN = {"event": "verdict", "cell": "kill@web", "verdict": "OUTAGE", "because": "3 of 40 failed"}


def second(number, ended=100, failed=0, cell="kill@web", entry="web"):
    told = {"event": "second", "second": number, "ended": ended, "failed": failed}
    return told | {"cell": cell, "entry": entry}


@pytest.fixture
def said(monkeypatch):
    """Have standard error written down; gives what starts that, on a terminal or elsewhere, and what reads it."""
    file = io.StringIO()

    def start(*, terminal):
        monkeypatch.setattr(
            show, "err", Console(file=file, force_terminal=terminal, width=80, highlight=False)
        )
        return file.getvalue

    return start


def test_elsewhere_each_drill_is_a_line_when_it_begins_and_one_when_it_ends(said):
    read = said(terminal=False)

    with Board(quiet=False) as board:
        for news in (
            {"event": "starting"},
            {"event": "up"},
            {"event": "cell", "cell": "kill@web", "number": 1, "of": 2},
            second(1),
            {"event": "breaking", "cell": "kill@web"},
            SEEN,
            {"event": "stopping"},
        ):
            board.tell(news)

    assert read().splitlines() == [
        "starting a private copy of the system",
        "  1 of 2 kill@web",
        "  OUTAGE        kill@web: 3 of 40 failed",
        "stopping a private copy of the system",
    ]


def test_which_values_lead_to_a_private_copy_is_told_in_one_line(said):
    out = said(terminal=False)

    with Board(quiet=False) as board:
        board.tell({"event": "relocated", "keys": ["services.web.env.A", "services.web.command"]})

    assert (
        out()
        == "in the private copy, these lead to the copy itself: services.web.env.A, services.web.command\n"
    )


def test_on_a_terminal_each_second_is_a_bar_while_it_goes_on(said):
    read = said(terminal=True)

    with Board(quiet=False) as board:
        board.tell({"event": "cell", "cell": "kill@web", "number": 3, "of": 28})
        board.tell(second(1))
        board.tell({"event": "breaking", "cell": "kill@web"})
        board.tell(second(2, failed=50))
        (lane,) = board._lanes.values()
        columns = [column.plain for column in lane.columns()]
        board.tell(SEEN)

    assert columns == ["  3 of 28", "kill@web", "█▄", "50 failed", "broken"]
    assert "kill@web: 3 of 40 failed" in read()


def test_entry_points_of_one_drill_are_counted_together(said):
    said(terminal=True)

    with Board(quiet=False) as board:
        board.tell({"event": "cell", "cell": "kill@web", "number": 1, "of": 1})
        board.tell(second(1, 50, 50, entry="web"))
        board.tell(second(1, 50, 0, entry="api"))
        (lane,) = board._lanes.values()

    assert [column.plain for column in lane.columns()][2:4] == ["▄", "50 failed"]


def test_a_drill_that_is_played_once_more_begins_anew(said):
    said(terminal=True)

    with Board(quiet=False) as board:
        board.tell({"event": "cell", "cell": "kill@web", "number": 1, "of": 1})
        board.tell(second(1, failed=9))
        board.tell({"event": "back", "cell": "kill@web", "seconds": float("nan")})
        board.tell(second(1))
        (lane,) = board._lanes.values()

    assert [column.plain for column in lane.columns()][2:] == ["█", "0 failed", "before the fault"]


def test_drills_at_the_same_time_have_a_line_each(said):
    said(terminal=True)

    with Board(quiet=False) as board:
        for number, cell in enumerate(("kill@web", "kill@api"), start=1):
            board.tell({"event": "cell", "cell": cell, "number": number, "of": 2})
        board.tell(second(1, failed=100, cell="kill@api"))
        lanes = [[column.plain for column in lane.columns()][1:3] for lane in board._lanes.values()]

    assert lanes == [["kill@web", ""], ["kill@api", "█"]]


def test_nothing_is_said_where_json_is_asked_for(said):
    read = said(terminal=True)

    with Board(quiet=True) as board:
        board.tell({"event": "cell", "cell": "kill@web", "number": 1, "of": 1})
        board.tell(SEEN)

    assert read() == ""


def test_what_a_former_drill_left_what_is_not_sent_and_what_is_not_kept_is_told(said):
    read = said(terminal=False)

    with Board(quiet=False) as board:
        board.tell({"event": "undone", "what": "freeze at [red]web-1"})
        board.tell({"event": "not_kept", "because": "no space left on device"})
        board.tell(
            {"event": "left_out", "requests": [{"what": "POST /orders", "times": 3, "why": "it writes"}]}
        )

    assert read().splitlines() == [
        "undone, from a former drill: freeze at [red]web-1",
        "the report was not kept: no space left on device",
        "not sent: POST /orders (3): it writes",
    ]
