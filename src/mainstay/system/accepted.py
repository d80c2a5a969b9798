"""The baseline of an audit: findings that somebody has accepted, each with the reason.

::

    accepted:
      - rule: single-instance
        at: services.db
        reason: one is enough for this
        until: 2027-01-31
"""

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from mainstay.base.errors import OtherFileError
from mainstay.redundancy.audit.rule import Finding
from mainstay.system.document import read_document
from mainstay.system.drills import Date, Reason
from mainstay.system.load import text_of
from mainstay.system.mechanism import Section
from mainstay.system.value import Text
from mainstay.system.wording import tell


class Accepted(Section):
    """One finding that is accepted."""

    rule: Text
    """The rule's id."""
    at: Text
    """Where, by its keys, as the audit tells it: `services.db.instances`, or what that is in: `services.db`."""
    reason: Reason
    """Why; it stands in every report."""
    until: Date | None = None
    """The last day on which it is accepted (UTC)."""

    def covers(self, finding: Finding, today: dt.date) -> bool:
        """Tell whether it is about this finding, and still counts."""
        inside = finding.path == self.at or finding.path.startswith((f"{self.at}.", f"{self.at}["))
        return self.rule == finding.rule.id and inside and (self.until is None or today <= self.until)

    def __str__(self) -> str:
        return f"{self.rule} at {self.at}" + (f", until {self.until}" if self.until is not None else "")


class Baseline(Section):
    """All that are accepted."""

    accepted: Annotated[list[Accepted], Field(max_length=10_000)] = Field(default_factory=list)
    """The findings."""

    def settle(self, findings: Sequence[Finding], today: dt.date) -> tuple[list[Finding], list[str]]:
        """Give the findings with the reasons of those that are accepted, and what accepts none: it may go."""
        used: set[int] = set()
        settled = []
        for finding in findings:
            place = next(
                (place for place, one in enumerate(self.accepted) if one.covers(finding, today)), None
            )
            if place is not None:
                used.add(place)
                settled.append(finding._replace(accepted=self.accepted[place].reason))
            else:
                settled.append(finding)
        return settled, [str(one) for place, one in enumerate(self.accepted) if place not in used]


def read_baseline(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        SystemFileError: it cannot be used; it has all the problems.
    """
    document = read_document(text_of(file), os.environ)
    problems = list(document.problems)
    baseline = Baseline()
    try:
        if not problems and document.content is not None:
            baseline = Baseline.model_validate(document.content)
    except ValidationError as error:
        problems += tell(error.errors(include_url=False), document)
    if problems:
        raise OtherFileError(str(file), sorted(set(problems)))
    return baseline
