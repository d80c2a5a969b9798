"""Reports of drills that nobody ran: made from hand-written courses, by the same functions as real ones."""

import random
from pathlib import Path

from mainstay.drill.cell import cells, pairs
from mainstay.drill.conductor import Course
from mainstay.drill.load.record import Record
from mainstay.drill.load.tally import Orders
from mainstay.drill.reading import seen
from mainstay.drill.report import Terms, fingerprint, report, row
from mainstay.drill.verdict import Expectation, judge
from mainstay.system.load import load

AT = 1_795_613_390.0
"""When all of them began, in seconds since 1970."""
RATE = 50
SHOP = """\
name: shop
zones: [a, b]
services:
  web:
    command: node server.js
    instances: 4
    listen: http://127.0.0.1:8080
    needs: [api]
  api:
    command: python api.py
    instances: 2
    listen: http://127.0.0.1:8081
"""


def shop(folder: Path, more: str = ""):
    """Give a system, with more in its file where that is wanted."""
    file = folder / "mainstay.yaml"
    file.write_text(SHOP + more, encoding="utf-8")
    return load(file)


def terms(system, run="20261125-132950-c38e", at=AT, **changed):
    told = {"live": False, "seed": 1, "length": "quick", "rate": float(RATE)} | changed
    return Terms(run=run, at=at, fingerprint=fingerprint(system), **told)


def cell(system, name):
    """Give a cell by its name; also one of two faults."""
    every = cells(system)
    return next(one for one in [*every, *(pairs(every) if "+" in name else [])] if one.name == name)


def writes(*, twice=(), lost=()):
    return Orders(acknowledged=40, executed=41, twice=twice, lost=lost, unknown=[], strange=[])


def course(  # noqa: PLR0913 - each has its default
    *,
    failing=(0.0, 0.0),
    how="reset",
    share=1.0,
    slow=(0.0, 0.0),
    detected=0.04,
    lasts=2.5,
    back=0.4,
    seconds=6.0,
    entry="web",
    confirmed="pid 4711 ended",
    trouble="",
    aborted="",
    instance="web-1",
):
    """Give what happened in a cell whose fault begins 2 s after its users: what fails and is slow, from and until when.

    Times are in seconds from the fault.
    """
    dice = random.Random(7)
    records = []
    for number in range(int(seconds * RATE)):
        at = number / RATE
        since = at - 2.0
        bad = failing[0] <= since < failing[1] and dice.random() < share
        took = 0.008 + 0.006 * dice.random() + (0.9 * dice.random() if slow[0] <= since < slow[1] else 0.0)
        outcome, status = (how, 503 if how == "status" else 0) if bad else ("ok", 200)
        records.append(
            Record(
                number, f"r-{number}", "GET", "kept", 0, at, 0.001, at + took, outcome, status, "GET /", False
            )
        )
    facts = (
        [{"fact": "InstanceExited", "instance": instance, "at": AT + 2.0 + detected}]
        if detected is not None
        else []
    )
    return Course(
        began=100.0,
        counted=100.5,
        broken=102.0,
        wall=AT + 2.0,
        over=102.0 + lasts,
        back=102.0 + lasts + back,
        confirmed=confirmed,
        trouble=trouble,
        records={entry: records},
        lag=0.002,
        unsent=0,
        facts=facts,
        retries=3,
        hedges=1,
        aborted=aborted,
    )


def played(system, name, *, expected=None, accepted="", orders=None, of=None, **told):  # noqa: PLR0913 - each has its default
    """Give the row of a cell that was played."""
    one = cell(system, name)
    happened = course(**told)
    found = seen(one, happened, orders)
    expected = expected or Expectation()
    return row(one, happened, found, judge(found, expected), expected, accepted, of or terms(system))


def mixed(system):
    """Give a report with every verdict that a run can have."""
    rows = [
        played(system, "kill@web"),
        played(system, "kill@api", failing=(0.0, 1.9), entry="api"),
        played(system, "freeze@web", slow=(0.0, 1.2)),
        played(
            system,
            "freeze@api",
            failing=(0.3, 2.0),
            share=0.4,
            how="timeout",
            accepted="one instance is enough at night",
        ),
        played(system, "latency@web", confirmed="", detected=None),
        played(system, "stop@web", failing=(0.0, 6.0), back=float("nan"), lasts=0.0),
        played(system, "stop@api", orders=writes(twice=["o-7"]), lasts=0.0),
        played(system, "reset@api", orders=writes(lost=["o-8", "o-9"])),
        played(system, "zone-kill@a", failing=(0.0, 0.2), expected=Expectation(0.1, 0.5), instance="web-1"),
    ]
    return report(system, terms(system), rows, len(cells(system)))
