"""A rule of the audit: what should not be so, why, and what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mainstay.redundancy.audit.plan import Keys, Plan

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = {
    ERROR: "one failure stops users, or what is there twice is not used",
    WARNING: "a failure costs users more than it has to",
    NOTE: "worth a look",
}
"""What each severity means; the worst first."""


class Spot(NamedTuple):
    """One place at which a rule finds something."""

    keys: Keys
    message: str
    """What was found, for this place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule."""

    id: str
    """Small letters and hyphens; it stays the same."""
    severity: str
    title: str
    """What is wrong, in a few words."""
    why: str
    """What follows from it."""
    example: str
    """A service, or another part of a system file, at which it finds something."""
    fix: str
    """What to write instead."""
    find: Callable[[Plan], Iterator[Spot]]


class Finding(NamedTuple):
    """What a rule found, and where in the text."""

    rule: Rule
    path: str
    """`services.web.instances`"""
    message: str
    line: int
    column: int
    accepted: str = ""
    """Why somebody has accepted it; empty: nobody has."""


def fails(findings: list[Finding], level: str) -> bool:
    """Tell whether there is one that nobody accepted, as bad as `level` or worse; `never`: no."""
    order = list(SEVERITIES)
    bad = order[: order.index(level) + 1] if level in order else []
    return any(each.rule.severity in bad and not each.accepted for each in findings)
