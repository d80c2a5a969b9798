"""What the system file allows in a cell: what is expected of it, and whether another outcome is accepted."""

import datetime as dt
from typing import NamedTuple

from mainstay.drill.cell import Cell
from mainstay.drill.verdict import Expectation
from mainstay.system.schema import System


class Allowance(NamedTuple):
    """What may happen in a cell."""

    expected: Expectation
    accepted: str
    """Why another outcome is accepted; empty when it is not."""


def allowance(system: System, cell: Cell, today: dt.date) -> Allowance:
    """Give what may happen in a cell on this day (UTC): of two faults, what is said of the first."""
    drills = system.drills
    names = (*cell.target.instances[:1], *filter(None, (cell.target.name, cell.target.service)))
    told = drills.expected(cell.kind.name, names)
    accepted = drills.accepted(cell.kind.name, names, today)
    return Allowance(Expectation(told.failed, told.gap, told.latency), accepted.reason if accepted else "")
