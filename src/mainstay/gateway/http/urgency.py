"""How important a client says that its request is (RFC 9218)."""

import re
from collections.abc import Iterable

from mainstay.gateway.table import ORDINARY
from mainstay.tolerance.line import CLASSES

_URGENCY = re.compile(rb"(?:\A|,)[ \t]*u=([0-7])[ \t]*(?:[,;]|\Z)")
_USUAL = 3


def urgency(told: Iterable[bytes]) -> int:
    """Give the class of a request by its `Priority`: 0 for urgencies 0 to 2, 1 for 3 and whatever else, 2 for 4 to 7.

    Args:
        told: The values of that field.
    """
    values = list(told)
    found = _URGENCY.search(values[0]) if len(values) == 1 else None
    if found is None:
        return ORDINARY
    value = found[1][0] - ord("0")
    return ORDINARY if value == _USUAL else 0 if value < _USUAL else CLASSES - 1
